"""Measures the variants on this machine and adds a row to docs/hardware.md, the table of machines.

    .venv/bin/python scripts/measure/machine.py [--artifacts artifacts] [--variants dense,dynamic]
        [--note "Raspberry Pi 5"]

Each variant reads sentences of the build's test split in process, without a server: one at a time on one thread, and as
many at once as there are CPUs, each with a session of one thread. Three rounds; the median counts. With --dry-run, the
row is only printed. The last line is one JSON record.
"""

import argparse
import datetime
import json
import platform
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from build_models.artifacts.scores import open_artifact
from loadtests.load.machine import machine
from service.artifacts.manifest import read_manifest
from service.evaluation.labelled import read_test_split
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus

TABLE = Path(__file__).parents[2] / "docs" / "hardware.md"
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm", "sve")
"""Instruction sets of /proc/cpuinfo that matter for matrix products."""

SENTENCES = 300
ROUNDS = 3


def milliseconds(pipeline: Pipeline, texts: Sequence[str]) -> float:
    """Median of one text."""
    times = []
    for text in texts:
        started = time.perf_counter()
        run_to_end(pipeline.read_text(text, Timer()))
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def per_second(pipelines: Sequence[Pipeline], texts: Sequence[str]) -> float:
    """Texts per second, each pipeline in its own thread."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(pipelines)) as pool:
        list(pool.map(lambda pipeline: milliseconds(pipeline, texts), pipelines))
    return len(pipelines) * len(texts) / (time.perf_counter() - started)


def measure(folder: Path, texts: Sequence[str]) -> dict[str, float]:
    pipelines = [open_artifact(folder, 1)[1] for _ in range(available_cpus())]
    milliseconds(pipelines[0], texts)
    return {
        "ms": round(statistics.median(milliseconds(pipelines[0], texts) for _ in range(ROUNDS)), 3),
        "per_second": round(statistics.median(per_second(pipelines, texts) for _ in range(ROUNDS)), 1),
    }


def features() -> str:
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    return ", ".join(name for name in FEATURES if name in flags) or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variants", default="dense,dynamic")
    parser.add_argument("--note", default="", help="what kind of machine this is")
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    sentences = read_test_split(arguments.artifacts, "test").sentences
    texts = [" ".join(sentence.words) for sentence in sentences[:: max(1, len(sentences) // SENTENCES)][:SENTENCES]]
    names = arguments.variants.split(",")
    digests = {name: read_manifest(arguments.artifacts / name).digest for name in names}
    results = {name: measure(arguments.artifacts / name, texts) for name in names}
    here = machine()
    record = {
        "date": datetime.date.today().isoformat(),
        "cpu": here["cpu"],
        "features": features(),
        "cpus": available_cpus(),
        "memory": here["memory"],
        "architecture": platform.machine(),
        "versions": f"Python {platform.python_version()}, ONNX Runtime {version('onnxruntime')}",
        "note": arguments.note,
        "digests": {name: digest[:12] for name, digest in digests.items()},
        "results": results,
    }
    figures = "; ".join(
        f"`{name}` {result['ms']:.2f} ms, {result['per_second']:,.0f}/s" for name, result in results.items()
    )
    columns = ("date", "cpu", "architecture", "features", "cpus", "memory", "versions", "note")
    row = f"| {' | '.join(str(record[column]).replace('|', '/') for column in columns)} | {figures} |\n"
    print(row)
    if not arguments.dry_run:
        with TABLE.open("a", encoding="utf-8") as table:
            table.write(row)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
