"""Compares this service with others that serve the same model, with the same texts and load generator.

    .venv/bin/python scripts/measure/peers.py [--work FOLDER] [--texts FOLDER] [--quick] [--without litserve]

The model has AfriBERTa-base's dimensions (8 layers, width 768, 6 heads, feed-forward 3,072, 70,006 pieces) and random
weights. These are as fast as trained ones, except for LLM.int8(): they have no outlier columns, so that it never needs
mixed precision. The project's recipes build all variants from it. Contenders:

(a) FastAPI around transformers' pipeline,
(b) LitServe around the same, in its own virtual environment,
(c) this service's variants,
(d) the runtime in this process without a server, as the limit. It is measured directly before and after the same
    variant is served, because the speed of the machine drifts.

Each server runs alone and is measured by ``python -m loadtests``. Reports and models stay in the work folder and are
reused by the next run. The last line is one JSON record.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from saturation import in_process
from servers import ROOT, free_port, server
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

from build_models.artifacts.scores import open_artifact
from build_models.bases.base import train_tokenizer
from build_models.bases.shapes import AFRIBERTA_PIECES, SHAPES
from build_models.build import build
from build_models.data.loading import load_data
from build_models.settings import BuildSettings, FinetuneSettings
from loadtests.load.texts import draw
from loadtests.report.record import read_record
from loadtests.report.summary import summarise
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus
from service.variants import KNOWN_VARIANTS

VARIANTS = ("dense-torch", "dense", "distilled", "int8", "dynamic", "distilled-dynamic", "pocket")
SEED = 1


@dataclass
class Figures:
    """Figures of one contender: milliseconds with one request in flight, and requests per second.

    ``generator_cpu_share`` is the load generator's share of all CPUs at the load level of ``most_answers``.
    """

    contender: str
    p50: float
    p99: float | None
    most_answers: float
    inside_bound: float | None = None
    steady_ratio: float | None = None
    generator_cpu_share: float = 0.0


def make_artifacts(folder: Path, shape_name: str, variants: Sequence[str]) -> Path:
    """Build the variants of a random model with the given dimensions."""
    base = folder / "base"
    if not (base / "model.safetensors").exists():
        base.mkdir(parents=True, exist_ok=True)
        sentences = load_data(None, None, None, SEED, 500).train
        train_tokenizer([" ".join(sentence.words) for sentence in sentences], 12_000, base)
        shape = SHAPES[shape_name]
        torch.manual_seed(SEED)
        XLMRobertaForMaskedLM(
            XLMRobertaConfig(
                vocab_size=AFRIBERTA_PIECES,
                hidden_size=shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=shape.feed_forward,
                max_position_embeddings=514,
                type_vocab_size=1,
            )
        ).save_pretrained(base)
    untrained = FinetuneSettings(epochs=0, learning_rate=1e-5, hidden_share=0.0)
    settings = BuildSettings(
        out=folder / "artifacts",
        base=str(base),
        languages=("swa",),
        sample_sentences=10,
        finetune=untrained,
        must_learn=False,
        threads=available_cpus(),
    )
    build(settings, variants)
    return settings.out


def measure_in_process(artifacts: Path, variant: str, texts: Sequence[str], seconds: float) -> Figures:
    """Latency with all threads; and the throughput so or with one single-threaded session per CPU, if higher."""
    cpus = available_cpus()
    whole = load(artifacts, variant, cpus)
    chance = random.Random(SEED)
    read(whole, chance.choices(texts, k=20))
    times = read(whole, chance.choices(texts, k=1000), seconds)
    together = len(times) / sum(times)
    del whole
    singles = [load(artifacts, variant, 1) for _ in range(cpus)]
    apart = in_process(singles, texts, seconds, f"{SEED}")
    milliseconds = sorted(1000 * value for value in times)
    return Figures(
        f"in process: {variant}",
        statistics.median(milliseconds),
        milliseconds[int(0.99 * len(milliseconds))],
        max(together, apart),
    )


def mean_of(before: Figures, after: Figures) -> Figures:
    """The mean of two measurements of one contender."""
    assert before.p99 is not None
    assert after.p99 is not None
    return Figures(
        before.contender,
        statistics.mean((before.p50, after.p50)),
        statistics.mean((before.p99, after.p99)),
        statistics.mean((before.most_answers, after.most_answers)),
    )


def load(artifacts: Path, variant: str, threads: int) -> Pipeline:
    return open_artifact(artifacts / variant, threads)[1]


def read(pipeline: Pipeline, texts: Sequence[str], most_seconds: float = 60.0) -> list[float]:
    """Seconds per text, one after the other, for at most ``most_seconds``."""
    times: list[float] = []
    began = time.perf_counter()
    for text in texts:
        started = time.perf_counter()
        run_to_end(pipeline.read_text(text, Timer()))
        times.append(time.perf_counter() - started)
        if time.perf_counter() - began > most_seconds:
            break
    return times


def measure_served(contender: str, variant: str, port: int, out: Path, options: Sequence[str]) -> Figures:
    """Run the load tests in a separate process and return their figures."""
    command = [sys.executable, "-m", "loadtests", "--host", f"http://127.0.0.1:{port}", "--variants", variant]
    # Its status is 1 if the server failed some requests; the report has the figures all the same.
    subprocess.run([*command, "--out", str(out), *options], cwd=ROOT, check=False)
    (row,) = summarise(read_record(out / "report.json"))
    assert row.response.p50 is not None
    assert row.best_throughput is not None
    return Figures(
        contender,
        row.response.p50.median,
        row.response.p99.median if row.response.p99 else None,
        row.best_throughput.median,
        row.best_rate.median if row.best_rate else None,
        row.steady.ratio.median if row.steady and row.steady.ratio else None,
        row.best_throughput_generator_share,
    )


def litserve_python(folder: Path) -> str | None:
    """An interpreter with LitServe and this environment's packages; None if LitServe cannot be installed."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "litserve>=0.2"]
        if subprocess.run(pip).returncode:
            return None
        (site,) = folder.glob("lib/python*/site-packages")
        (ours,) = (path for path in sys.path if path.endswith("site-packages"))
        (site / "ours.pth").write_text(f"{ours}\n", encoding="utf-8")
        (folder / "installed").touch()
    return str(python)


def table(figures: Sequence[Figures]) -> str:
    """A Markdown table with ratios to FastAPI and to the same variant in process."""
    by_name = {entry.contender: entry for entry in figures}
    fastapi = by_name.get("FastAPI + pipeline (dense-torch)")
    lines = [
        "| contender | p50 ms | p99 ms | max. answers/s | max. requests/s within the bound | vs. FastAPI (dense-torch)"
        " | p50 added | of the limit | generator CPU | of the limit without it | p99/p50 at 70% |",
        "|---|" + "--:|" * 10,
    ]
    for entry in figures:
        limit = by_name.get(entry.contender.replace("Kidogo", "in process")) if "Kidogo" in entry.contender else None
        added = share = left = ratio = ""
        if limit:
            added = f"{entry.p50 - limit.p50:+.2f}"
            share = f"{entry.most_answers / limit.most_answers:.0%}"
            left = f"{entry.most_answers / (limit.most_answers * (1 - entry.generator_cpu_share)):.0%}"
        if fastapi and fastapi.inside_bound and entry.inside_bound is not None:
            ratio = f"{entry.inside_bound / fastapi.inside_bound:.1f}x"
        values = [
            f"{entry.p50:.1f}",
            f"{entry.p99:.1f}" if entry.p99 is not None else "-",
            f"{entry.most_answers:.1f}",
            f"{entry.inside_bound:.1f}" if entry.inside_bound is not None else "",
            ratio,
            added,
            share,
            f"{entry.generator_cpu_share:.0%}" if entry.inside_bound is not None else "",
            left,
            f"{entry.steady_ratio:.1f}" if entry.steady_ratio else "",
        ]
        lines.append(f"| {entry.contender} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("/tmp/kidogo-peers"))
    parser.add_argument("--shape", choices=SHAPES, default="base", help="dimensions; use a smaller one for a trial run")
    parser.add_argument("--texts", type=Path, help="as in the load tests; default: the bundled sample's test split")
    parser.add_argument("--bound", type=float, default=250.0, help="maximum p99 in milliseconds")
    parser.add_argument("--seconds", type=float, default=10.0, help="duration of one load level")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few load levels")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--without", default="", help="contenders to skip: fastapi, litserve")
    arguments = parser.parse_args()
    work: Path = arguments.work / arguments.shape
    variants = [name for name in KNOWN_VARIANTS if name in arguments.variants.split(",")]
    # The other contenders serve the checkpoint of dense-torch.
    artifacts = make_artifacts(work, arguments.shape, [*variants, "dense-torch"])
    texts = arguments.texts or artifacts / "data"
    options = ["--texts", str(texts), "--bound", f"{arguments.bound:g}", "--seconds", f"{arguments.seconds:g}"]
    options += ["--repetitions", str(arguments.repetitions), *(["--quick"] if arguments.quick else [])]
    drawn = draw(texts, 200, SEED, with_long=False).texts
    figures: list[Figures] = []
    peers = {
        "fastapi": ("FastAPI + pipeline (dense-torch)", lambda: sys.executable, "fastapi_pipeline.py"),
        "litserve": (
            "LitServe + pipeline (dense-torch)",
            lambda: litserve_python(work / "litserve"),
            "litserve_pipeline.py",
        ),
    }
    for key, (contender, find_python, script) in peers.items():
        if key in arguments.without.split(","):
            continue
        python = find_python()
        if python is None:
            print(f"{contender}: installation failed, skipped")
            continue
        port = free_port()
        command = [python, f"scripts/measure/contenders/{script}", str(artifacts / "dense-torch"), str(port)]
        with server(command, port, work / f"{key}.log"):
            figures.append(measure_served(contender, "pipeline", port, work / key, options))
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--port", str(port)]
    with server(command, port, work / "kidogo.log", NER_ARTIFACTS=str(artifacts), NER_VARIANTS=",".join(variants)):
        for variant in variants:
            before = measure_in_process(artifacts, variant, drawn, arguments.seconds)
            served = measure_served(f"Kidogo: {variant}", variant, port, work / variant, options)
            after = measure_in_process(artifacts, variant, drawn, arguments.seconds)
            figures += [mean_of(before, after), served]
    print(table(figures))
    print(json.dumps([asdict(entry) for entry in figures]))


if __name__ == "__main__":
    main()
