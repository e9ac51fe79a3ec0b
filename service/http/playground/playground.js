// The playground. What comes from outside (texts, entities, reasons) enters the page as text, never as markup.
// Addresses are relative to the page: a proxy may serve it under a prefix that it strips.

const KINDS = { PER: "person", LOC: "place", ORG: "organisation", DATE: "date" };
const POLL_MS = 1500;

const $ = (id) => document.getElementById(id);
const page = {
  variants: [], // as GET /variants has them
  answers: new Map(), // the last answer of each variant, for the text that was compared
  times: new Map(), // milliseconds in the model, of every comparison made here
  points: [], // the compared text in code points, the unit of all offsets
  tag: "", // its language
  reference: "", // the variant that others are compared with
  token: "", // for services that need one; it is kept nowhere else
  comparing: null, // what aborts the comparison under way
  checking: null, // and the check
};

/** An element with attributes and children; strings become text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

function draw(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const megabytes = (bytes) => (bytes == null ? "–" : (bytes / 1e6).toFixed(1));
const score = (value) => (value == null ? "–" : value.toFixed(3));
const qualityText = ({ name, value }, named) =>
  value === null ? name : named || name !== "F1" ? `${name} ${score(value)}` : score(value);
const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(3);
const milliseconds = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
/** What the build measured: F1 against labels, or agreement with the reference where there were only texts. */
function qualityOf(variant) {
  const { test, dev, agreement } = variant.metrics ?? {};
  const scores = test ?? dev;
  if (scores) return { name: "F1", value: scores.f1 };
  return agreement ? { name: "agreement", value: agreement.f1 } : { name: "not measured", value: null };
}

/** Whether there is nothing to read: white space, and characters that have no width. */
const isBlank = (text) => /^[\s\p{Cc}\p{Cf}]*$/u.test(text);

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : null;
}

// ---- Talking to the server

/** What goes wrong, as a sentence for people. */
class Problem extends Error {}

const LOST = "The server does not answer. Check that it is running, then try again.";

async function refusal(response) {
  const wait = response.headers.get("Retry-After");
  try {
    const { message } = (await response.json()).error;
    return new Problem(wait ? `${message} (You can try again in ${plural(Number(wait), "second")}.)` : message);
  } catch {
    return new Problem(`The server answered with status ${response.status} and said nothing more.`);
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(page.token ? { Authorization: `Bearer ${page.token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem(LOST);
  }
  $("token").hidden = response.status !== 401;
  if (!response.ok) throw await refusal(response);
  return response;
}

/** POST and yield the server-sent events of the answer. A stream that ends without its result is a lost server. */
async function* events(path, body, signal) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  const response = await ask(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new Problem("The connection was lost before the end. " + LOST);
    }
    if (part.done) throw new Problem("The connection was closed before the end. " + LOST);
    buffer += part.value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      const [first, second] = block.split("\n");
      const name = first.slice("event: ".length);
      const data = JSON.parse(second.slice("data: ".length));
      if (name === "error") throw new Problem(data.error.message);
      yield [name, data];
      if (name === "result") return;
    }
  }
}

function tell(id, problem) {
  if (problem && !(problem instanceof Problem)) console.error(problem);
  $(id).hidden = !problem;
  $(id).textContent = problem ? problem.message : "";
}

// ---- Text with entities

const place = (entity) => `${entity.start}-${entity.end}`;

function marked(entity, text, kind, change) {
  const element = make(kind === "missing" ? "span" : "mark", {
    "data-label": entity.label, class: kind === "missing" ? "ghost" : kind, title: KINDS[entity.label] ?? entity.label,
  });
  element.append(text, make("span", { class: "tag" }, change ?? entity.label));
  return element;
}

/**
 * A text with its entities marked, and what differs from the reference marked as such. Offsets count code points, and
 * JavaScript's strings do not, so the text comes as an array of them. Of marks that overlap the variant's own is shown.
 */
function reading(points, entities, difference, tag) {
  const box = make("div", { class: "reading", dir: "auto", lang: tag || null, tabindex: "0", role: "group",
    "aria-label": "Text with the names found" });
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
  return box;
}

/** The differences in words, for those who do not see the marks, and for missing names under other marks. */
function differencesOf(difference) {
  const items = [];
  const name = (entity) => [make("b", { dir: "auto" }, entity.text), ` (${entity.label})`];
  for (const entity of difference.missing) items.push(make("li", {}, "Missing: ", ...name(entity)));
  for (const entity of difference.extra) items.push(make("li", {}, "Extra: ", ...name(entity)));
  for (const { entity, reference_label } of difference.relabelled) {
    items.push(make("li", {}, "Other kind: ", ...name(entity), `, ${page.reference} says ${reference_label}`));
  }
  if (!items.length) items.push(make("li", {}, `Finds what ${page.reference} finds.`));
  return make("ul", { class: "differences" }, ...items);
}

// ---- The comparison

function card(variant) {
  const answer = page.answers.get(variant.name);
  const header = make("header", {}, make("h3", {}, variant.name));
  if (variant.name === page.reference) header.append(make("span", { class: "badge" }, "reference"));
  const box = make("article", { class: "card panel", "data-variant": variant.name, "aria-label": variant.name }, header);
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
    box.append(reading(page.points, answer.entities, answer.difference, page.tag));
    if (variant.name !== page.reference && answer.difference) box.append(differencesOf(answer.difference));
  } else {
    box.setAttribute("aria-busy", String(page.comparing !== null));
    box.append(make("div", { class: "reading" }));
  }
  return box;
}

function showCard(variant) {
  const old = $("cards").querySelector(`[data-variant="${CSS.escape(variant.name)}"]`);
  if (old) old.replaceWith(card(variant));
  else $("cards").append(card(variant));
}

function showCards() {
  page.variants.forEach(showCard);
}

function summarize(result) {
  const differing = result.variants.filter(({ variant, difference }) => variant !== page.reference && difference
    && difference.missing.length + difference.extra.length + difference.relabelled.length);
  const said = differing.length === 0 ? "all find the same"
    : `${differing.length} ${differing.length === 1 ? "differs" : "differ"} from ${page.reference}`;
  const asleep = result.not_ready.length ? `, ${result.not_ready.length} not ready` : "";
  const failed = result.failed.map(({ variant, message }) => ` ${variant} failed: ${message}`).join("");
  return `${plural(result.variants.length, "variant")} answered${asleep}; ${said}.${failed}`;
}

async function compare() {
  page.comparing?.abort();
  const mine = (page.comparing = new AbortController());
  const text = $("text").value;
  page.points = Array.from(text);
  page.tag = $("text").lang;
  page.answers.clear();
  tell("compare-error", null);
  if (isBlank(text)) {
    page.comparing = null;
    $("summary").textContent = "";
    showCards();
    tell("compare-error", new Problem("There is no text yet. Write or paste one, or choose a sample."));
    $("text").focus();
    return;
  }
  $("summary").textContent = "Reading…";
  showCards();
  try {
    for await (const [name, data] of events("compare", { text }, mine.signal)) {
      if (name === "result") {
        $("summary").textContent = summarize(data);
        continue;
      }
      if (!page.answers.has(data.variant)) {
        const times = page.times.get(data.variant) ?? [];
        page.times.set(data.variant, [...times, data.timing.inference_ms]);
      }
      page.answers.set(data.variant, data);
      const variant = page.variants.find((variant) => variant.name === data.variant);
      if (variant) showCard(variant);
    }
    showCosts();
  } catch (error) {
    if (error.name !== "AbortError") {
      $("summary").textContent = "";
      tell("compare-error", error);
    }
  } finally {
    if (page.comparing === mine) {
      page.comparing = null;
      showCards();
    }
  }
}

// ---- What each keeps and costs

const FRAME = { left: 52, right: 460, top: 16, bottom: 240 };

function ticksOfTime(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const digit of [1, 2, 5]) ticks.push(digit * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

function showScatter(measured, axis) {
  const svg = $("scatter");
  svg.replaceChildren();
  if (!measured.length) {
    svg.append(draw("text", { x: 240, y: 140, "text-anchor": "middle" }, "Compare a text to measure the times."));
    return;
  }
  const times = measured.map((point) => point.time);
  const scores = measured.map((point) => point.f1);
  const [fast, slow] = [Math.min(...times) / 1.6, Math.max(...times) * 1.6];
  const room = Math.max(0.01, (Math.max(...scores) - Math.min(...scores)) * 0.35);
  const [least, most] = [Math.max(0, Math.min(...scores) - room), Math.min(1, Math.max(...scores) + room)];
  const x = (time) => FRAME.left + (Math.log(time / fast) / Math.log(slow / fast)) * (FRAME.right - FRAME.left);
  const y = (f1) => FRAME.bottom - ((f1 - least) / (most - least)) * (FRAME.bottom - FRAME.top);
  for (const tick of ticksOfTime(fast, slow)) {
    svg.append(draw("line", { x1: x(tick), x2: x(tick), y1: FRAME.top, y2: FRAME.bottom }));
    svg.append(draw("text", { x: x(tick), y: FRAME.bottom + 20, "text-anchor": "middle" }, String(+tick.toPrecision(1))));
  }
  for (let step = 0; step <= 3; step += 1) {
    const f1 = least + ((most - least) * step) / 3;
    svg.append(draw("line", { x1: FRAME.left, x2: FRAME.right, y1: y(f1), y2: y(f1) }));
    svg.append(draw("text", { x: FRAME.left - 8, y: y(f1) + 4, "text-anchor": "end" }, f1.toFixed(3)));
  }
  svg.append(draw("text", { x: FRAME.right, y: FRAME.bottom + 36, "text-anchor": "end" }, "ms in the model, each step a multiple"));
  // Names keep a line's distance from each other, so that points that lie close stay readable.
  const taken = [];
  for (const point of [...measured].sort((a, b) => b.f1 - a.f1)) {
    const [cx, cy] = [x(point.time), y(point.f1)];
    const left = cx > (FRAME.left + FRAME.right) * 0.62;
    let line = cy + 4;
    while (taken.some((other) => Math.abs(other.line - line) < 15 && Math.abs(other.cx - cx) < 110)) line += 3;
    taken.push({ cx, line });
    const chosen = point.name === page.reference ? "chosen" : "";
    svg.append(draw("circle", { cx, cy, r: 6.5, class: chosen }));
    svg.append(draw("text", { x: cx + (left ? -12 : 12), y: line, "text-anchor": left ? "end" : "start", class: "name" },
      point.name));
  }
  svg.setAttribute("aria-label", `${axis} against milliseconds: ` + measured.map((point) =>
    `${point.name} ${point.f1.toFixed(3)} at ${milliseconds(point.time)} ms`).join("; "));
}

function showSizes(built) {
  const svg = $("sizes");
  svg.replaceChildren();
  const largest = Math.max(...built.map((variant) => variant.artifact_bytes), 1);
  const step = 250 / Math.max(built.length, 1);
  built.forEach((variant, row) => {
    const top = 12 + row * step;
    const width = (variant.artifact_bytes / largest) * 290;
    const chosen = variant.name === page.reference ? "chosen" : "";
    svg.append(draw("text", { x: 88, y: top + step / 2 + 4, "text-anchor": "end", class: "name" }, variant.name));
    svg.append(draw("rect", { x: 100, y: top + step * 0.18, width, height: step * 0.64, rx: 5, class: chosen }));
    svg.append(draw("text", { x: 108 + width, y: top + step / 2 + 4 }, `${megabytes(variant.artifact_bytes)} MB`));
  });
  svg.setAttribute("aria-label", "Size on disk: " + built.map((variant) =>
    `${variant.name} ${megabytes(variant.artifact_bytes)} MB`).join("; "));
}

function showCosts() {
  const timeOf = (variant) => median(page.times.get(variant.name) ?? []);
  const measured = page.variants
    .map((variant) => ({ name: variant.name, quality: qualityOf(variant), time: timeOf(variant) }))
    .filter((point) => point.quality.value !== null && point.time !== null && point.time > 0);
  // F1 and agreement do not go on one axis.
  const axis = measured[0]?.quality.name ?? "F1";
  $("axis").textContent = axis === "F1" ? "F1" : "Agreement with the reference";
  showScatter(measured.filter((point) => point.quality.name === axis)
    .map((point) => ({ ...point, f1: point.quality.value })), axis);
  showSizes(page.variants.filter((variant) => variant.artifact_bytes != null));
  $("table").tBodies[0].replaceChildren(...page.variants.map((variant) => {
    const time = timeOf(variant);
    const ready = variant.status === "ready";
    const state = ready ? "ready" : variant.status === "loading" ? "loading" : variant.reason ?? "failed";
    const cell = (text) => make("td", { class: "number" }, text);
    return make("tr", {}, make("th", { scope: "row" }, variant.name), make("td", {}, variant.technique),
      make("td", { class: ready ? null : "unready" }, state), cell(qualityText(qualityOf(variant))),
      cell(time === null ? "–" : milliseconds(time)), cell(megabytes(variant.artifact_bytes)),
      cell(megabytes(variant.resident_bytes)), cell(variant.sparsity == null ? "–" : `${(variant.sparsity * 100).toFixed(0)}%`));
  }));
}

// ---- The check of accuracy

function figure(name, value, note) {
  return make("dl", { class: "figure panel" }, make("dt", {}, name), make("dd", {}, value),
    make("dd", { class: "hint" }, note));
}

const range = ([low, high]) => `95%: ${score(low)} to ${score(high)}`;

function breakdown(title, own, theirs, differences) {
  const rows = Object.entries(own).map(([name, scores]) => make("tr", {}, make("th", { scope: "row" }, name),
    make("td", { class: "number" }, scores.entities.toLocaleString("en")),
    ...[scores.precision, scores.recall, scores.f1].map((value) => make("td", { class: "number" }, score(value))),
    make("td", { class: "number" }, `${score(scores.intervals.f1[0])} – ${score(scores.intervals.f1[1])}`),
    make("td", { class: "number" }, score(theirs[name]?.f1)),
    make("td", { class: "number" }, differences[name] ? signed(differences[name].f1) : "–")));
  const heads = ["entities", "precision", "recall", "F1", "95%", page.reference, "difference"];
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, make("table", {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, title),
      ...heads.map((head) => make("th", { scope: "col", class: "number" }, head)))),
    make("tbody", {}, ...rows)));
}

/** Words joined to a text, and the entities of their labels in code points of it. */
function joined(tokens, labels) {
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

function differing(answer) {
  const items = answer.differing.map((sentence) => {
    const points = Array.from(sentence.tokens.join(" "));
    const row = (name, labels) => [make("h4", {}, name), reading(points, joined(sentence.tokens, labels), null, sentence.language)];
    return make("li", { class: "panel" }, ...row("labelled", sentence.labels), ...row(answer.variant, sentence.variant),
      ...row(page.reference, sentence.reference));
  });
  return [make("h3", {}, `Where they differ: ${(answer.differing_share * 100).toFixed(1)}% of the sentences`),
    make("ul", { class: "sentences" }, ...items)];
}

function showAccuracy(answer) {
  const { reference, difference, agreement, data } = answer;
  const compared = answer.variant !== reference.variant;
  const unsure = difference.interval[0] <= 0 && difference.interval[1] >= 0;
  const parts = [make("div", { class: "figures" },
    figure(`F1 of ${answer.variant}`, score(answer.f1), range(answer.intervals.f1)),
    compared ? figure(`F1 of ${reference.variant}`, score(reference.f1), range(reference.intervals.f1)) : null,
    compared ? figure("Difference", signed(difference.f1),
      `95%: ${signed(difference.interval[0])} to ${signed(difference.interval[1])}${unsure ? ", may be chance" : ""}`) : null,
    compared ? figure("Alike", `${(agreement.sentences * 100).toFixed(1)}%`,
      `of the sentences; ${(agreement.words * 100).toFixed(1)}% of the words`) : null),
    make("p", { class: "hint" }, `${plural(answer.examples, "sentence")}, ${plural(answer.entities, "entity").replace("entitys", "entities")}`
      + ` of “${data.name}” (SHA-256 ${data.digest.slice(0, 12)}…), ${answer.seconds.toFixed(1)} s. ${answer.mode}.`),
    breakdown("Kind", answer.labels, reference.labels, difference.labels)];
  if (Object.keys(answer.languages).length) {
    parts.push(breakdown("Language", answer.languages, reference.languages, difference.languages));
  }
  if (answer.differing.length) parts.push(...differing(answer));
  $("accuracy-result").replaceChildren(...parts);
}

function showProgress({ done, total }) {
  $("accuracy-bar").max = total;
  $("accuracy-bar").value = done;
  $("accuracy-count").textContent = `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
}

async function check() {
  if (page.checking) return;
  const mine = (page.checking = new AbortController());
  const query = new URLSearchParams({ variant: $("accuracy-variant").value });
  if ($("accuracy-language").value) query.set("language", $("accuracy-language").value);
  if ($("accuracy-limit").value) query.set("limit", $("accuracy-limit").value);
  const conll = $("conll").value;
  const button = $("accuracy").querySelector(".primary");
  tell("accuracy-error", null);
  $("accuracy-result").replaceChildren();
  showProgress({ done: 0, total: 1 });
  $("accuracy-count").textContent = "";
  button.disabled = true;
  $("accuracy-stop").hidden = $("accuracy-progress").hidden = false;
  try {
    for await (const [name, data] of events(`accuracy?${query}`, conll.trim() ? { conll } : {}, mine.signal)) {
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

// ---- The variants and their state

function showStatus() {
  const ready = page.variants.filter((variant) => variant.status === "ready").length;
  const loading = page.variants.some((variant) => variant.status === "loading");
  $("status").textContent = `${ready} of ${page.variants.length} variants ready${loading ? ", others are loading" : ""}`;
  $("status").className = `status ${ready === page.variants.length ? "good" : loading ? "" : "bad"}`;
}

function keepChoices(select, choices) {
  const chosen = select.value;
  select.replaceChildren(...choices.map(([value, name]) => make("option", { value }, name)));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

function showLegend() {
  const labels = new Set(page.variants.flatMap((variant) => variant.labels ?? []).filter((label) => label !== "O")
    .map((label) => label.slice(2)));
  $("legend").replaceChildren(...[...labels].sort().map((label) => make("li", {},
    make("span", { class: "tag", "data-label": label }, label), KINDS[label] ?? "")));
}

async function refreshVariants() {
  page.variants = await (await ask("variants")).json();
  page.reference = page.variants.find((variant) => variant.reference)?.name ?? "";
  showStatus();
  showLegend();
  keepChoices($("accuracy-variant"), page.variants.map(({ name, status }) =>
    [name, status === "ready" ? name : `${name} (not ready)`]));
  const languages = new Set(page.variants.flatMap((variant) => variant.languages ?? []));
  keepChoices($("accuracy-language"), [["", "all"], ...[...languages].sort().map((language) => [language, language])]);
  showCards();
  showCosts();
  return page.variants.every((variant) => variant.status !== "loading");
}

/** Wait until every variant is ready or has failed; the default one, which loads first, already answers meanwhile. */
async function followVariants() {
  for (;;) {
    try {
      const readyBefore = page.variants.filter((variant) => variant.status === "ready").length;
      const settled = await refreshVariants();
      const ready = page.variants.filter((variant) => variant.status === "ready").length;
      if (ready > readyBefore && !isBlank($("text").value) && !page.comparing) compare();
      if (settled) return;
    } catch (error) {
      $("status").textContent = error.message;
      $("status").className = "status bad";
    }
    // Without a token there is nothing to ask for until the person has given one.
    await new Promise((resolve) => {
      if ($("token").hidden) setTimeout(resolve, POLL_MS);
      else $("token").addEventListener("submit", resolve, { once: true });
    });
  }
}

async function start() {
  const samples = await (await ask("playground/samples.json")).json();
  $("sample").append(...samples.map(({ code, tag, name, english }) =>
    make("option", { value: code, lang: tag }, name === english ? name : `${name} (${english})`)));
  const choose = () => {
    const sample = samples.find(({ code }) => code === $("sample").value);
    $("text").value = sample.text;
    $("text").lang = sample.tag;
  };
  choose();
  $("sample").addEventListener("change", () => {
    choose();
    compare();
  });
  // A text of one's own is in no language that this page knows.
  $("text").addEventListener("input", () => $("text").removeAttribute("lang"));
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) compare();
  });
  $("compare").addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
  $("token").addEventListener("submit", (event) => {
    event.preventDefault();
    page.token = $("token-field").value.trim();
  });
  $("accuracy").addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  $("accuracy-stop").addEventListener("click", () => page.checking?.abort());
  await followVariants();
}

start().catch((error) => tell("compare-error", error));
