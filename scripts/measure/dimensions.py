"""Builds from a stand-in of a named model's dimensions; reports seconds and peak memory of each step.

    .venv/bin/python scripts/measure/dimensions.py xlm-roberta-base
    .venv/bin/python scripts/measure/dimensions.py afro-xlmr-large --variants dense,dynamic,int8
    .venv/bin/python scripts/measure/dimensions.py afriberta-large --data MASAKHANER --languages hau --epochs 1 --push

The stand-in has random weights, and the layout of the files on the hub. With --data it is a base that is fine-tuned,
without it a token classifier that is compressed. With --push, every variant is then pushed to the small hub of the
tests, on the loopback address; with --built, nothing is built, and what --folder holds is pushed. Memory is the
resident memory of all processes of the build. The last line is one JSON record, also if a push is refused.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from standins import DIMENSIONS, write_standin

from tests.hub.server import TOKEN
from tests.hub.server import serving as hub

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^ *([\d.]+) s  (.*)")
EVERY = 0.25


class Meter:
    """The memory of a process and its children, and its highest since it was last asked for."""

    def __init__(self, pid: int):
        self._process = psutil.Process(pid)
        self._highest = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            used = 0
            with suppress(psutil.Error):
                for process in (self._process, *self._process.children(recursive=True)):
                    used += process.memory_info().rss
            self._highest = max(self._highest, used)

    def take(self) -> int:
        highest, self._highest = self._highest, 0
        return highest

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()


FINE_TUNE = """
import sys
from dataclasses import replace
from pathlib import Path
from build_models.build import build, show
from build_models.settings import BuildSettings, DistillationSettings, FinetuneSettings
out, base, data, languages, epochs, variants = sys.argv[1:]
settings = BuildSettings(
    out=Path(out), base=base, data=data, languages=tuple(languages.split(",")) if languages else None, must_learn=False,
    finetune=replace(FinetuneSettings.defaults(True, True), epochs=int(epochs)),
    distillation=DistillationSettings.defaults(False, 0),
)
show(build(settings, variants.split(",")))
"""
"""The command's settings, but that a random encoder may find nothing after an epoch."""


def measure(command: list[str], **environment: str) -> tuple[list[dict[str, object]], int]:
    """Run a command of the build; each line that it says begins a step."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    meter = Meter(process.pid)
    steps: list[dict[str, object]] = []
    name, began = "start", started
    assert process.stderr is not None
    with meter.running():
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            if found := LINE.match(line):
                now = time.monotonic()
                steps.append({"step": name, "seconds": round(now - began, 1), "peak_bytes": meter.take()})
                name, began = found[2], now
        status = process.wait()
        steps.append({"step": name, "seconds": round(time.monotonic() - began, 1), "peak_bytes": meter.take()})
    return steps, status


def build(options: argparse.Namespace, standin: Path, out: Path) -> tuple[list[dict[str, object]], int]:
    """Write the stand-in and build from it; returns the steps and the exit status."""
    shutil.rmtree(standin, ignore_errors=True)
    classifier = options.data is None
    # In a separate process, which frees its memory.
    with ProcessPoolExecutor(1) as pool:
        pool.submit(write_standin, standin, DIMENSIONS[options.dimensions], classifier, classifier).result()
    if classifier:
        command = [sys.executable, "-m", "build_models", "--out", str(out), "--variants", options.variants]
        command += ["--model", str(standin)]
    else:
        settings = [str(out), str(standin), options.data, options.languages or "", options.epochs]
        command = [sys.executable, "-c", FINE_TUNE, *settings, options.variants]
    return measure(command, HF_HUB_OFFLINE="1")


def push(out: Path, variants: Sequence[str]) -> tuple[list[dict[str, object]], int]:
    """Push each variant to a separate hub and stop at the first refusal; returns the steps and the exit status."""
    steps: list[dict[str, object]] = []
    for variant in variants:
        command = [sys.executable, "-m", "build_models", "push", "--out", str(out), "--variant", variant]
        with hub() as server, tempfile.TemporaryDirectory() as home:
            made, status = measure(
                [*command, "--repo", "me/name"], HF_ENDPOINT=server.url, HF_TOKEN=TOKEN, HF_HOME=home
            )
        seconds = sum(float(str(step["seconds"])) for step in made)
        peak = max(int(str(step["peak_bytes"])) for step in made)
        name = f"push {variant}, refused" if status else f"push {variant}"
        steps.append({"step": name, "seconds": round(seconds, 1), "peak_bytes": peak})
        if status:
            return steps, status
    return steps, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dimensions", choices=list(DIMENSIONS))
    parser.add_argument("--data", help="labelled data to fine-tune on, as the build takes it")
    parser.add_argument("--languages")
    parser.add_argument("--epochs", default="1")
    parser.add_argument("--variants", default="dense,pruned,distilled,int8,dynamic,distilled-dynamic")
    parser.add_argument("--folder", type=Path, help="where the work is done and kept; default: a temporary folder")
    parser.add_argument("--push", action="store_true")
    parser.add_argument("--built", action="store_true")
    options = parser.parse_args()
    if options.built and not (options.push and options.folder):
        parser.error("--built pushes what is in a folder: add --push and --folder")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        standin, out = folder / "standin" / options.dimensions, folder / f"{options.dimensions}-artifacts"
        steps: list[dict[str, object]] = []
        status = 0
        started = time.monotonic()
        if not options.built:
            steps, status = build(options, standin, out)
        seconds = time.monotonic() - started
        if options.push and not status:
            pushed, status = push(out, options.variants.split(","))
            steps += pushed
        for step in steps:
            print(f"{step['seconds']:>8} s {int(str(step['peak_bytes'])) / 2**30:6.2f} GiB  {step['step']}")
        peak = max(int(str(step["peak_bytes"])) for step in steps)
        sizes = {path.parent.name: manifest_bytes(path) for path in sorted(out.glob("*/manifest.json"))}
        print(json.dumps({"dimensions": options.dimensions, "variants": options.variants, "data": options.data,
                          "seconds": round(seconds, 1), "peak_gib": round(peak / 2**30, 2), "bytes": sizes,
                          "steps": steps}))  # fmt: skip
        if status:
            raise SystemExit(status)


def manifest_bytes(path: Path) -> int:
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    return sum(int(file["bytes"]) for file in files.values())


if __name__ == "__main__":
    main()
