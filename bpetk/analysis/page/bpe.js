"use strict";
// Byte-level BPE, exactly as the library does it: code points become classes by an embedded table, a pattern over the
// classes cuts the text, and in each piece the merge of lowest rank, leftmost first, is applied until none is left.
// Nothing here asks the browser what a letter or a space is. Text that would need more than that is refused.
bpetk.Engine = class {
  constructor(packed, words) {
    this.packed = packed;
    this.words = words;
    this.tables = packed.patterns.map(({ starts, classes, pattern }) => ({
      table: bpetk.classTable(starts, classes), pattern: new RegExp(pattern, "g"),
    }));
    const [left, right] = [packed.left, packed.right].map((part) => new Uint32Array(bpetk.bytesOf(part).buffer));
    this.made = new Uint32Array(bpetk.bytesOf(packed.made).buffer);
    this.ranks = new Map();
    for (let rank = 0; rank < left.length; rank++) this.ranks.set(left[rank] * 0x400000 + right[rank], rank);
    this.whole = packed.whole ? this.wholeTokens(new Set(packed.hidden)) : null;
    this.encoder = new TextEncoder();
  }

  wholeTokens(hidden) {
    const found = new Map();
    for (const id of this.words.present) {
      if (!hidden.has(id) && this.words.lengths[id]) found.set(bpetk.latin(this.words.bytes(id)), id);
    }
    return found;
  }

  // Why a text cannot be segmented here, as a label, or null.
  refusal(text) {
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at);
      if (code >= 0xd800 && code < 0xe000) return ["a lone surrogate is not text", "孤立的代理码位不是文本"];
      if (code >= 0x10000) at++;
      if (this.packed.changing.length && bpetk.inRanges(this.packed.changing, code)) {
        const name = "U+" + code.toString(16).toUpperCase().padStart(4, "0");
        return [`this model normalizes text, which the page does not do, and ${name} may change`,
          `该模型会先规范化文本，本页不做规范化，而 ${name} 可能会改变`];
      }
    }
    const token = this.packed.added.find((content) => text.includes(content));
    return token === undefined ? null : [`the text holds the added token ${token}`, `文本中含有附加词元 ${token}`];
  }

  encode(text) {
    let pieces = [text];
    for (const { table, pattern } of this.tables) pieces = pieces.flatMap((piece) => bpetk.cut(piece, table, pattern));
    return pieces.flatMap((piece) => this.merge(this.encoder.encode(piece)));
  }

  merge(bytes) {
    const known = this.whole?.get(bpetk.latin(bytes));
    if (known !== undefined) return [known];
    const ids = Array.from(bytes, (byte) => this.packed.byte_ids[byte]);
    const next = ids.map((_, at) => at + 1), before = ids.map((_, at) => at - 1), gone = new Uint8Array(ids.length);
    const heap = new bpetk.Heap();
    const look = (at) => {
      const other = next[at];
      if (at < 0 || other >= ids.length) return;
      const rank = this.ranks.get(ids[at] * 0x400000 + ids[other]);
      if (rank !== undefined) heap.push(rank * 0x400000 + at, ids[at], ids[other]);
    };
    for (let at = 0; at < ids.length; at++) look(at);
    for (let top = heap.pop(); top; top = heap.pop()) {
      const at = top[0] % 0x400000, rank = Math.floor(top[0] / 0x400000), other = next[at];
      // What was seen may have been merged since.
      if (gone[at] || other >= ids.length || ids[at] !== top[1] || ids[other] !== top[2]) continue;
      ids[at] = this.made[rank];
      gone[other] = 1;
      next[at] = next[other];
      if (next[at] < ids.length) before[next[at]] = at;
      look(at);
      if (before[at] >= 0) look(before[at]);
    }
    return ids.filter((_, at) => !gone[at]);
  }
};

bpetk.latin = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at++) text += String.fromCharCode(bytes[at]);
  return text;
};

// A set of code points is its edges, in turn outside and inside.
bpetk.inRanges = (edges, code) => {
  let low = 0, high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= code) low = middle + 1;
    else high = middle;
  }
  return low % 2 === 1;
};

bpetk.classTable = (starts, classes) => {
  const table = new Uint16Array(0x110000);
  starts.forEach((start, at) => table.fill(classes[at], start, starts[at + 1] ?? 0x110000));
  return table;
};

// Matches and the gaps between them, as strings.
bpetk.cut = (text, table, pattern) => {
  const chars = Array.from(text);
  let classes = "";
  for (const char of chars) classes += String.fromCharCode(table[char.codePointAt(0)]);
  const pieces = [];
  let end = 0;
  for (const match of classes.matchAll(pattern)) {
    if (!match[0].length) continue;
    if (end < match.index) pieces.push(chars.slice(end, match.index).join(""));
    end = match.index + match[0].length;
    pieces.push(chars.slice(match.index, end).join(""));
  }
  if (end < chars.length) pieces.push(chars.slice(end).join(""));
  return pieces;
};

// The smallest key first.
bpetk.Heap = class {
  constructor() { this.items = []; }
  push(...item) {
    const items = this.items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (items[up][0] <= item[0]) break;
      items[at] = items[up];
      at = up;
    }
    items[at] = item;
  }
  pop() {
    const items = this.items, top = items[0], last = items.pop();
    if (!items.length) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && items[down + 1][0] < items[down][0]) down++;
      if (items[down][0] >= last[0]) break;
      items[at] = items[down];
      at = down;
    }
    items[at] = last;
    return top;
  }
};
