"use strict";
// Values as text, and what the page says in two languages. The rules for numbers are those of the terminal.
const bpetk = { data: JSON.parse(document.getElementById("data").textContent) };

bpetk.zh = () => document.documentElement.lang !== "en";
bpetk.say = (label) => (Array.isArray(label) ? label[bpetk.zh() ? 1 : 0] : label === null ? "" : String(label));
bpetk.words = {
  yes: ["yes", "是"], no: ["no", "否"], all: ["all", "全部"], rows: ["rows", "行"], of: ["of", "/"],
  more: ["show more", "显示更多"], filter: ["filter", "筛选"], search: ["search, or /pattern/", "搜索，或 /正则/"], tokens: ["tokens", "个词元"],
  bytesPerToken: ["bytes per token", "字节/词元"], unknown: ["This line has bytes that are not in the vocabulary.", "该行含有词表中没有的字节。"],
  bad: ["not a regular expression", "不是有效的正则表达式"],
  kinds: [["normal", "普通"], ["special", "特殊"], ["added", "附加"], ["byte", "字节"], ["unused", "未用"]],
  integrity: [["whole", "完整"], ["partial", "部分字符"], ["ill-formed", "非法"]],
  columns: {
    id: ["id", "编号"], token: ["token", "词元"], kind: ["kind", "类别"], script: ["script", "文字"],
    bytes: ["bytes", "字节数"], chars: ["characters", "字符数"], han: ["Han", "汉字"], integrity: ["UTF-8", "UTF-8"],
  },
};

bpetk.element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

bpetk.grouped = (number, digits = 0) => {
  const [whole, rest] = Math.abs(number).toFixed(digits).split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? "." + rest : "");
  return (number < 0 && /[1-9]/.test(text) ? "-" : "") + text;
};

bpetk.significant = (number, digits) => {
  const text = Number(number.toPrecision(digits));
  return Math.abs(text) < 1e-4 && text !== 0 ? text.toExponential().replace(/e-(\d)$/, "e-0$1") : String(text);
};

bpetk.share = (value) => {
  const percent = value * 100, near = Math.min(percent, 100 - percent);
  if (near === 0) return percent.toFixed(0) + " %";
  return percent.toFixed(near > 0 && near < 0.1 ? Math.min(6, Math.trunc(-Math.log10(near)) + 2) : 1) + " %";
};

bpetk.size = (value) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; value >= 999.5 && at < 4; at++) value /= 1000;
  return (at === 0 || value >= 99.95 ? value.toFixed(0) : bpetk.significant(value, 3)) + " " + units[at];
};

bpetk.time = (seconds) => {
  if (seconds < 0.0009995) return bpetk.significant(seconds * 1e6, 3) + " µs";
  if (seconds < 0.9995) return bpetk.significant(seconds * 1000, 3) + " ms";
  if (seconds < 119.5) return bpetk.significant(seconds, 3) + " s";
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

bpetk.value = (value, kind) => {
  if (value === null || value === undefined) return "-";
  if (Array.isArray(value)) return bpetk.say(value);
  if (typeof value === "boolean") return bpetk.say(value ? bpetk.words.yes : bpetk.words.no);
  if (typeof value === "string") return value;
  if (kind === "share") return bpetk.share(value);
  if (kind === "bytes") return bpetk.size(value);
  if (kind === "seconds") return bpetk.time(value);
  if (kind === "rate") return value.toFixed(1);
  const plain = kind === "text" || kind === "token";
  if (kind === "integer" || (plain && Number.isInteger(value))) return bpetk.grouped(value);
  const size = Math.abs(value);
  if (size === 0 || (size >= 0.01 && size < 1000)) return value.toFixed(3);
  return size >= 1000 ? bpetk.grouped(value) : bpetk.significant(value, 4);
};
