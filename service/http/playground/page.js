// What the parts of the page share: its state, elements, and figures as text.
// What comes from outside (texts, entities, reasons, links) enters the page as text, never as markup.

export const KINDS = { PER: "person", LOC: "place", ORG: "organisation", DATE: "date" };

export const $ = (id) => document.getElementById(id);

export const page = {
  variants: [], // as GET /variants has them
  reference: "", // the variant that others are compared with
  chosen: null, // names of the variants to show; null: all
  answers: new Map(), // the last answer of each variant, for the text that was compared
  times: new Map(), // milliseconds in the model, of every comparison of this text
  text: "", // that was compared last, or that the page opened with
  points: [], // the same in code points, the unit of all offsets
  tag: "", // its language
  threshold: 0, // names with a lower score are not marked
  whole: false, // whether long texts are shown to their end
  token: "", // for services that need one; it is kept nowhere else
  comparing: null, // what aborts the comparison under way
  checking: null, // the check
  reading: null, // and the reading of a file
};

/** An element with attributes and children; strings become text. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function draw(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

export const megabytes = (bytes) => (bytes == null ? "–" : (bytes / 1e6).toFixed(1));
export const score = (value) => (value == null ? "–" : value.toFixed(3));
export const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(0)}%`);
export const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(3);
export const milliseconds = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
export const plural = (count, word, words = `${word}s`) => `${count.toLocaleString("en")} ${count === 1 ? word : words}`;

/** Whether there is nothing to read: white space, and characters that have no width. */
export const isBlank = (text) => /^[\s\p{Cc}\p{Cf}]*$/u.test(text);

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : null;
}

/** What goes wrong, as a sentence for people. */
export class Problem extends Error {}

export function tell(id, problem) {
  if (problem && !(problem instanceof Problem)) console.error(problem);
  $(id).hidden = !problem;
  $(id).textContent = problem ? problem.message : "";
}

/** Say in passing what happened. */
export function note(text) {
  $("note").textContent = text;
}

export const isShown = (name) => page.chosen === null || page.chosen.has(name);
