// The playground: what is where, and what happens when.

import { check, noticeChanges } from "./accuracy.js";
import { catchUp, compare, noticeEdits, showCards, summarize } from "./compare.js";
import { showCosts } from "./costs.js";
import { offerFiles } from "./files.js";
import { offerHistory } from "./history.js";
import { $, isShown, KINDS, make, note, page, tell } from "./page.js";
import { ask } from "./server.js";
import { chooseLinked, forgetLink, offerSharing, readLink } from "./share.js";
import { advice, readyVariants } from "./variants.js";

const POLL_MS = 1500;
const ROUNDS = 5;

function showStatus() {
  const ready = readyVariants().length;
  const loading = page.variants.some((variant) => variant.status === "loading");
  $("status").textContent = `${ready} of ${page.variants.length} variants ready${loading ? ", others are loading" : ""}`;
  $("status").className = `status ${ready === page.variants.length ? "good" : loading ? "" : "bad"}`;
}

/** Fill a select and keep what is chosen; at first, what is preferred. */
function keepChoices(select, choices, preferred = "") {
  const chosen = select.options.length ? select.value : preferred;
  select.replaceChildren(...choices.map(([value, name]) => make("option", { value }, name)));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

function showLegend() {
  const labels = new Set(page.variants.flatMap((variant) => variant.labels ?? []).filter((label) => label !== "O")
    .map((label) => label.replace(/^[BIESLU][-_](?=.)|(?<=.)[-_][BIESLU]$/i, "")));
  $("legend").replaceChildren(...[...labels].sort().map((label) => make("li", {},
    make("span", { class: "tag", "data-label": label }, label), KINDS[label] ?? "")));
}

function showChosen() {
  $("chosen").replaceChildren(...page.variants.map(({ name }) => {
    const box = make("input", { type: "checkbox", value: name, checked: isShown(name) });
    box.addEventListener("change", () => {
      const names = [...$("chosen").querySelectorAll(":checked")].map(({ value }) => value);
      page.chosen = names.length === page.variants.length ? null : new Set(names);
      showCards();
    });
    return make("label", {}, box, name);
  }));
}

function showVariants() {
  page.reference = page.variants.find((variant) => variant.reference)?.name ?? "";
  showStatus();
  showLegend();
  const names = page.variants.map(({ name, status }) => [name, status === "ready" ? name : `${name} (not ready)`]);
  const ready = readyVariants();
  // A variant compared with itself says nothing.
  const other = ready.find(({ reference }) => !reference) ?? ready[0];
  const preferred = advice()?.name ?? other?.name;
  if (ready.length) {
    keepChoices($("accuracy-variant"), names, preferred === page.reference ? other.name : preferred);
    keepChoices($("share-variant"), names, preferred);
  }
  const languages = new Set(page.variants.flatMap((variant) => variant.languages ?? []));
  keepChoices($("accuracy-language"), [["", "all"], ...[...languages].sort().map((language) => [language, language])]);
  showChosen();
  showCards();
  showCosts();
}

/** Wait until every variant is ready or has failed; the default one, which loads first, already answers meanwhile. */
async function followVariants(linked) {
  let shown = "";
  for (;;) {
    try {
      page.variants = await (await ask("variants")).json();
      if (linked) chooseLinked(linked);
      linked = null;
      // What is shown again loses the keyboard's focus.
      const state = JSON.stringify(page.variants.map(({ name, status, reason, digest }) => [name, status, reason, digest]));
      if (state !== shown) showVariants();
      shown = state;
      catchUp();
      if (page.variants.every((variant) => variant.status !== "loading")) return;
    } catch (error) {
      $("status").textContent = error.message;
      $("status").className = "status bad";
      shown = "";
    }
    // Without a token there is nothing to ask for until the person has given one.
    await new Promise((resolve) => {
      if ($("token").hidden) setTimeout(resolve, POLL_MS);
      else $("token").addEventListener("submit", resolve, { once: true });
    });
  }
}

/** After a comparison the server may have new medians. */
async function refreshTimes() {
  try {
    const variants = await (await ask("variants")).json();
    for (const variant of page.variants) {
      variant.inference_ms = variants.find(({ name }) => name === variant.name)?.inference_ms ?? null;
    }
  } catch {
    // The comparison went well; the times stay as they were.
  }
  showCosts();
}

async function measure() {
  // Text that is typed in the meantime is not measured.
  const { value, lang } = $("text");
  $("measure").disabled = true;
  for (let round = 0; round < ROUNDS; round += 1) {
    if (!(await compare(value, lang))) break;
  }
  $("measure").disabled = false;
}

function take(text, tag, sample = "") {
  $("text").value = text;
  $("text").lang = tag;
  $("sample").value = sample;
}

async function start() {
  $("compare").addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
  const samples = await (await ask("playground/samples.json")).json();
  $("sample").append(...samples.map(({ code, tag, name, english }) =>
    make("option", { value: code, lang: tag }, name === english ? name : `${name} (${english})`)));
  const choose = (code) => {
    const sample = samples.find((sample) => sample.code === code) ?? samples[0];
    take(sample.text, sample.tag, sample.code);
  };
  // People may start to type before the samples have arrived, and browsers restore what was typed.
  const typed = $("text").value;
  const typing = document.activeElement === $("text");
  choose();
  if (typed || typing) take(typed, "");
  const linked = readLink();
  if (linked) take(linked.text, "");
  // The text that the page opens with is compared automatically; what is typed from now on is not.
  page.text = $("text").value;
  $("sample").addEventListener("change", () => {
    forgetLink();
    choose($("sample").value);
    compare();
  });
  window.addEventListener("hashchange", () => {
    const link = readLink();
    if (!link) return;
    note("");
    take(link.text, "");
    chooseLinked(link.names);
    showChosen();
    compare();
  });
  $("text").addEventListener("input", () => {
    // A text of one's own is in no language that this page knows.
    take($("text").value, "");
    forgetLink();
    noticeEdits();
    catchUp();
  });
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) compare();
  });
  $("threshold").addEventListener("input", () => {
    page.threshold = Number($("threshold").value);
    $("threshold-value").textContent = page.threshold.toFixed(2);
    showCards();
    noticeEdits();
  });
  $("whole").addEventListener("click", () => {
    page.whole = !page.whole;
    showCards();
  });
  // What the keyboard reaches in a folded text is shown.
  $("cards").addEventListener("focusin", ({ target }) => target.closest(".folded")?.classList.remove("folded"));
  $("measure").addEventListener("click", measure);
  $("token").addEventListener("submit", (event) => {
    event.preventDefault();
    page.token = $("token-field").value.trim();
  });
  $("accuracy").addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  $("accuracy").addEventListener("input", noticeChanges);
  $("accuracy-stop").addEventListener("click", () => page.checking?.abort());
  document.addEventListener("compared", () => {
    summarize();
    refreshTimes();
  });
  offerSharing();
  offerFiles();
  offerHistory((text, tag) => {
    forgetLink();
    take(text, tag);
    compare();
  });
  await followVariants(linked?.names);
}

start().catch((error) => tell("compare-error", error));
