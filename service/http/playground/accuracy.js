// The check of accuracy: figures, mistakes, calibration, and the sentences that show them.

import { $, make, page, percent, plural, score, signed, tell } from "./page.js";
import { joined, named, reading } from "./marks.js";
import { events } from "./server.js";

const MISTAKES = { missed: "missed", spurious: "spurious", wrong_border: "wrong border", wrong_type: "wrong type" };

function figure(name, value, note) {
  return make("dl", { class: "figure panel" }, make("dt", {}, name), make("dd", {}, value),
    make("dd", { class: "hint" }, note));
}

const range = ([low, high]) => `95%: ${score(low)} to ${score(high)}`;

/** A table with a name in each row; figures are on the right, and what does not fit can be scrolled to. */
function table(title, heads, rows) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, make("table", {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, title),
      ...heads.map((head) => make("th", { scope: "col", class: "number" }, head)))),
    make("tbody", {}, ...rows.map(([name, ...values]) => make("tr", {}, make("th", { scope: "row" }, name),
      ...values.map((value) => make("td", { class: "number" }, value)))))));
}

function breakdown(title, own, theirs, differences) {
  return table(title, ["entities", "precision", "recall", "F1", "95%", page.reference, "difference"],
    Object.entries(own).map(([name, scores]) => [name, scores.entities.toLocaleString("en"),
      ...[scores.precision, scores.recall, scores.f1].map(score),
      `${score(scores.intervals.f1[0])} – ${score(scores.intervals.f1[1])}`, score(theirs[name]?.f1),
      differences[name] ? signed(differences[name].f1) : "–"]));
}

function mistakesTable(answer, compared) {
  const row = (name, own, theirs) => [name, ...Object.keys(MISTAKES).map((kind) =>
    own[kind].toLocaleString("en") + (compared && theirs ? ` (${theirs[kind].toLocaleString("en")})` : ""))];
  const [own, theirs] = [answer.mistakes, answer.reference.mistakes];
  const groups = (of) => Object.keys(own[of]).map((name) => row(name, own[of][name], theirs[of][name]));
  return [make("h3", {}, "Mistakes"),
    make("p", { class: "hint" }, `Of ${plural(answer.entities, "entity", "entities")}`
      + (compared ? `; in brackets those of ${page.reference}.` : ".")
      + " A spurious name overlaps no labelled one; the others are labelled names that were not found as they are."),
    table("Mistakes", Object.values(MISTAKES), [row("all", own, theirs), ...groups("labels"), ...groups("languages")])];
}

function calibrationTable(answer, compared) {
  const filled = answer.calibration.bins.map((bin, index) => [bin, answer.reference.calibration.bins[index]])
    .filter(([own, theirs]) => own.count + (compared ? theirs.count : 0) > 0);
  const said = (calibration) => (calibration.expected_error === null ? "no names" : score(calibration.expected_error));
  return [make("h3", {}, "How far a score can be trusted"),
    make("p", { class: "hint" }, "Scores are calibrated if, of the names with a score of 0.8, 80% are right. Expected calibration "
      + `error: ${said(answer.calibration)}` + (compared ? `; of ${page.reference} ${said(answer.reference.calibration)}.` : ".")),
    table("Score", ["names", "mean score", "right", ...(compared ? [`${page.reference}: names`, "right"] : [])],
      filled.map(([own, theirs]) => [`${own.low.toFixed(1)} to ${own.high.toFixed(1)}`, own.count.toLocaleString("en"),
        score(own.mean_score), percent(own.right),
        ...(compared ? [theirs.count.toLocaleString("en"), percent(theirs.right)] : [])]))];
}

function sentence(shown, rows) {
  const points = Array.from(shown.tokens.join(" "));
  return rows.flatMap(([name, labels]) => [make("h4", {}, name),
    reading(points, joined(shown.tokens, labels), null, shown.language)]);
}

function mistaken(answer) {
  const words = (shown, { start, end }) => shown.tokens.slice(start, end).join(" ");
  const inWords = (shown) => shown.mistakes.map((mistake) => make("li", {}, `${MISTAKES[mistake.kind]}: `,
    ...named(words(shown, mistake), mistake.label),
    ...(mistake.found ? [", found: ", ...named(words(shown, mistake.found), mistake.found.label)] : [])));
  return [make("h3", {}, `Sentences with mistakes of ${answer.variant}`),
    make("ul", { class: "sentences", id: "mistaken" }, ...answer.mistaken.map((shown) => make("li", { class: "panel" },
      ...sentence(shown, [["labelled", shown.labels], [answer.variant, shown.variant]]),
      make("ul", { class: "differences" }, ...inWords(shown)))))];
}

function differing(answer) {
  return [make("h3", {}, `Where they differ: ${(answer.differing_share * 100).toFixed(1)}% of the sentences`),
    make("ul", { class: "sentences" }, ...answer.differing.map((shown) => make("li", { class: "panel" },
      ...sentence(shown, [["labelled", shown.labels], [answer.variant, shown.variant], [page.reference, shown.reference]]))))];
}

function showAccuracy(answer) {
  const { reference, difference, agreement, data, noise } = answer;
  const compared = answer.variant !== reference.variant;
  const unsure = difference.interval[0] <= 0 && difference.interval[1] >= 0;
  const changed = noise ? ` Words were changed: ${noise.name}${noise.name === "typos" ? `, seed ${noise.seed}` : ""}.` : "";
  const parts = [make("div", { class: "figures" },
    figure(`F1 of ${answer.variant}`, score(answer.f1), range(answer.intervals.f1)),
    compared ? figure(`F1 of ${reference.variant}`, score(reference.f1), range(reference.intervals.f1)) : null,
    compared ? figure("Difference", signed(difference.f1),
      `95%: ${signed(difference.interval[0])} to ${signed(difference.interval[1])}${unsure ? ", may be chance" : ""}`) : null,
    compared ? figure("Agreement", `${(agreement.sentences * 100).toFixed(1)}%`,
      `of the sentences; ${(agreement.words * 100).toFixed(1)}% of the words`) : null),
    make("p", { class: "hint" }, `${plural(answer.examples, "sentence")}, ${plural(answer.entities, "entity", "entities")}`
      + ` of “${data.name}” (SHA-256 ${data.digest.slice(0, 12)}…), ${answer.seconds.toFixed(1)} s. ${answer.mode}.${changed}`),
    breakdown("Kind", answer.labels, reference.labels, difference.labels)];
  if (Object.keys(answer.languages).length) {
    parts.push(breakdown("Language", answer.languages, reference.languages, difference.languages));
  }
  parts.push(...mistakesTable(answer, compared));
  if (answer.mistaken.length) parts.push(...mistaken(answer));
  parts.push(...calibrationTable(answer, compared));
  if (answer.differing.length) parts.push(...differing(answer));
  $("accuracy-result").replaceChildren(...parts);
  noticeChanges();
}

function showProgress({ done, total }) {
  $("accuracy-bar").max = total;
  $("accuracy-bar").value = done;
  $("accuracy-count").textContent = `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
}

let checked = null; // the choices that the result is of

function choices() {
  const query = new URLSearchParams({ variant: $("accuracy-variant").value });
  for (const name of ["language", "limit", "noise"]) {
    if ($(`accuracy-${name}`).value) query.set(name, $(`accuracy-${name}`).value);
  }
  const conll = $("conll").value;
  return { query: String(query), conll: conll.trim() ? conll : "" };
}

/** Figures of other choices than those that are shown must not look like theirs. */
export function noticeChanges() {
  const { query, conll } = choices();
  const stale = $("accuracy-result").childElementCount > 0 && (query !== checked.query || conll !== checked.conll);
  $("accuracy-result").classList.toggle("stale", stale);
  $("accuracy-stale").hidden = !stale;
}

export async function check() {
  if (page.checking) return;
  const mine = (page.checking = new AbortController());
  const { query, conll } = (checked = choices());
  const button = $("accuracy").querySelector(".primary");
  tell("accuracy-error", null);
  $("accuracy-result").replaceChildren();
  noticeChanges();
  showProgress({ done: 0, total: 1 });
  $("accuracy-count").textContent = "";
  button.disabled = true;
  $("accuracy-stop").hidden = $("accuracy-progress").hidden = false;
  try {
    for await (const [name, data] of events(`accuracy?${query}`, conll ? { conll } : {}, mine.signal)) {
      if (name === "progress") showProgress(data);
      else showAccuracy(data);
    }
  } catch (error) {
    if (error.name !== "AbortError") tell("accuracy-error", error);
  } finally {
    page.checking = null;
    button.disabled = false;
    $("accuracy-stop").hidden = $("accuracy-progress").hidden = true;
  }
}
