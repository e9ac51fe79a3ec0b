// What each variant is, what was measured of it, and which to take.

import { median, megabytes, milliseconds, page, score } from "./page.js";

const ENOUGH = 5; // timings that a median is of

const ABOUT = {
  dense: "The fine-tuned model as it is, in 32-bit numbers. The others are made from it.",
  pruned: "The weights closest to zero are set to zero. The file packs smaller; the speed stays that of the whole model.",
  distilled: "A student with fewer layers that has learnt from the whole model: faster, and less exact.",
  int8: "Linear layers in 8 bits (LLM.int8()). Saves memory in large models, and is slow on a CPU.",
  dynamic: "Weights and activations in 8 bits: a smaller file and shorter times, with nearly the same answers.",
  "distilled-dynamic": "The student in 8 bits as well: short times, as exact as the student.",
  pocket: "Fewer pieces, layers and a narrower width, in 4 to 8 bits: the smallest file and the shortest times.",
};

/** A sentence on a variant; of one that this page does not know, the server's own words. */
export const about = (variant) => ABOUT[variant.name] ?? `${variant.technique}, in ${variant.runtime}.`;

/** What the build measured: F1 against labels, or agreement with the reference where there were only texts. */
export function qualityOf(variant) {
  const { test, dev, agreement } = variant.metrics ?? {};
  const scores = test ?? dev;
  if (scores) return { name: "F1", value: scores.f1 };
  return agreement ? { name: "agreement", value: agreement.f1 } : { name: "not measured", value: null };
}

export const qualityText = ({ name, value }, named) =>
  value === null ? name : named || name !== "F1" ? `${name} ${score(value)}` : score(value);

export const readyVariants = () => page.variants.filter((variant) => variant.status === "ready");

/**
 * Median milliseconds in the model by variant: of the text last compared if each variant has read it often enough, else
 * the server's own. The two are not mixed, because they are of other texts.
 */
export function timings() {
  const here = (variant) => page.times.get(variant.name) ?? [];
  const ready = readyVariants();
  const own = ready.length > 0 && ready.every((variant) => here(variant).length >= ENOUGH);
  const times = new Map(ready.map((variant) => [variant.name, own ? median(here(variant)) : variant.inference_ms]));
  const least = Math.min(...ready.map((variant) => here(variant).length));
  return {
    of: (variant) => times.get(variant.name) || null,
    source: own ? `medians of at least ${least} comparisons of the text last compared`
      : "the server's medians over all requests; measure for those of your text",
  };
}

/** Which variant to take, and why; null while nothing is known. */
export function advice() {
  const measured = readyVariants().map((variant) => ({ variant, quality: qualityOf(variant) }))
    .filter(({ quality }) => quality.value !== null);
  const kind = measured[0]?.quality.name;
  const alike = measured.filter(({ quality }) => quality.name === kind);
  if (alike.length < 2) return null;
  const best = Math.max(...alike.map(({ quality }) => quality.value));
  const near = alike.filter(({ quality }) => quality.value >= best - 0.01).map(({ variant }) => variant);
  const { of } = timings();
  const timed = near.every((variant) => of(variant) !== null);
  const cost = (variant) => (timed ? of(variant) : variant.artifact_bytes);
  const name = near.reduce((least, variant) => (cost(variant) < cost(least) ? variant : least)).name;
  const chosen = near.find((variant) => variant.name === name);
  const why = timed ? `the fastest (${milliseconds(of(chosen))} ms in the model)`
    : `the smallest (${megabytes(chosen.artifact_bytes)} MB)`;
  const text = `: of the ${near.length === 1 ? "variants only it is" : `${near.length} variants`} within one point of the best `
    + `${kind === "F1" ? "F1" : "agreement"} (${score(best)})${near.length === 1 ? "" : `, it is ${why}`}. `
    + "That is on the build's data: check it on labelled text of your own.";
  return { name, text };
}
