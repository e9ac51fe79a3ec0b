// Labels texts with the models of a hub in transformers.js, and prints the label of each piece.
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
    const pieces = classify.tokenizer(text);
    const { logits } = await classify.model(pieces);
    const names = classify.model.config.id2label;
    const labels = logits.tolist()[0].map((row) => names[row.indexOf(Math.max(...row))]);
    const answered = await classify(text, { ignore_labels: [] });
    answers[name].push({ pieces: Array.from(pieces.input_ids.data, Number), labels, answered });
  }
}
console.log(JSON.stringify(answers));
