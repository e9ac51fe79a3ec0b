// Text with entities.

import { KINDS, make, page, score } from "./page.js";

export const LONG = 1200; // code points; longer texts are folded

const place = (entity) => `${entity.start}-${entity.end}`;

/** How entities differ from the reference's, by exact span, as the server compares them. */
export function differencesOf(entities, reference) {
  const theirs = new Map(reference.map((entity) => [place(entity), entity]));
  const ours = new Set(entities.map(place));
  return {
    missing: reference.filter((entity) => !ours.has(place(entity))),
    extra: entities.filter((entity) => !theirs.has(place(entity))),
    relabelled: entities.filter((entity) => theirs.has(place(entity)) && theirs.get(place(entity)).label !== entity.label)
      .map((entity) => ({ entity, reference_label: theirs.get(place(entity)).label })),
  };
}

function marked(entity, text, kind, change) {
  const sure = entity.score == null ? "" : `, score ${score(entity.score)}`;
  const element = make(kind === "missing" ? "span" : "mark", {
    "data-label": entity.label, class: kind === "missing" ? "ghost" : kind, "data-score": sure && score(entity.score),
    title: (KINDS[entity.label] ?? entity.label) + sure,
  });
  element.append(text, make("span", { class: "tag" }, change ?? entity.label));
  return element;
}

/** One mark of a text is a stop of the Tab key; arrows lead to the others. */
function roam(box) {
  const stops = [...box.querySelectorAll("mark[data-score], .ghost[data-score]")];
  stops.forEach((stop, index) => {
    stop.tabIndex = index ? -1 : 0;
    stop.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = step && stops[index + step];
      if (!next) return;
      event.preventDefault();
      stop.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}

/**
 * A text with its entities marked, and what differs from the reference marked as such. Offsets count code points, and
 * JavaScript's strings do not, so the text comes as an array of them. Of marks that overlap the variant's own is shown.
 */
export function reading(points, entities, difference, tag) {
  const box = make("div", { class: "reading", dir: "auto", lang: tag || null, role: "group",
    "aria-label": "Text with the names found" });
  if (points.length > LONG && !page.whole) box.classList.add("folded");
  const extra = new Set((difference?.extra ?? []).map(place));
  const relabelled = new Map((difference?.relabelled ?? []).map((item) => [place(item.entity), item.reference_label]));
  const spans = entities.map((entity) => {
    const from = relabelled.get(place(entity));
    if (from) return [entity, "relabelled", `${from} → ${entity.label}`];
    return [entity, extra.has(place(entity)) ? "extra" : "same", extra.has(place(entity)) ? `+ ${entity.label}` : null];
  });
  for (const missing of difference?.missing ?? []) {
    const free = entities.every((entity) => entity.end <= missing.start || entity.start >= missing.end);
    if (free) spans.push([missing, "missing", `missing ${missing.label}`]);
  }
  spans.sort((a, b) => a[0].start - b[0].start);
  let position = 0;
  for (const [entity, kind, change] of spans) {
    box.append(points.slice(position, entity.start).join(""));
    box.append(marked(entity, points.slice(entity.start, entity.end).join(""), kind, change));
    position = entity.end;
  }
  box.append(points.slice(position).join(""));
  roam(box);
  return box;
}

export const named = (text, label) => [make("b", { dir: "auto" }, text), ` (${label})`];

/** The differences in words, for those who do not see the marks, and for missing names under other marks. */
export function differencesInWords(difference) {
  const items = [];
  const name = (entity) => named(entity.text, entity.label);
  for (const entity of difference.missing) items.push(make("li", {}, "Missing: ", ...name(entity)));
  for (const entity of difference.extra) items.push(make("li", {}, "Extra: ", ...name(entity)));
  for (const { entity, reference_label } of difference.relabelled) {
    items.push(make("li", {}, "Other kind: ", ...name(entity), `, ${page.reference} says ${reference_label}`));
  }
  if (!items.length) items.push(make("li", {}, `Finds what ${page.reference} finds.`));
  return make("ul", { class: "differences" }, ...items);
}

/** The entities of labelled words, in code points of the words joined by spaces. */
export function joined(tokens, labels) {
  const entities = [];
  let position = 0;
  tokens.forEach((token, index) => {
    const length = Array.from(token).length;
    const label = labels[index];
    const last = entities.at(-1);
    if (label.startsWith("B-")) entities.push({ label: label.slice(2), start: position, end: position + length });
    else if (label.startsWith("I-") && last) last.end = position + length;
    position += length + 1;
  });
  return entities;
}
