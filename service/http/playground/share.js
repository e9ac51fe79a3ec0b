// Links to a text, and the comparison as something to take along. A link's text is in the fragment of the address, which
// browsers do not send.

import { $, isBlank, note, page, Problem, tell } from "./page.js";

const MOST_IN_A_LINK = 20_000;

function fragment() {
  const parts = new URLSearchParams({ t: $("text").value });
  if (page.chosen !== null) parts.set("v", [...page.chosen].join(","));
  return `#${parts}`;
}

/** What the address asks for, or null. Nonsense is said quietly. */
export function readLink() {
  const raw = location.hash.slice(1);
  if (!raw || $(raw)) return null;
  const parts = new URLSearchParams(raw);
  const text = parts.get("t") ?? "";
  if (isBlank(text) || text.length > MOST_IN_A_LINK) {
    note(text.length > MOST_IN_A_LINK ? "The text in this link is too long."
      : "There is no text in this link.");
    return null;
  }
  return { text, names: (parts.get("v") ?? "").split(",").filter(Boolean) };
}

/** Show the variants that a link names, as far as they are here. */
export function chooseLinked(names) {
  const known = names.filter((name) => page.variants.some((variant) => variant.name === name));
  page.chosen = known.length ? new Set(known) : null;
  const unknown = names.filter((name) => !known.includes(name)).map((name) => name.slice(0, 40)).slice(0, 5);
  if (unknown.length) note(`Not here: ${unknown.join(", ")}. ${known.length ? "The others are shown." : "All variants are shown."}`);
}

/** The address names a text that is no longer in the page. */
export function forgetLink() {
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
}

async function copy(text, what) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers have no clipboard for pages without TLS, or ask for leave.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
  }
  note(copied ? `${what} copied.` : "The browser does not let this page copy.");
}

const address = () => new URL(`ner?variant=${encodeURIComponent($("share-variant").value)}`, document.baseURI);
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function asCurl() {
  const token = page.token ? ' -H "Authorization: Bearer $KIDOGO_TOKEN"' : "";
  return `curl -s ${quoted(String(address()))} -H 'Content-Type: application/json'${token} \\\n`
    + `  -d ${quoted(JSON.stringify({ text: $("text").value }))}\n`;
}

function asPython() {
  const url = address();
  const token = page.token ? `    headers={"Authorization": f"Bearer {os.environ['KIDOGO_TOKEN']}"},\n` : "";
  return `${page.token ? "import os\n\n" : ""}import httpx\n\nresponse = httpx.post(\n    ${JSON.stringify(String(url).split("?")[0])},\n`
    + `    params={"variant": ${JSON.stringify($("share-variant").value)}},\n${token}`
    + `    json={"text": ${JSON.stringify($("text").value)}},\n)\nresponse.raise_for_status()\n`
    + 'for entity in response.json()["results"][0]["entities"]:\n    print(entity["label"], entity["text"], entity["score"])\n';
}

function asJson() {
  if (!page.answers.size) throw new Problem("There are no answers yet: compare first.");
  const answers = [...page.answers.values()].map(({ variant, entities, timing }) => ({ variant, entities, timing }));
  return JSON.stringify({ text: page.text, reference: page.reference, variants: answers }, null, 2) + "\n";
}

/** Have the browser save something; the address of it is kept until the next one. */
export function save(name, type, parts) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function copyLink() {
  if ($("text").value.length > MOST_IN_A_LINK) throw new Problem("The text is too long for a link.");
  history.replaceState(null, "", fragment());
  await copy(location.href, "Link");
}

const WAYS = {
  "copy-link": copyLink,
  "copy-curl": () => copy(asCurl(), "curl command"),
  "copy-python": () => copy(asPython(), "Python code"),
  "copy-json": () => copy(asJson(), "Answers"),
  "download-json": () => save("kidogo.json", "application/json", [asJson()]),
};

export function offerSharing() {
  for (const [id, way] of Object.entries(WAYS)) {
    $(id).addEventListener("click", async () => {
      tell("compare-error", null);
      try {
        await way();
      } catch (error) {
        tell("compare-error", error);
      }
    });
  }
}
