// What each variant keeps and costs: two charts and a table.

import { $, draw, make, megabytes, milliseconds, page } from "./page.js";
import { advice, qualityOf, qualityText, timings } from "./variants.js";

const FRAME = { left: 52, right: 460, top: 16, bottom: 240 };
const POINT = 6.5;

function ticksOfTime(low, high) {
  const among = (digits) => {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const digit of digits) ticks.push(digit * 10 ** power);
    }
    return ticks.filter((tick) => tick >= low && tick <= high);
  };
  const few = among([1, 2, 5]);
  return few.length > 2 ? few : among([1, 2, 3, 4, 5, 6, 8]);
}

const apart = (a, b) => a.x1 < b.x0 || b.x1 < a.x0 || a.y1 < b.y0 || b.y1 < a.y0;

/** Where a name goes so that it covers no point and no other name; taken boxes come in and go out. */
function placeName(name, cx, cy, taken) {
  // An upper bound for the names of variants; one that is too low lets them touch.
  const width = name.length * 8.4 + 4;
  for (const distance of [0, 16, 32, 48, 64, 96]) {
    for (const [side, sign] of [["start", -1], ["start", 1], ["end", -1], ["end", 1], ["middle", -1], ["middle", 1]]) {
      const y = cy + 4 + sign * (side === "middle" ? distance + 16 : distance);
      const x = side === "start" ? cx + 12 : side === "end" ? cx - 12 : cx;
      const x0 = side === "start" ? x : side === "end" ? x - width : x - width / 2;
      const box = { x0, x1: x0 + width, y0: y - 13, y1: y + 5 };
      const inside = box.x0 >= FRAME.left && box.x1 <= 478 && box.y0 >= 0 && box.y1 <= FRAME.bottom;
      if (inside && taken.every((other) => apart(box, other))) {
        taken.push(box);
        return { x, y, side, far: distance > 0 };
      }
    }
  }
  return null;
}

function showScatter(measured, axis) {
  const svg = $("scatter");
  svg.replaceChildren();
  if (!measured.length) {
    svg.append(draw("text", { x: 240, y: 140, "text-anchor": "middle" }, "There are no times yet: measure them."));
    svg.setAttribute("aria-label", "There are no times yet");
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
  svg.append(draw("text", { x: FRAME.right, y: FRAME.bottom + 36, "text-anchor": "end" }, "median ms in the model (log scale)"));
  const points = measured.map((point) => ({ ...point, cx: x(point.time), cy: y(point.f1) })).sort((a, b) => a.cy - b.cy);
  const taken = points.map(({ cx, cy }) => ({ x0: cx - 8, x1: cx + 8, y0: cy - 8, y1: cy + 8 }));
  for (const { name, cx, cy } of points) {
    const where = placeName(name, cx, cy, taken);
    if (where?.far) svg.append(draw("line", { x1: cx, y1: cy, x2: where.x, y2: where.y - 4, class: "leader" }));
    svg.append(draw("circle", { cx, cy, r: POINT, class: name === page.reference ? "chosen" : "" }));
    if (where) svg.append(draw("text", { x: where.x, y: where.y, "text-anchor": where.side, class: "name" }, name));
  }
  svg.setAttribute("aria-label", `${axis} against milliseconds: ` + measured.map((point) =>
    `${point.name} ${point.f1.toFixed(3)} at ${milliseconds(point.time)} ms`).join("; "));
}

function showSizes(built) {
  const svg = $("sizes");
  svg.replaceChildren();
  const largest = Math.max(...built.map((variant) => variant.artifact_bytes), 1);
  const step = 276 / Math.max(built.length, 6);
  built.forEach((variant, row) => {
    const top = 4 + row * step;
    const width = Math.max(2, (variant.artifact_bytes / largest) * 380);
    const chosen = variant.name === page.reference ? "chosen" : "";
    svg.append(draw("text", { x: 4, y: top + 13, class: "name" }, variant.name));
    svg.append(draw("rect", { x: 4, y: top + 18, width, height: step - 24, rx: 4, class: chosen }));
    svg.append(draw("text", { x: 12 + width, y: top + step / 2 + 11 }, `${megabytes(variant.artifact_bytes)} MB`));
  });
  svg.setAttribute("aria-label", "Size on disk: " + built.map((variant) =>
    `${variant.name} ${megabytes(variant.artifact_bytes)} MB`).join("; "));
}

export function showCosts() {
  const { of, source } = timings();
  const measured = page.variants.map((variant) => ({ name: variant.name, quality: qualityOf(variant), time: of(variant) }))
    .filter((point) => point.quality.value !== null && point.time !== null);
  // F1 and agreement do not go on one axis.
  const axis = measured[0]?.quality.name ?? "F1";
  $("axis").textContent = axis === "F1" ? "F1" : "Agreement with the reference";
  $("time-source").textContent = `Times are ${source}.`;
  const { name, text } = advice() ?? {};
  $("advice").hidden = !name;
  $("advice").replaceChildren(...(name ? ["Take ", make("b", {}, name), text] : []));
  showScatter(measured.filter((point) => point.quality.name === axis)
    .map((point) => ({ ...point, f1: point.quality.value })), axis);
  showSizes(page.variants.filter((variant) => variant.artifact_bytes != null));
  $("table").tBodies[0].replaceChildren(...page.variants.map((variant) => {
    const time = of(variant);
    const ready = variant.status === "ready";
    const state = ready ? "ready" : variant.status === "loading" ? "loading" : variant.reason ?? "failed";
    const cell = (text) => make("td", { class: "number" }, text);
    return make("tr", {}, make("th", { scope: "row" }, variant.name), make("td", {}, variant.technique),
      make("td", { class: ready ? null : "unready" }, state), cell(qualityText(qualityOf(variant))),
      cell(time === null ? "–" : milliseconds(time)), cell(megabytes(variant.artifact_bytes)),
      cell(megabytes(variant.resident_bytes)), cell(variant.sparsity == null ? "–" : `${(variant.sparsity * 100).toFixed(0)}%`));
  }));
}
