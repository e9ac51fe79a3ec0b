"""Measures ``kidogo annotate`` against two runtimes in process, and the memory that it takes.

    .venv/bin/python scripts/measure/annotate.py [--artifacts artifacts] [--variant dynamic] [--documents 10000]

Each round times both, from the start to the last answer or the written file, without imports:

- the runtimes: a process for each CPU loads the variant and reads its share of the texts, which it has in memory;
- ``annotate``: from JSON lines on disk to JSON lines on disk. What the slowest worker took to be started and import is
  subtracted.

The texts are sentences of the bundled sample. Memory is the largest sum of the proportional set sizes of all processes
of a run of the command line. The last line is one JSON record.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from servers import memory_of

from build_models.data.sample.generate import generate_sample
from service.annotation.documents import Limits
from service.annotation.inputs.records import Reading
from service.annotation.plan import Plan
from service.annotation.run import annotate
from service.artifacts.opening import open_variant
from service.ner.pipeline import run_to_end
from service.ner.timing import Timer
from service.schemas.ner import Wish
from service.settings import available_cpus
from service.variants import KNOWN_VARIANTS


def read_in_process(artifacts: Path, variant: str, texts: list[str], ready: Any, go: Any, seconds: Any) -> None:
    """One of the runtimes: says when it has imported, waits for the others, and puts its seconds into the queue."""
    ready.put(True)
    go.wait()
    started = time.perf_counter()
    pipeline = open_variant(artifacts, KNOWN_VARIANTS[variant], 1)
    for text in texts:
        run_to_end(pipeline.read_text(text, Timer()))
    seconds.put(time.perf_counter() - started)


def seconds_of_runtimes(artifacts: Path, variant: str, texts: list[str], processes: int) -> float:
    context = multiprocessing.get_context("spawn")
    ready, go, seconds = context.Queue(), context.Event(), context.Queue()
    shares = [texts[number::processes] for number in range(processes)]
    running = [
        context.Process(target=read_in_process, args=(artifacts, variant, share, ready, go, seconds))
        for share in shares
    ]
    for process in running:
        process.start()
    for _ in running:
        ready.get()
    go.set()
    slowest = max(seconds.get() for _ in running)
    for process in running:
        process.join()
    return float(slowest)


def seconds_of_annotate(plan: Plan) -> float:
    summary = annotate(plan)
    assert not summary.failed
    return summary.seconds - summary.import_seconds


def most_megabytes(arguments: list[str]) -> float:
    """The largest sum of the proportional set sizes of the command and its workers."""
    process = subprocess.Popen([sys.executable, "-m", "service", "annotate", *arguments])
    most = 0
    while process.poll() is None:
        try:
            _, proportional = memory_of(process.pid)
        except psutil.Error:
            continue
        most = max(most, proportional)
        time.sleep(0.05)
    assert process.returncode == 0
    return most / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variant", default="dynamic")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sample = generate_sample(None, 42, 1000).train
    texts = [" ".join(sample[number % len(sample)].words) for number in range(options.documents)]
    cpus = available_cpus()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), encoding="utf-8")
        plan = Plan(
            inputs=(path,),
            out=Path(folder) / "out",
            artifacts=options.artifacts,
            variant=options.variant,
            wish=Wish(),
            variants=(options.variant,),
            form="jsonl",
            reading=Reading(),
            limits=Limits(),
            workers=cpus,
            overwrite=True,
            quiet=True,
        )
        runtimes, command = [], []
        for _ in range(options.rounds):
            runtimes.append(seconds_of_runtimes(options.artifacts, options.variant, texts, cpus))
            command.append(seconds_of_annotate(plan))
        shared = ["--variant", options.variant, "--artifacts", str(options.artifacts), "--overwrite", "--quiet"]
        megabytes = most_megabytes([str(path), *shared, "--out", str(plan.out)])
    record = {
        "variant": options.variant,
        "documents": len(texts),
        "characters per document": round(statistics.mean(map(len, texts))),
        "processes": cpus,
        "rounds": options.rounds,
        "runtimes s": round(statistics.median(runtimes), 3),
        "annotate s": round(statistics.median(command), 3),
        "documents/s": round(len(texts) / statistics.median(command)),
        "of the runtimes": round(
            statistics.median(ours and theirs / ours for theirs, ours in zip(runtimes, command, strict=True)), 3
        ),
        "MB": round(megabytes),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
