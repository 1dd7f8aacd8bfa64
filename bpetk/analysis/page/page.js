"use strict";
// The switches of the page, and what happens first.
bpetk.setLanguage = (language) => {
  document.documentElement.lang = language;
  document.title = bpetk.say(bpetk.data.title);
  bpetk.fillFigures();
  bpetk.fillTables();
  bpetk.redrawCharts();
  bpetk.labelVocabulary();
  bpetk.repeatPlayground();
};

bpetk.setTheme = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  bpetk.redrawCharts();
};

document.getElementById("language").addEventListener("click", () => bpetk.setLanguage(bpetk.zh() ? "en" : "zh-CN"));
document.getElementById("theme").addEventListener("click", bpetk.setTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", bpetk.redrawCharts);
bpetk.fillFigures();
bpetk.fillTables();
bpetk.startCharts();
bpetk.startVocabulary();
bpetk.startPlayground();
bpetk.ready = true;
globalThis.bpetk = bpetk;
