"use strict";
// Charts, drawn when they come into view. Colours: Okabe and Ito's, which colour-blind readers can tell apart; beyond
// eight series, and for whoever sees no colour, stripes, dashes and shapes of points differ too.
bpetk.colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#8c8c8c"];
bpetk.charts = new Map();

bpetk.css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

bpetk.fill = (at) => {
  const colour = bpetk.colours[at % 8];
  if (at < 8) return colour;
  const tile = document.createElement("canvas"), side = 8;
  tile.width = tile.height = side;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = "#ffffff";
  pen.lineWidth = 2;
  for (const shift of [-side, 0, side]) {
    pen.beginPath();
    pen.moveTo(shift, 0);
    pen.lineTo(shift + side, side);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
};

bpetk.chart = (place) => {
  const [result, section, at] = place.split(".").map(Number);
  return bpetk.data.results[result].sections[section].charts[at];
};

bpetk.datasets = (chart) => chart.series.map((series, at) => {
  const name = bpetk.say(series.label), colour = bpetk.colours[at % 8];
  if (chart.kind !== "line") {
    return { label: name, data: series.y, backgroundColor: bpetk.fill(at), borderColor: bpetk.css("--bg"), borderWidth: 1 };
  }
  const points = [];
  series.x.forEach((x, place) => {
    const y = series.y[place];
    if (y !== null && (!chart.log_x || x > 0) && (!chart.log_y || y > 0)) points.push({ x, y });
  });
  const dashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
  return {
    label: name, data: points, borderColor: colour, backgroundColor: colour, borderWidth: 2,
    borderDash: dashes[at % 4], pointStyle: ["circle", "triangle", "rect", "star"][at % 4],
    pointRadius: points.length > 40 ? 0 : 3.5, pointHitRadius: 8,
  };
});

// Names of categories stand in the order of their first mention; a series without one has no value there.
bpetk.categories = (chart) => {
  const keys = new Map();
  for (const series of chart.series) for (const x of series.x) keys.set(JSON.stringify(x), x);
  const order = [...keys.keys()];
  for (const series of chart.series) {
    const values = new Map(series.x.map((x, at) => [JSON.stringify(x), series.y[at]]));
    series.y = order.map((key) => (values.has(key) ? values.get(key) : null));
    series.x = order.map((key) => keys.get(key));
  }
  return order.map((key) => keys.get(key));
};

bpetk.scale = (label, kind, log, stacked, category, whole = false) => ({
  type: category ? "category" : log ? "logarithmic" : "linear",
  stacked,
  ...(kind === "share" && stacked && !category ? { min: 0, max: 1 } : {}),
  title: { display: true, text: bpetk.say(label), color: bpetk.css("--dim") },
  grid: { color: bpetk.css("--line") },
  ticks: {
    color: bpetk.css("--dim"), maxRotation: 60, autoSkip: !whole,
    ...(category ? {} : {
      callback(value) {
        // On a wide logarithmic scale only powers of ten have room for their numbers.
        const digits = value.toExponential(), wide = this.max / this.min > 1000;
        if (log && !(wide ? /^1e/ : /^[125]e/).test(digits)) return null;
        if (kind === "share") return bpetk.significant(value * 100, 3) + " %";
        return kind === "bytes" || kind === "seconds" ? bpetk.value(value, kind) : bpetk.short(value);
      },
    }),
  },
});

bpetk.short = (value) => {
  const size = Math.abs(value);
  if (size >= 1e6) return bpetk.significant(value / 1e6, 3) + " M";
  if (size >= 1e4) return bpetk.significant(value / 1e3, 3) + " k";
  return bpetk.significant(value, 3);
};

bpetk.draw = (figure) => {
  const chart = bpetk.chart(figure.dataset.chart), canvas = figure.querySelector("canvas");
  bpetk.charts.get(figure)?.destroy();
  const line = chart.kind === "line", stacked = chart.kind === "stacked";
  const labels = line ? undefined : bpetk.categories(chart).map((x) => bpetk.value(x, "text"));
  const lying = stacked || (!line && labels.some((text) => text.length > 12));
  const values = bpetk.scale(chart.y_label, chart.y_kind, chart.log_y, stacked, false);
  const names = bpetk.scale(chart.x_label, "text", chart.log_x, stacked, !line, lying && labels.length <= 60);
  // Bars that lie side by side take as much room as their names.
  if (lying && labels.length <= 60) canvas.parentElement.style.height = `max(20rem, ${labels.length * 1.5 + 5}rem)`;
  canvas.setAttribute("aria-label", bpetk.say(chart.label));
  bpetk.charts.set(figure, new Chart(canvas, {
    type: line ? "line" : "bar",
    data: { labels, datasets: bpetk.datasets(chart) },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, indexAxis: lying ? "y" : "x",
      interaction: { mode: line ? "nearest" : "index", axis: line ? "x" : undefined, intersect: false },
      scales: lying ? { x: values, y: names } : { x: names, y: values },
      plugins: {
        legend: {
          display: chart.series.length > 1, position: "bottom",
          labels: { color: bpetk.css("--text"), boxWidth: 22, ...(line ? { usePointStyle: true, pointStyle: "line", pointStyleWidth: 36 } : {}) },
        },
        tooltip: {
          callbacks: {
            title: (items) => (line ? `${bpetk.say(chart.x_label)} ${bpetk.value(items[0].parsed.x, "text")}` : items[0].label),
            label: (item) => {
              const value = line ? item.parsed.y : item.raw;
              return `${item.dataset.label}: ${bpetk.value(value, chart.y_kind)}`;
            },
          },
        },
      },
    },
  }));
};

bpetk.numbers = (figure) => {
  const chart = bpetk.chart(figure.dataset.chart);
  if (chart.kind !== "line") bpetk.categories(chart);
  const columns = [{ key: "series", label: ["series", "系列"], kind: "text" }, { key: "x", label: chart.x_label, kind: "text" },
    { key: "y", label: chart.y_label, kind: chart.y_kind }];
  const rows = chart.series.flatMap((series) => series.x.map((x, at) => [series.label, x, series.y[at]]));
  return { columns, rows };
};

bpetk.startCharts = () => {
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      bpetk.draw(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const figure of figures) {
    seen.observe(figure);
    const details = figure.querySelector("details");
    details.addEventListener("toggle", () => {
      const box = details.querySelector(".scroll");
      if (details.open) bpetk.table(box, bpetk.numbers(figure));
    });
  }
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
};

bpetk.redrawCharts = () => {
  for (const figure of bpetk.charts.keys()) bpetk.draw(figure);
  for (const details of document.querySelectorAll("figure details[open]")) {
    bpetk.table(details.querySelector(".scroll"), bpetk.numbers(details.closest("figure")));
  }
};
