// A file of texts, read by one variant from the browser: nothing is kept by the server, the results stay in this page.

import { $, isBlank, page, plural, Problem, tell } from "./page.js";
import { post } from "./server.js";
import { save } from "./share.js";

const MOST_BYTES = 20_000_000;
const MOST_TEXTS = 32; // of a request
const MOST_CHARACTERS = 100_000; // of its texts together, unless one alone is longer
const PATIENCE = 100; // times that a busy server is asked again

/** The documents of a file: a line of text each, or the field "text" of a line of JSON. */
async function documentsOf(file) {
  const jsonl = /\.(jsonl|ndjson)$/i.test(file.name);
  if (!jsonl && !/\.txt$/i.test(file.name)) throw new Problem(`${file.name} is neither .txt nor .jsonl.`);
  if (file.size > MOST_BYTES) throw new Problem(`${file.name} is larger than ${MOST_BYTES / 1e6} MB: read it with a script (see /docs).`);
  let content;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Problem(`${file.name} is not text in UTF-8.`);
  }
  const documents = content.split(/\r\n|\n|\r/).map((line, index) => ({ line: index + 1, content: line }))
    .filter(({ content }) => !isBlank(content)).map(({ line, content }) => {
      if (!jsonl) return { line, fields: {}, text: content };
      try {
        const fields = JSON.parse(content);
        return typeof fields?.text === "string" ? { line, fields, text: fields.text, source: content }
          : { line, error: 'it has no field "text" with a string' };
      } catch {
        return { line, error: "it is not JSON" };
      }
    });
  if (!documents.length) throw new Problem(`There is no text in ${file.name}.`);
  return documents;
}

function* batches(documents) {
  let batch = [];
  let characters = 0;
  for (const document of documents) {
    if (batch.length && (batch.length === MOST_TEXTS || characters + document.text.length > MOST_CHARACTERS)) {
      yield batch;
      [batch, characters] = [[], 0];
    }
    batch.push(document);
    characters += document.text.length;
  }
  if (batch.length) yield batch;
}

const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  }, { once: true });
});

/** Fill in the entities of the documents. What the server refuses of one is its error; a busy server is asked again. */
async function annotate(documents, path, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await (await post(path, { texts: documents.map(({ text }) => text) }, signal)).json();
      documents.forEach((document, index) => {
        Object.assign(document, { variant: answer.variant, entities: answer.results[index].entities });
      });
      return;
    } catch (error) {
      // A variant that failed to load stays so until its artefact is replaced.
      const busy = [429, 503].includes(error.status) && error.details.status !== "failed";
      if (busy && attempt < PATIENCE) {
        await pause(error.wait, signal);
      } else if ([400, 413, 422, 500, 504].includes(error.status)) {
        if (documents.length === 1) documents[0].error = error.message;
        else for (const document of documents) await annotate([document], path, signal);
        return;
      } else {
        throw error;
      }
    }
  }
}

/** A line of the results. It keeps the source's line as it is: a number may be longer than JavaScript can hold. */
function written({ line, fields, source, text, variant, entities, error }) {
  const found = error ? { line, error } : { variant, entities };
  if (!source || Object.keys(found).some((name) => name in fields)) {
    return JSON.stringify({ ...fields, ...(error ? {} : { text }), ...found }) + "\n";
  }
  return `${source.trimEnd().slice(0, -1)},${JSON.stringify(found).slice(1)}\n`;
}

function showProgress(done, total, started) {
  $("file-bar").max = total;
  $("file-bar").value = done;
  const left = ((Date.now() - started) / Math.max(done, 1)) * (total - done) / 1000;
  const remaining = done && done < total ? `, about ${plural(Math.ceil(left), "second")} left` : "";
  $("file-count").textContent = `${done.toLocaleString("en")} of ${plural(total, "text")}${remaining}`;
}

function showResult(name, documents) {
  const read = documents.filter(({ entities, error }) => entities || error);
  const broken = read.filter(({ error }) => error);
  const found = read.reduce((sum, { entities }) => sum + (entities?.length ?? 0), 0);
  const rest = documents.length - read.length;
  const which = broken.slice(0, 3).map(({ line, error }) => ` Line ${line}: ${error}.`.replace("..", ".")).join("");
  $("file-result").textContent = `${name}: ${plural(read.length - broken.length, "text")} read`
    + `, ${plural(found, "name")} found${rest ? `, ${rest.toLocaleString("en")} not reached` : ""}.`
    + (broken.length ? ` ${plural(broken.length, "line")} could not be read.${which}` : "");
  $("file-save").hidden = !read.length;
  $("file-save").onclick = () => save(`${name.replace(/\.\w+$/, "")}.entities.jsonl`, "application/x-ndjson", read.map(written));
}

async function readFile(file) {
  if (page.reading) {
    tell("file-error", new Problem("One file is read at a time. Stop the other one first."));
    return;
  }
  const mine = (page.reading = new AbortController());
  tell("file-error", null);
  $("file-result").textContent = "";
  $("file-save").hidden = true;
  let documents = [];
  try {
    documents = await documentsOf(file);
    const query = new URLSearchParams({ variant: $("share-variant").value });
    if (page.threshold) query.set("min_score", page.threshold);
    const started = Date.now();
    const good = documents.filter(({ error }) => !error);
    let done = documents.length - good.length;
    $("file-progress").hidden = false;
    showProgress(done, documents.length, started);
    for (const batch of batches(good)) {
      await annotate(batch, `ner?${query}`, mine.signal);
      showProgress((done += batch.length), documents.length, started);
    }
  } catch (error) {
    if (error.name !== "AbortError") tell("file-error", error);
  } finally {
    page.reading = null;
    $("file-progress").hidden = true;
    if (documents.length) showResult(file.name, documents);
  }
}

export function offerFiles() {
  $("file").addEventListener("change", () => {
    if ($("file").files.length) readFile($("file").files[0]);
    $("file").value = "";
  });
  $("file-stop").addEventListener("click", () => page.reading?.abort());
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", event.type === "dragover");
  };
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    over(event);
    if (event.dataTransfer?.files.length) readFile(event.dataTransfer.files[0]);
  });
}
