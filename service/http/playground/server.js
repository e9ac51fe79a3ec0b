// Talking to the server. Addresses are relative to the page: a proxy may serve it under a prefix that it strips.

import { $, page, plural, Problem } from "./page.js";

const LOST = "The server does not answer. Check that it is running, then try again.";

async function refusal(response) {
  const wait = response.headers.get("Retry-After");
  let problem;
  let details = {};
  try {
    const { message, ...rest } = (await response.json()).error;
    details = rest.details ?? {};
    problem = new Problem(wait ? `${message} (You can try again in ${plural(Number(wait), "second")}.)` : message);
  } catch {
    problem = new Problem(`The server answered with status ${response.status} and said nothing more.`);
  }
  return Object.assign(problem, { status: response.status, details, wait: Number(wait) || 1 });
}

export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(page.token ? { Authorization: `Bearer ${page.token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem(LOST);
  }
  $("token").hidden = response.status !== 401;
  // A link cannot carry the token.
  if (response.status === 401) $("more").hidden = true;
  if (!response.ok) throw await refusal(response);
  return response;
}

export async function post(path, body, signal, accept = "application/json") {
  const headers = { "Content-Type": "application/json", Accept: accept };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** POST and yield the server-sent events of the answer. A stream that ends without its result is a lost server. */
export async function* events(path, body, signal) {
  const response = await post(path, body, signal, "text/event-stream");
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
