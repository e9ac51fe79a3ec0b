"""Measures the cost of an accuracy check: its own time, and the latency of /ner requests meanwhile.

    .venv/bin/python scripts/measure/check.py [--artifacts artifacts] [--variant dense] [--rounds 15] [--seconds 15]

For the same 200 sentences, each round times ``POST /accuracy`` as seen by the client, the pipeline in this process
(tokenization, inference and decoding), and the bare model calls on prepared inputs. All three run both the variant and
the reference that it is compared with. Ratios are between medians over the rounds. The first check, for which the
server reads and tokenizes its test split, is reported separately.

Then one client sends /ner requests without pauses, first alone, then while checks of the whole test split run one after
another. The last line is one JSON record.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import numpy as np
from servers import free_port, server

from build_models.artifacts.scores import open_artifact
from service.evaluation.labelled import read_test_split
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus
from service.variants import DEFAULT_VARIANT

SENTENCES = 200
TEXT = "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu."


def latencies_ms(client: httpx.Client, variant: str, seconds: float) -> list[float]:
    found = []
    deadline = time.perf_counter() + seconds
    while (started := time.perf_counter()) < deadline:
        client.post("/ner", params={"variant": variant}, json={"text": TEXT}).raise_for_status()
        found.append(1000 * (time.perf_counter() - started))
    return found


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "requests": len(milliseconds)}


def beside_checks(client: httpx.Client, variant: str, seconds: float) -> tuple[list[float], list[float]]:
    """Latencies of /ner in milliseconds, alone and during checks of the whole test split."""
    latencies_ms(client, variant, 2)
    alone = latencies_ms(client, variant, seconds)
    ended = threading.Event()

    def keep_checking() -> None:
        with httpx.Client(base_url=client.base_url, timeout=600) as checker:
            while not ended.is_set():
                checker.post("/accuracy", params={"variant": variant}).raise_for_status()

    checking = threading.Thread(target=keep_checking)
    checking.start()
    time.sleep(0.5)
    beside = latencies_ms(client, variant, seconds)
    ended.set()
    checking.join()
    return alone, beside


def contestants(
    port: int, variant: str, pipelines: Sequence[Pipeline], sentences: Sequence[Sequence[str]]
) -> dict[str, Callable[[], None]]:
    """The functions to time, by name."""
    windows = [
        (pipeline, window.input_ids)
        for pipeline in pipelines
        for words in sentences
        for _, window in pipeline.encoder.windows(pipeline.encoder.encode_all(words))
    ]

    def check() -> None:
        # httpx would add a millisecond. A new connection each time, because the server closes idle ones.
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", f"/accuracy?variant={variant}&limit={SENTENCES}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(body.decode())

    def pipeline() -> None:
        for pipeline in pipelines:
            for words in sentences:
                run_to_end(pipeline.read_words(words, Timer()))

    def model() -> None:
        for pipeline, input_ids in windows:
            pipeline.runtime.logits(input_ids)

    return {"check": check, "pipeline": pipeline, "model": model}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variant", default=DEFAULT_VARIANT)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    threads = available_cpus()
    names = dict.fromkeys((arguments.variant, DEFAULT_VARIANT))
    opened = [open_artifact(arguments.artifacts / name, threads) for name in names]
    data = read_test_split(arguments.artifacts, "sample").select(None, SENTENCES)
    sentences = [sentence.words for sentence in data.sentences]
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--port", str(port)]
    with (
        server(command, port, Path(os.devnull), NER_ARTIFACTS=str(arguments.artifacts.resolve())),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client,
    ):
        timed = contestants(port, arguments.variant, [pipeline for _, pipeline in opened], sentences)
        seconds: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(1 + arguments.rounds):
            for name, run in timed.items():
                started = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - started)
        alone, beside = beside_checks(client, arguments.variant, arguments.seconds)
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    record = {
        "variant": arguments.variant,
        "read by": list(names),
        "threads": threads,
        "sentences": len(sentences),
        "rounds": arguments.rounds,
        "median ms": {name: round(1000 * value, 1) for name, value in median.items()},
        "first check ms": round(1000 * seconds["check"][0], 1),
        "check over the pipeline": round(median["check"] / median["pipeline"], 2),
        "check over the model": round(median["check"] / median["model"], 2),
        "alone": percentiles(alone),
        "beside a check": percentiles(beside),
        "p99 ratio": round(percentiles(beside)["p99_ms"] / percentiles(alone)["p99_ms"], 2),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
