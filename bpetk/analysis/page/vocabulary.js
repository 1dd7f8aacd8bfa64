"use strict";
// The vocabulary: columns of numbers, unpacked on first use; of the rows only those in view are in the document.
bpetk.bytesOf = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

bpetk.Vocabulary = class {
  constructor(packed) {
    this.packed = packed;
    this.size = packed.size;
    for (const name of ["kinds", "script", "integrity"]) this[name] = bpetk.bytesOf(packed[name]);
    const Numbers = packed.width === 2 ? Uint16Array : Uint32Array;
    for (const name of ["lengths", "chars", "han"]) this[name] = new Numbers(bpetk.bytesOf(packed[name]).buffer);
    this.blob = bpetk.bytesOf(packed.data);
    this.ends = new Uint32Array(this.size + 1);
    for (let id = 0; id < this.size; id++) this.ends[id + 1] = this.ends[id] + this.lengths[id];
    this.present = [];
    for (let id = 0; id < this.size; id++) if (this.kinds[id] !== 5) this.present.push(id);
    this.strings = new Array(this.size);
  }
  bytes(id) { return this.blob.subarray(this.ends[id], this.ends[id + 1]); }
  name(id) { return this.packed.names[id]; }
  text(id) {
    return this.strings[id] ??= this.name(id) ?? bpetk.readable(this.bytes(id));
  }
};

bpetk.hex = (byte) => (byte < 16 ? "0" : "") + byte.toString(16);

// How long the character at a place is, or 0 if no whole one begins there.
bpetk.character = (bytes, at) => {
  const first = bytes[at], next = (step) => (bytes[at + step] & 0xc0) === 0x80;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return next(1) ? 2 : 0;
  const second = bytes[at + 1];
  if (first >= 0xe0 && first < 0xf0) {
    if (first === 0xe0 && second < 0xa0) return 0;
    if (first === 0xed && second >= 0xa0) return 0;
    return next(1) && next(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if (first === 0xf0 && second < 0x90) return 0;
    if (first === 0xf4 && second >= 0x90) return 0;
    return next(1) && next(2) && next(3) ? 4 : 0;
  }
  return 0;
};

bpetk.decoder = new TextDecoder("utf-8", { ignoreBOM: true });

// Characters that would not be seen are escaped as in the terminal; the table of them is Python's.
bpetk.printable = (code) => {
  if (code >= 0x20 && code < 0x7f) return true;
  const edges = bpetk.data.unprintable;
  let low = 0, high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= code) low = middle + 1;
    else high = middle;
  }
  return low % 2 === 0;
};

bpetk.escapes = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\" };

bpetk.readable = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = bpetk.character(bytes, at);
    if (!length) {
      text += "\\x" + bpetk.hex(bytes[at++]);
      continue;
    }
    const char = length === 1 ? String.fromCharCode(bytes[at]) : bpetk.decoder.decode(bytes.subarray(at, at + length));
    const code = char.codePointAt(0);
    if (bpetk.escapes[code]) text += bpetk.escapes[code];
    else if (bpetk.printable(code)) text += char;
    else if (code < 0x80) text += "\\x" + bpetk.hex(code);
    else text += code < 0x10000 ? "\\u" + code.toString(16).padStart(4, "0") : "\\U" + code.toString(16).padStart(8, "0");
    at += length;
  }
  return text;
};

bpetk.loaded = [];
bpetk.vocabulary = (at) => (bpetk.loaded[at] ??= new bpetk.Vocabulary(bpetk.data.vocabularies[at]));

// What a search means: a regular expression between slashes, else text; capitals count if there are any.
bpetk.matcher = (wanted) => {
  if (wanted.length > 2 && wanted.startsWith("/") && wanted.endsWith("/")) {
    const pattern = new RegExp(wanted.slice(1, -1), "u");
    return (text) => pattern.test(text);
  }
  if (wanted !== wanted.toLowerCase()) return (text) => text.includes(wanted);
  return (text) => text.toLowerCase().includes(wanted);
};

bpetk.select = (words, filter) => {
  const { kinds, integrity, script, chars } = words;
  const found = [];
  for (const id of words.present) {
    if (filter.kind >= 0 && kinds[id] !== filter.kind) continue;
    if (filter.integrity >= 0 && integrity[id] !== filter.integrity) continue;
    if (filter.script >= 0 && script[id] !== filter.script) continue;
    if (chars[id] < filter.length) continue;
    if (filter.test && !filter.test(words.text(id))) continue;
    found.push(id);
  }
  return found;
};

bpetk.sorted = (words, ids, by, down) => {
  const keys = {
    id: (id) => id, kind: (id) => words.kinds[id], script: (id) => words.script[id], bytes: (id) => words.lengths[id],
    chars: (id) => words.chars[id], han: (id) => words.han[id], integrity: (id) => words.integrity[id],
  };
  const sign = down ? -1 : 1;
  if (by === "token") {
    const text = (id) => words.text(id);
    return ids.sort((a, b) => (text(a) < text(b) ? -sign : text(a) > text(b) ? sign : a - b));
  }
  const key = keys[by];
  return ids.sort((a, b) => sign * (key(a) - key(b)) || a - b);
};

bpetk.HEIGHT = 30; // pixels of a row, as in the style sheet

bpetk.Grid = class {
  constructor(box) {
    this.box = box;
    this.by = "id";
    this.down = false;
    this.active = -1;
    this.ids = [];
    this.rows = new Map();
    this.head = bpetk.element("div", { class: "vrow vhead", role: "row" });
    this.body = bpetk.element("div", { class: "vbody", role: "rowgroup" });
    box.replaceChildren(this.head, this.body);
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest(".vrow");
      if (row) this.move(Number(row.dataset.at), false);
    });
    new ResizeObserver(() => this.paint()).observe(box);
  }

  titles() {
    const wide = ["kind", "chars", "han", "integrity"], numbers = ["id", "bytes", "chars", "han"];
    this.classes = Object.fromEntries(Object.keys(bpetk.words.columns).map((key) => [
      key, `${wide.includes(key) ? "wide " : ""}${numbers.includes(key) ? "number" : ""}${key === "token" ? "token" : ""}`,
    ]));
    this.head.replaceChildren(...Object.entries(bpetk.words.columns).map(([key, label]) => {
      const mark = this.by === key ? (this.down ? " ▼" : " ▲") : "";
      const button = bpetk.element("button", { type: "button", onclick: () => {
        const numeric = this.classes[key].includes("number") && key !== "id";
        Object.assign(this, { down: this.by === key ? !this.down : numeric, by: key });
        this.show(this.ids);
        [...this.head.querySelectorAll("button")][Object.keys(bpetk.words.columns).indexOf(key)].focus();
      } }, bpetk.say(label) + mark);
      const sorting = this.by === key ? (this.down ? "descending" : "ascending") : "none";
      return bpetk.element("div", { class: this.classes[key], role: "columnheader", "aria-sort": sorting }, button);
    }));
  }

  show(ids, words = this.words) {
    this.words = words;
    this.ids = bpetk.sorted(words, ids, this.by, this.down);
    this.titles();
    this.box.setAttribute("aria-rowcount", this.ids.length + 1);
    this.body.style.height = `${this.ids.length * bpetk.HEIGHT}px`;
    this.active = -1;
    this.repaint();
    if (this.box.scrollTop) this.box.scrollTop = 0;
  }

  repaint() {
    this.rows.clear();
    this.body.replaceChildren();
    this.paint();
  }

  // INVARIANT: `rows` holds exactly the rows in the document, by their place.
  paint() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / bpetk.HEIGHT) - 10);
    const last = Math.min(this.ids.length, first + Math.ceil(this.box.clientHeight / bpetk.HEIGHT) + 20);
    for (const [at, row] of this.rows) {
      if (at < first || at >= last) {
        row.remove();
        this.rows.delete(at);
      }
    }
    for (let at = first; at < last; at++) {
      if (!this.rows.has(at)) {
        const row = this.row(at);
        this.rows.set(at, row);
        this.body.append(row);
      }
    }
  }

  row(at) {
    const id = this.ids[at], words = this.words;
    const cells = {
      id, token: words.name(id) ?? `"${words.text(id)}"`, kind: bpetk.say(bpetk.words.kinds[words.kinds[id]]),
      script: bpetk.say(bpetk.data.scripts[words.script[id]]), bytes: words.lengths[id], chars: words.chars[id],
      han: words.han[id], integrity: bpetk.say(bpetk.words.integrity[words.integrity[id]]),
    };
    const row = bpetk.element("div", { class: `vrow${at === this.active ? " active" : ""}`, role: "row", id: `v-row-${at}`,
      "aria-rowindex": String(at + 2) }, ...Object.entries(cells).map(([key, value]) =>
      bpetk.element("div", { class: this.classes[key], role: "gridcell" }, String(value))));
    row.dataset.at = at;
    row.style.top = `${at * bpetk.HEIGHT}px`;
    return row;
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / bpetk.HEIGHT) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.ids.length || event.target.tagName === "BUTTON") return;
    event.preventDefault();
    this.move(Math.min(this.ids.length - 1, Math.max(0, (this.active < 0 ? -1 : this.active) + steps[event.key])), true);
  }

  move(at, scroll) {
    this.rows.get(this.active)?.classList.remove("active");
    this.active = at;
    if (scroll) {
      const top = at * bpetk.HEIGHT, room = this.box.clientHeight - 2 * bpetk.HEIGHT;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top > this.box.scrollTop + room) this.box.scrollTop = top - room;
      this.paint();
    }
    this.rows.get(at)?.classList.add("active");
    this.box.setAttribute("aria-activedescendant", `v-row-${at}`);
    const id = this.ids[at], hex = [...this.words.bytes(id)].map(bpetk.hex).join(" ");
    document.getElementById("v-detail").textContent = `${id}  ${this.words.name(id) ?? `"${this.words.text(id)}"`}  ${hex}`;
  }
};

bpetk.options = (id, labels) => {
  const box = document.getElementById(id), chosen = box.value;
  const all = [["-1", bpetk.words.all], ...labels.map((label, at) => [String(at), label])];
  box.replaceChildren(...all.map(([value, label]) => bpetk.element("option", { value }, bpetk.say(label))));
  box.value = chosen || "-1";
};

bpetk.filterVocabulary = () => {
  const field = (id) => document.getElementById(id).value, status = document.getElementById("v-status");
  const words = bpetk.vocabulary(Number(field("v-model") || 0));
  let test = null;
  try {
    if (field("v-search")) test = bpetk.matcher(field("v-search"));
  } catch (error) {
    status.textContent = `${bpetk.say(bpetk.words.bad)}: ${error.message}`;
    return;
  }
  const found = bpetk.select(words, {
    test, script: Number(field("v-script")), kind: Number(field("v-kind")), integrity: Number(field("v-integrity")),
    length: Number(field("v-length")) || 0,
  });
  bpetk.grid.show(found, words);
  bpetk.counted = [found.length, words.present.length];
  bpetk.countVocabulary();
};

bpetk.countVocabulary = () => {
  const [found, all] = bpetk.counted.map((number) => bpetk.grouped(number));
  document.getElementById("v-status").textContent = `${found} ${bpetk.say(bpetk.words.of)} ${all} ${bpetk.say(bpetk.words.tokens)}`;
};

bpetk.labelVocabulary = () => {
  if (!bpetk.grid) return;
  document.getElementById("v-search").placeholder = bpetk.say(bpetk.words.search);
  bpetk.options("v-script", bpetk.data.scripts);
  bpetk.options("v-kind", bpetk.words.kinds);
  bpetk.options("v-integrity", bpetk.words.integrity);
  if (bpetk.counted) {
    bpetk.countVocabulary();
    bpetk.grid.titles();
    bpetk.grid.repaint();
  }
};

bpetk.startVocabulary = () => {
  const box = document.getElementById("v-table");
  if (!box) return;
  bpetk.grid = new bpetk.Grid(box);
  bpetk.labelVocabulary();
  let waiting = 0;
  for (const id of ["v-model", "v-search", "v-script", "v-kind", "v-integrity", "v-length"]) {
    document.getElementById(id).addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(bpetk.filterVocabulary, 120);
    });
  }
  bpetk.filterVocabulary();
};
