"""What a check of accuracy costs requests beside it, and itself; the last line is one JSON record.

    .venv/bin/bentoml serve service:NerService &
    .venv/bin/python scripts/measure_check.py [--url http://127.0.0.1:3000] [--variant dense] [--seconds 15]

One client asks /ner without a pause, at first alone, then while checks of the whole test split follow each other. The
check's own overhead is its seconds on 200 sentences over those that it spent in the models.
"""

import argparse
import json
import threading
import time

import httpx
import numpy as np

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--variant", default="dense")
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    with httpx.Client(base_url=arguments.url, timeout=600) as client:
        overheads = []
        for _ in range(5):
            answer = client.post("/accuracy", params={"variant": arguments.variant, "limit": 200}).json()
            overheads.append(answer["seconds"] / answer["inference_seconds"])
        latencies_ms(client, arguments.variant, 2)
        alone = latencies_ms(client, arguments.variant, arguments.seconds)
        ended = threading.Event()

        def keep_checking() -> None:
            with httpx.Client(base_url=arguments.url, timeout=600) as checker:
                while not ended.is_set():
                    checker.post("/accuracy", params={"variant": arguments.variant}).raise_for_status()

        checking = threading.Thread(target=keep_checking)
        checking.start()
        time.sleep(0.5)
        beside = latencies_ms(client, arguments.variant, arguments.seconds)
        ended.set()
        checking.join()
    record = {
        "variant": arguments.variant,
        "alone": percentiles(alone),
        "beside a check": percentiles(beside),
        "p99 ratio": round(percentiles(beside)["p99_ms"] / percentiles(alone)["p99_ms"], 2),
        "check of 200 sentences over the time in the models": round(min(overheads), 2),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
