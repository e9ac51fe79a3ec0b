// The comparison: one text, read by all variants.

import { showCosts } from "./costs.js";
import { $, isBlank, isShown, make, megabytes, milliseconds, page, plural, Problem, tell } from "./page.js";
import { differencesInWords, differencesOf, LONG, reading } from "./marks.js";
import { events } from "./server.js";
import { about, qualityOf, qualityText, readyVariants } from "./variants.js";

const entitiesOf = (answer) => answer.entities.filter((entity) => entity.score >= page.threshold);

function differenceOf(answer) {
  const reference = page.answers.get(page.reference);
  return reference && answer.difference ? differencesOf(entitiesOf(answer), entitiesOf(reference)) : null;
}

function card(variant) {
  const answer = page.answers.get(variant.name);
  const header = make("header", {}, make("h3", {}, variant.name));
  if (variant.name === page.reference) header.append(make("span", { class: "badge" }, "reference"));
  const box = make("article", { class: "card panel", "data-variant": variant.name, "aria-label": variant.name }, header,
    make("p", { class: "hint" }, about(variant)));
  box.classList.toggle("reference", variant.name === page.reference);
  const facts = make("p", { class: "facts" });
  if (variant.artifact_bytes != null) {
    facts.append(make("span", {}, qualityText(qualityOf(variant), true)), make("span", {}, `${megabytes(variant.artifact_bytes)} MB`));
  }
  box.append(facts);
  if (variant.status !== "ready") {
    const reason = variant.status === "loading" ? "It is still loading." : variant.reason ?? "It could not be loaded.";
    box.append(make("p", { class: "unready" }, `Not ready. ${reason}`));
  } else if (answer) {
    header.append(make("span", { class: "time" }, milliseconds(answer.timing.inference_ms), make("small", {}, " ms")));
    const difference = differenceOf(answer);
    box.append(reading(page.points, entitiesOf(answer), difference, page.tag));
    if (variant.name !== page.reference && difference) box.append(differencesInWords(difference));
  } else {
    box.setAttribute("aria-busy", String(page.comparing !== null));
    box.append(make("div", { class: "reading" }));
  }
  return box;
}

function showCard(variant) {
  const old = $("cards").querySelector(`[data-variant="${CSS.escape(variant.name)}"]`);
  old?.replaceWith(card(variant));
}

export function showCards() {
  $("cards").replaceChildren(...page.variants.filter(({ name }) => isShown(name)).map(card));
  $("whole").hidden = page.points.length <= LONG || page.answers.size === 0;
  $("whole").textContent = page.whole ? "Fold the text" : "Show the whole text";
  $("whole").setAttribute("aria-expanded", String(page.whole));
}

let last = null; // the result of the comparison that is shown

export function summarize(result = last) {
  last = result;
  if (!result) return;
  const differing = result.variants.filter(({ variant }) => {
    const difference = variant !== page.reference && page.answers.has(variant) && differenceOf(page.answers.get(variant));
    return difference && difference.missing.length + difference.extra.length + difference.relabelled.length;
  });
  const said = differing.length === 0 ? "all find the same"
    : `${differing.length} ${differing.length === 1 ? "differs" : "differ"} from ${page.reference}`;
  const asleep = result.not_ready.length ? `, ${result.not_ready.length} not ready` : "";
  const failed = result.failed.map(({ variant, message }) => ` ${variant} failed: ${message}`).join("");
  $("summary").textContent = `${plural(result.variants.length, "variant")} answered${asleep}; ${said}.${failed}`;
}

/** Results of a text that has changed since must not look like those of the new one. */
export function noticeEdits() {
  const stale = page.answers.size > 0 && $("text").value !== page.text;
  $("cards").classList.toggle("stale", stale);
  if (stale) $("summary").textContent = "The text has changed since it was read. Compare again.";
  else summarize();
}

let asked = new Set(); // the variants that were ready when the comparison began

/** Have variants that have become ready since read the text too, unless another one is being written. */
export function catchUp() {
  const late = readyVariants().some(({ name }) => !asked.has(name) && !page.answers.has(name));
  const text = $("text").value;
  if (late && !page.comparing && text === page.text && !isBlank(text)) compare();
}

/** Read a text with every variant. Resolves to whether all of it went well. */
export async function compare(text = $("text").value, tag = $("text").lang) {
  page.comparing?.abort();
  const mine = (page.comparing = new AbortController());
  if (text !== page.text) {
    page.times.clear();
    showCosts();
  }
  Object.assign(page, { text, points: Array.from(text), tag });
  asked = new Set(readyVariants().map(({ name }) => name));
  page.answers.clear();
  last = null;
  $("cards").classList.remove("stale");
  tell("compare-error", null);
  if (isBlank(text)) {
    page.comparing = null;
    $("summary").textContent = "";
    showCards();
    tell("compare-error", new Problem("There is no text yet. Write or paste one, or choose a sample."));
    $("text").focus();
    return false;
  }
  $("summary").textContent = "Reading…";
  showCards();
  try {
    for await (const [name, data] of events("compare", { text }, mine.signal)) {
      // What had come before it was aborted is of another text.
      if (page.comparing !== mine) return false;
      if (name === "result") {
        last = data;
        continue;
      }
      if (!page.answers.has(data.variant)) {
        page.times.set(data.variant, [...(page.times.get(data.variant) ?? []), data.timing.inference_ms]);
      }
      page.answers.set(data.variant, data);
      const variant = page.variants.find((variant) => variant.name === data.variant);
      if (variant) showCard(variant);
    }
    document.dispatchEvent(new CustomEvent("compared"));
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    $("summary").textContent = "";
    tell("compare-error", error);
    return false;
  } finally {
    if (page.comparing === mine) {
      page.comparing = null;
      showCards();
      noticeEdits();
      catchUp();
    }
  }
}
