// Reads texts with repositories of a hub by transformers.js and prints what each piece is labelled.
//
// node transformers_js.mjs HUB < {"texts": [...], "repositories": {NAME: DTYPE}}, in a folder with @huggingface/transformers
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { env, pipeline } = createRequire(`${process.cwd()}/`)("@huggingface/transformers");
env.remoteHost = process.argv[2];
env.allowLocalModels = false;
env.cacheDir = `${process.cwd()}/cache`;
const { texts, repositories } = JSON.parse(readFileSync(0, "utf8"));
const answers = {};
for (const [name, dtype] of Object.entries(repositories)) {
  const classify = await pipeline("token-classification", name, { dtype });
  answers[name] = [];
  for (const text of texts) {
    const pieces = Array.from(classify.tokenizer(text).input_ids.data, Number);
    const labels = Array(pieces.length).fill(null);
    for (const { index, entity } of await classify(text, { ignore_labels: [] })) labels[index] = entity;
    answers[name].push({ pieces, labels });
  }
}
console.log(JSON.stringify(answers));
