// The texts that were compared in this tab. The browser forgets them with it.

import { $, make, page } from "./page.js";

const KEY = "kidogo-texts";
const MOST = 20;
const MOST_CHARACTERS = 20_000;

let texts = [];

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(texts));
  } catch {
    // Without storage they last as long as the page.
  }
}

function show(choose) {
  $("earlier").hidden = !texts.length;
  $("earlier-count").textContent = String(texts.length);
  $("earlier-texts").replaceChildren(...texts.map(({ text, tag }) => {
    const button = make("button", { type: "button", class: "plain", dir: "auto", lang: tag || null },
      text.length > 80 ? `${Array.from(text).slice(0, 80).join("")}…` : text);
    button.addEventListener("click", () => choose(text, tag));
    return make("li", {}, button);
  }));
}

/** Keep every text that is compared, and have one chosen again. */
export function offerHistory(choose) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    texts = kept.filter((entry) => typeof entry?.text === "string").slice(0, MOST);
  } catch {
    texts = [];
  }
  show(choose);
  document.addEventListener("compared", () => {
    if (page.text.length > MOST_CHARACTERS) return;
    texts = [{ text: page.text, tag: page.tag }, ...texts.filter(({ text }) => text !== page.text)].slice(0, MOST);
    keep();
    show(choose);
  });
  $("forget").addEventListener("click", () => {
    texts = [];
    keep();
    show(choose);
    $("text").focus();
  });
}
