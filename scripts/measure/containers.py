"""Measures the time of images from ``docker run`` to ready, and checks that they run confined.

    .venv/bin/python scripts/measure/containers.py kidogo:slim kidogo:full [--runs 3]

Each run starts a new container without root and capabilities, with a read-only root file system and ``--cpus`` CPUs. It
is ready when /readyz, polled every 50 ms, first returns 200. The last run of each image also waits for Docker's health
check and sends a request to every variant. The last line is one JSON record.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import time
from typing import Any

from servers import answers, free_port

CONFINED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
GIVE_UP_SECONDS = 120


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def wait(holds: Any, what: str) -> float:
    started = time.perf_counter()
    while not holds():
        if time.perf_counter() - started > GIVE_UP_SECONDS:
            raise SystemExit(f"{what} took more than {GIVE_UP_SECONDS} s")
        time.sleep(0.05)
    return time.perf_counter() - started


def start(image: str, cpus: str) -> tuple[str, int, float]:
    port = free_port()
    started = time.perf_counter()
    container = docker("run", "--detach", *CONFINED, "--cpus", cpus, "--publish", f"127.0.0.1:{port}:3000", image)
    try:
        wait(lambda: answers(port), f"{image} to be ready")
    except BaseException:
        docker("rm", "--force", container)
        raise
    return container, port, time.perf_counter() - started


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def inspect(container: str, port: int) -> dict[str, Any]:
    healthy = wait(
        lambda: docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy", "the health check"
    )
    _, variants = ask(port, "GET", "/variants")
    texts = {"texts": ["Rais William Ruto alikutana na wajumbe mjini Nairobi."]}
    return {
        "user": docker("exec", container, "id", "-u"),
        "writes_outside_tmp": [
            folder
            for folder in ("/", "/app", "/app/artifacts", "/opt/kidogo", "/var", "/etc")
            if subprocess.run(
                ["docker", "exec", container, "sh", "-c", f"touch {folder}/written"], capture_output=True
            ).returncode
            == 0
        ],
        "compilers": docker(
            "exec", container, "sh", "-c", "for name in gcc cc g++ ld; do command -v $name; done; true"
        ).split(),
        "healthy_seconds_after_ready": round(healthy, 1),
        "variants": {
            one["name"]: ask(port, "POST", f"/ner?variant={one['name']}", texts)[0]
            if one["status"] == "ready"
            else one["reason"]
            for one in variants
        },
        "memory": docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cpus", default="2")
    arguments = parser.parse_args()
    record: dict[str, Any] = {}
    for image in arguments.images:
        seconds = []
        for run in range(arguments.runs):
            container, port, took = start(image, arguments.cpus)
            try:
                seconds.append(took)
                print(f"{image}: run {run + 1} ready after {took:.1f} s", flush=True)
                if run == arguments.runs - 1:
                    facts = inspect(container, port)
            finally:
                docker("rm", "--force", container)
        megabytes = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        print(f"{image}: {megabytes:.0f} MB, median {statistics.median(seconds):.1f} s; {json.dumps(facts, indent=2)}")
        record[image] = {"megabytes": round(megabytes), "seconds": [round(took, 2) for took in seconds], **facts}
    print(json.dumps(record))


if __name__ == "__main__":
    main()
