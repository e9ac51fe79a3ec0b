"""Measures the latency that serving adds to the pipeline, with one request in flight.

    .venv/bin/python scripts/measure/overhead.py [--artifacts artifacts] [--variant dynamic] [--texts 300]

Each text of the build's test split is processed by the service and by the same pipeline in process, alternately and
with the same number of threads. The last line is one JSON record.
"""

import argparse
import contextlib
import json
import os
import random
import re
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from servers import free_port, server

from build_models.artifacts.scores import open_artifact
from build_models.data.folders import read_sentences
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def request_of(text: str, variant: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    head = f"POST /ner?variant={variant} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask(connection: socket.socket, request: bytes) -> bytes:
    """Send a request and return the body of the response."""
    connection.sendall(request)
    answer, end, length = b"", -1, 0
    while end < 0 or len(answer) < end + length:
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionError(f"the server closed the connection after {answer[:200]!r}")
        answer += part
        if end < 0 and (end := answer.find(b"\r\n\r\n") + 4) > 3:
            found = re.search(rb"(?im)^content-length: *(\d+)", answer[:end])
            assert found, answer[:end]
            length = int(found[1])
        elif end == 3:
            end = -1
    return answer[end:]


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def milliseconds_of(connection: socket.socket, text: str, variant: str) -> float:
    """The time of one request, without the client's encoding and decoding."""
    request = request_of(text, variant)
    started = time.perf_counter()
    answer = ask(connection, request)
    milliseconds = 1000 * (time.perf_counter() - started)
    assert json.loads(answer)["variant"] == variant, answer[:200]
    return milliseconds


def measure(port: int, pipeline: Pipeline, variant: str, texts: list[str]) -> dict[str, list[float]]:
    """Milliseconds per text, served and in process, without the client's encoding and decoding."""
    times: dict[str, list[float]] = {"served": [], "in process": []}
    with connected(port) as connection:
        for text in texts:
            times["served"].append(milliseconds_of(connection, text, variant))
            started = time.perf_counter()
            run_to_end(pipeline.read_text(text, Timer()))
            times["in process"].append(1000 * (time.perf_counter() - started))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variant", default="dynamic")
    parser.add_argument("--texts", type=int, default=300)
    arguments = parser.parse_args()
    threads = available_cpus()
    manifest, pipeline = open_artifact(arguments.artifacts / arguments.variant, threads)
    sentences = [
        " ".join(sentence.words)
        for path in sorted((arguments.artifacts / "data").glob("*.conll"))
        for sentence in read_sentences(path, path.stem)
    ]
    texts = random.Random(0).choices(sentences, k=arguments.texts + 50)
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--port", str(port)]
    with server(command, port, Path(os.devnull), NER_ARTIFACTS=str(arguments.artifacts.resolve())):
        measure(port, pipeline, arguments.variant, texts[:50])
        rounds = [measure(port, pipeline, arguments.variant, texts[50:]) for _ in range(3)]
    differences = []
    for number, times in enumerate(rounds, 1):
        median = {name: statistics.median(values) for name, values in times.items()}
        differences.append(median["served"] - median["in process"])
        print(
            f"round {number}: served p50 {median['served']:.2f} ms (p99 {percentile(times['served'], 0.99):.2f}),"
            f" in process p50 {median['in process']:.2f} ms, added {differences[-1]:.2f} ms"
        )
    record = {
        "variant": arguments.variant,
        "digest": manifest.digest,
        "texts": arguments.texts,
        "rounds": len(rounds),
        "threads": threads,
        "added_ms_p50": [round(value, 3) for value in differences],
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
