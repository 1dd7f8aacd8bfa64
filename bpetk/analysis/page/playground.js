"use strict";
// Lines of text as coloured tokens, for each model: those that bpetk segmented, and what a reader types.
bpetk.blank = (char) => bpetk.element("span", { class: "blank" }, { " ": "·", "\n": "↵", "\t": "⇥", "\r": "␍" }[char]);

// Whole characters as they are, bytes of others in hexadecimal between thin spaces.
bpetk.mixed = (bytes) => {
  const parts = [];
  for (let at = 0; at < bytes.length;) {
    const length = bpetk.character(bytes, at);
    parts.push(length ? bpetk.decoder.decode(bytes.subarray(at, at + length)) : bpetk.hex(bytes[at]));
    at += length || 1;
  }
  return parts.join("\u2009");
};

bpetk.piece = (words, id, at) => {
  const bytes = words.bytes(id), kind = words.kinds[id];
  const name = words.name(id), partial = words.integrity[id] !== 0;
  const what = bpetk.element("span", { class: "what" });
  if (name !== undefined && !bytes.length) what.append(name);
  else if (partial) what.append(bpetk.mixed(bytes));
  else if (kind === 3 && name !== undefined) what.append([...bytes].map(bpetk.hex).join(" "));
  else {
    for (const part of bpetk.decoder.decode(bytes).split(/([ \n\t\r])/)) {
      if (part) what.append(/^[ \n\t\r]$/.test(part) ? bpetk.blank(part) : part);
    }
  }
  const shown = partial || (kind === 3 && name !== undefined) ? " partial" : kind === 1 ? " special" : "";
  return bpetk.element("span", { class: `piece c${at % 4}${shown}`, title: `${id}: ${words.text(id)}` },
    what, bpetk.element("small", {}, String(id)));
};

bpetk.segments = (at, ids, size) => {
  const words = bpetk.vocabulary(at);
  if (!ids) return bpetk.element("div", {}, bpetk.element("h3", {}, words.packed.name), bpetk.say(bpetk.words.unknown));
  const each = ids.length ? `, ${(size / ids.length).toFixed(2)} ${bpetk.say(bpetk.words.bytesPerToken)}` : "";
  const title = `${words.packed.name}: ${bpetk.grouped(ids.length)} ${bpetk.say(bpetk.words.tokens)}${each}`;
  return bpetk.element("div", {}, bpetk.element("h3", {}, title),
    bpetk.element("div", { class: "pieces" }, ...ids.map((id, place) => bpetk.piece(words, id, place))));
};

bpetk.engines = [];
bpetk.engine = (at) => (bpetk.engines[at] ??= new bpetk.Engine(bpetk.data.engines[at], bpetk.vocabulary(at)));

bpetk.showSample = (at) => {
  bpetk.shown = { sample: at };
  const sample = bpetk.data.samples[at], size = new TextEncoder().encode(sample.text).length;
  document.getElementById("p-segments").replaceChildren(
    ...bpetk.data.segments.map((lines, model) => bpetk.segments(model, lines[at], size)));
  document.getElementById("p-status").textContent = "";
  [...document.getElementById("p-lines").children].forEach((button, place) => button.setAttribute("aria-pressed", String(place === at)));
};

bpetk.showTyped = (text) => {
  bpetk.shown = { text };
  const size = new TextEncoder().encode(text).length, boxes = [], refused = [];
  bpetk.data.engines.forEach((packed, at) => {
    const name = bpetk.data.vocabularies[at].name;
    if (!packed.left) {
      refused.push(`${name}: ${bpetk.say(packed.reason)}`);
      return;
    }
    const refusal = bpetk.engine(at).refusal(text);
    if (refusal) refused.push(`${name}: ${bpetk.say(refusal)}`);
    else boxes.push(bpetk.segments(at, bpetk.engine(at).encode(text), size));
  });
  document.getElementById("p-segments").replaceChildren(...boxes);
  document.getElementById("p-status").textContent = refused.join("; ");
  for (const button of document.getElementById("p-lines").children) button.setAttribute("aria-pressed", "false");
};

bpetk.repeatPlayground = () => {
  if (!bpetk.shown) return;
  if (bpetk.shown.text === undefined) bpetk.showSample(bpetk.shown.sample);
  else bpetk.showTyped(bpetk.shown.text);
};

bpetk.startPlayground = () => {
  const lines = document.getElementById("p-lines");
  if (!lines) return;
  [...lines.children].forEach((button, at) => button.addEventListener("click", () => bpetk.showSample(at)));
  const ids = document.getElementById("p-ids"), box = document.getElementById("p-segments");
  ids.addEventListener("input", () => box.classList.toggle("noids", !ids.checked));
  if (bpetk.data.engines.some((packed) => packed.left)) {
    document.getElementById("p-typed").hidden = false;
    let waiting = 0;
    document.getElementById("p-text").addEventListener("input", (event) => {
      clearTimeout(waiting);
      const text = event.target.value;
      waiting = setTimeout(() => (text ? bpetk.showTyped(text) : bpetk.showSample(0)), 150);
    });
  }
  bpetk.showSample(0);
};
