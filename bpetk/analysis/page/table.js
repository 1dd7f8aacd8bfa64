"use strict";
// Tables of results: sorted by a click on a heading, filtered where they are long, and shown in parts.
bpetk.compare = (left, right) => {
  if (left === right) return 0;
  if (left === null || left === undefined) return 1;
  if (right === null || right === undefined) return -1;
  if (typeof left === "number" && typeof right === "number") return left - right;
  const a = bpetk.say(left), b = bpetk.say(right);
  return a < b ? -1 : a > b ? 1 : 0;
};

// Only among models something is better: a language or a file is not.
bpetk.best = (table, at) => {
  const better = table.columns[0].key === "model" ? table.columns[at].better : null;
  const numbers = table.rows.map((row) => row[at]).filter((value) => typeof value === "number");
  if (!better || numbers.length < 2) return null;
  const best = numbers.reduce((left, right) => ((better === "higher") === (left > right) ? left : right));
  return numbers.filter((value) => value === best).length > 1 ? null : best;
};

bpetk.fresh = (table) => ({ by: -1, down: false, shown: Math.max(20, table.shown ?? 100), search: "" });

// `state` outlives a change of language: which column, which way, how many rows, what is searched.
bpetk.table = (box, table, state = box.state ?? bpetk.fresh(table)) => {
  box.state = state;
  const best = table.columns.map((_, at) => bpetk.best(table, at));
  const text = (row, at) => bpetk.value(row[at], table.columns[at].kind);
  let order = table.rows.map((_, at) => at);
  const wanted = state.search.toLowerCase();
  if (wanted) {
    order = order.filter((at) => table.columns.some((_, column) => text(table.rows[at], column).toLowerCase().includes(wanted)));
  }
  if (state.by >= 0) {
    const sign = state.down ? -1 : 1;
    const empty = (at) => table.rows[at][state.by] === null;
    order.sort((a, b) => empty(a) - empty(b) || sign * bpetk.compare(table.rows[a][state.by], table.rows[b][state.by]) || a - b);
  }
  const again = (change) => {
    Object.assign(state, change);
    bpetk.table(box, table, state);
  };
  const left = (column) => (column.kind === "text" || column.kind === "token" ? "left" : "");
  const head = bpetk.element("tr", {}, ...table.columns.map((column, at) => {
    const mark = state.by === at ? (state.down ? " ▼" : " ▲") : "";
    const sorting = state.by === at ? (state.down ? "descending" : "ascending") : "none";
    const button = bpetk.element("button", { type: "button", onclick: () => {
      const numeric = left(column) === "";
      again({ by: at, down: state.by === at ? !state.down : numeric });
      box.querySelectorAll("th button")[at].focus();
    } }, bpetk.say(column.label) + mark);
    if (column.help) button.title = bpetk.say(column.help);
    return bpetk.element("th", { class: left(column), scope: "col", "aria-sort": sorting }, button);
  }));
  const body = order.slice(0, state.shown).map((place) => {
    const row = table.rows[place];
    return bpetk.element("tr", {}, ...row.map((value, at) => {
      const column = table.columns[at];
      const kind = [left(column), column.kind === "token" ? "token" : "", best[at] !== null && value === best[at] ? "best" : ""];
      return bpetk.element("td", { class: kind.join(" ").trim() }, text(row, at));
    }));
  });
  const grid = bpetk.element("table", {}, bpetk.element("thead", {}, head), bpetk.element("tbody", {}, ...body));
  const parts = [bpetk.element("div", { class: "scroll", tabindex: "0" }, grid)];
  if (table.rows.length > bpetk.fresh(table).shown) {
    const input = bpetk.element("input", { type: "search", value: state.search, "aria-label": bpetk.say(bpetk.words.filter),
      placeholder: bpetk.say(bpetk.words.filter) });
    input.addEventListener("input", () => {
      again({ search: input.value });
      const fresh = box.querySelector("input[type=search]");
      fresh.focus();
      fresh.setSelectionRange(fresh.value.length, fresh.value.length);
    });
    const count = `${bpetk.grouped(Math.min(state.shown, order.length))} ${bpetk.say(bpetk.words.of)} ${bpetk.grouped(order.length)}`;
    const more = bpetk.element("button", { type: "button", hidden: order.length <= state.shown,
      onclick: () => again({ shown: state.shown + 200 }) }, bpetk.say(bpetk.words.more));
    parts.unshift(bpetk.element("div", { class: "controls" }, input, bpetk.element("span", { class: "status" }, count), more));
  }
  box.replaceChildren(...parts);
};

bpetk.fillTables = () => {
  for (const box of document.querySelectorAll(".result[data-table]")) {
    const [result, section, at] = box.dataset.table.split(".").map(Number);
    bpetk.table(box, bpetk.data.results[result].sections[section].tables[at]);
  }
};

bpetk.fillFigures = () => {
  for (const card of document.querySelectorAll("[data-figure]")) {
    const [result, section, at] = card.dataset.figure.split(".").map(Number);
    const figure = bpetk.data.results[result].sections[section].figures[at];
    card.textContent = bpetk.value(figure.value, figure.kind);
  }
};
