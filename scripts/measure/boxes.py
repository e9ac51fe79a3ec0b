"""Measures each variant on small machines: one or two CPUs and little memory, as control groups limit them.

    sudo .venv/bin/python scripts/measure/boxes.py [--artifacts artifacts] [--variants dense,dynamic] [--memory 256,512]
        [--cpus 1,2] [--python PYTHON] [--texts 300] [--sentences FILE] [--single-process]

For each box and variant, ``bentoml serve`` starts with this variant alone, or with --single-process
``kidogo serve --single-process``. It is ready or was killed for its memory. One client measures the median latency of
sentences of the build's test split, and as many clients as CPUs the throughput. Resident memory, and proportional
memory in which a page shared by n processes counts 1/n, are those of all processes of the server after the load; a
memory limit of 0 is none. Clients run outside the box, on the same machine.
``--python`` names the interpreter of another environment to serve with, such as one without the dependencies of the
build. Linux with control groups (version 1 or 2) and root are needed. The last line is one JSON record.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from overhead import connected, milliseconds_of
from servers import free_port, memory_of, server

from loadtests.load.texts import draw
from service.variants import VARIANTS

GROUPS = Path("/sys/fs/cgroup")
TARGET = "service:NerService"
SECONDS = 5


class Box:
    """A control group with a memory limit in MB; without one if it is 0."""

    def __init__(self, megabytes: int):
        unified = (GROUPS / "cgroup.controllers").exists()
        self.folder = (GROUPS if unified else GROUPS / "memory") / f"kidogo-{os.getpid()}"
        self._kills = self.folder / ("memory.events" if unified else "memory.oom_control")
        self.folder.mkdir()
        if megabytes:
            limit = self.folder / ("memory.max" if unified else "memory.limit_in_bytes")
            limit.write_text(str(megabytes << 20))
        swap = self.folder / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    def killed(self) -> bool:
        """Whether a process was killed because the memory was full."""
        counts = dict(line.split() for line in self._kills.read_text().splitlines())
        return int(counts["oom_kill"]) > 0

    def command(self, command: Sequence[str], cpus: int) -> list[str]:
        """The command, run inside the box on this many CPUs."""
        allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cpus]))
        inside = f'echo $$ > {self.folder}/cgroup.procs && exec taskset -c {allowed} "$@"'
        return ["sh", "-c", inside, "sh", *command]

    def remove(self) -> None:
        """Also kills what is left inside: BentoML's worker outlives a supervisor that was killed for its memory."""
        for _ in range(50):
            for process in (self.folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.1)


@contextlib.contextmanager
def box(megabytes: int) -> Iterator[Box]:
    made = Box(megabytes)
    try:
        yield made
    finally:
        made.remove()


def latencies(port: int, variant: str, texts: Sequence[str], seconds: float) -> list[float]:
    """Milliseconds of one request after the other, for at most ``seconds``."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    with connected(port) as connection:
        for text in texts:
            times.append(milliseconds_of(connection, text, variant))
            if time.perf_counter() > end:
                break
    return times


def measure(
    arguments: argparse.Namespace, variant: str, megabytes: int, cpus: int, texts: list[str]
) -> dict[str, object]:
    row: dict[str, object] = {"variant": variant, "memory_mb": megabytes, "cpus": cpus}
    port = free_port()
    kind = ["service", "serve", "--single-process"] if arguments.single_process else ["bentoml", "serve", TARGET]
    command = [arguments.python, "-m", *kind, "--port", str(port)]
    with box(megabytes) as limits, tempfile.TemporaryDirectory() as folder:
        environment = {"NER_ARTIFACTS": str(arguments.artifacts.resolve()), "NER_VARIANTS": variant}
        started = time.perf_counter()
        try:
            inside = limits.command(command, cpus)
            with server(inside, port, Path(folder) / "log", limits.killed, **environment) as process:
                row["ready_seconds"] = round(time.perf_counter() - started, 1)
                latencies(port, variant, texts[:50], SECONDS)
                row["p50_ms"] = round(statistics.median(latencies(port, variant, texts, 2 * SECONDS)), 2)
                with concurrent.futures.ThreadPoolExecutor(cpus) as clients:
                    started = time.perf_counter()
                    done = clients.map(lambda _: latencies(port, variant, texts * 100, SECONDS), range(cpus))
                    answered = sum(map(len, done))
                    row["requests_per_second"] = round(answered / (time.perf_counter() - started), 1)
                row["rss_mb"], row["pss_mb"] = (round(size / 1e6) for size in memory_of(process))
        except (SystemExit, OSError):
            row["failed"] = "out of memory" if limits.killed() else "did not start or stopped"
    return row


def table(rows: Sequence[dict[str, object]]) -> str:
    lines = [
        "| CPUs | memory limit, MB | variant | ready, s | p50, ms | requests/s | resident, MB | proportional, MB |",
        "|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        figures = [row.get(name, "") for name in ("p50_ms", "requests_per_second", "rss_mb", "pss_mb")]
        ready = row.get("failed") or row["ready_seconds"]
        cells = [row["cpus"], row["memory_mb"] or "none", f"`{row['variant']}`", ready, *figures]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--memory", default="256,512,1024", help="limits in MB; 0 for none")
    parser.add_argument("--cpus", default="1,2")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--sentences", type=Path, help="as the load tests' --texts; default: the build's test split")
    parser.add_argument("--single-process", action="store_true")
    arguments = parser.parse_args()
    source = arguments.sentences or arguments.artifacts / "data"
    texts = list(draw(source, arguments.texts, 0, with_long=False).texts)
    rows = []
    for cpus in map(int, arguments.cpus.split(",")):
        for megabytes in map(int, arguments.memory.split(",")):
            for variant in arguments.variants.split(","):
                rows.append(measure(arguments, variant, megabytes, cpus, texts))
                print(json.dumps(rows[-1]), file=sys.stderr)
    print(table(rows))
    print(json.dumps({"boxes": rows}))


if __name__ == "__main__":
    main()
