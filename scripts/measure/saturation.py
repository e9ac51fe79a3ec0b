"""Measures the throughput of the service relative to its runtime in process, with more clients than CPUs.

    .venv/bin/python scripts/measure/saturation.py [--artifacts artifacts] [--variant dynamic] [--texts FOLDER]
        [--rounds 4] [--seconds 3]

In each round, the runtime processes texts in process with one single-threaded session per CPU. Then the service is
called by 2, 4 and 8 clients with one request in flight each, and the highest throughput counts. The clients are threads
of this process and their CPU share is subtracted. They do little work, because a heavier load generator would also
compete for the caches. The last line is one JSON record.
"""

import argparse
import concurrent.futures
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from overhead import ask, connected, request_of
from servers import free_port, server

from build_models.artifacts.scores import open_artifact
from loadtests.load.texts import draw
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus

CALLERS = (2, 4, 8)
TEXTS = 200


def in_process(sessions: Sequence[Pipeline], texts: Sequence[str], seconds: float, seed: str) -> float:
    """Texts per second, with each session in its own thread."""

    def read(session: Pipeline, number: int) -> int:
        chance, count, end = random.Random(f"{seed}/{number}"), 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            run_to_end(session.read_text(chance.choice(texts), Timer()))
            count += 1
        return count

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(sessions)) as threads:
        count = sum(threads.map(read, sessions, range(len(sessions))))
    return count / (time.perf_counter() - began)


def served(
    port: int, variant: str, texts: Sequence[str], callers: int, seconds: float, seed: str
) -> tuple[float, float]:
    """Answers per second, and the clients' share of all CPUs."""

    def call(number: int) -> int:
        chance, count, end = random.Random(f"{seed}/{number}"), 0, time.perf_counter() + seconds
        with connected(port) as connection:
            while time.perf_counter() < end:
                answer = ask(connection, request_of(chance.choice(texts), variant))
                assert answer.startswith(b'{"variant"'), answer[:200]
                count += 1
        return count

    began, busy = time.perf_counter(), time.process_time()
    with concurrent.futures.ThreadPoolExecutor(callers) as threads:
        count = sum(threads.map(call, range(callers)))
    elapsed = time.perf_counter() - began
    return count / elapsed, (time.process_time() - busy) / elapsed / available_cpus()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variant", default="dynamic")
    parser.add_argument("--texts", type=Path, help="as in the load tests; default: the build's test split")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    texts = draw(arguments.texts or arguments.artifacts / "data", TEXTS, 1, with_long=False).texts
    sessions = [open_artifact(arguments.artifacts / arguments.variant, 1)[1] for _ in range(available_cpus())]
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--port", str(port)]
    artifacts = str(arguments.artifacts.resolve())
    shares = []
    with server(command, port, Path(os.devnull), NER_ARTIFACTS=artifacts, NER_VARIANTS=arguments.variant):
        served(port, arguments.variant, texts, len(sessions), 2.0, "warm-up")
        for number in range(arguments.rounds):
            most = in_process(sessions, texts, arguments.seconds, f"{number}")
            answers, callers_share = max(
                served(port, arguments.variant, texts, callers, arguments.seconds, f"{number}/{callers}")
                for callers in CALLERS
            )
            shares.append(answers / (most * (1 - callers_share)))
            print(
                f"round {number + 1}: in process {most:.1f} texts/s, served {answers:.1f},"
                f" clients used {callers_share:.1%} of the CPUs, {shares[-1]:.1%} of the limit",
                flush=True,
            )
    record = {
        "variant": arguments.variant,
        "rounds": arguments.rounds,
        "shares": [round(share, 4) for share in shares],
        "median": round(statistics.median(shares), 4),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
