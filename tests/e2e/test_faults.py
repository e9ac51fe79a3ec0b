"""What goes wrong on real machines, done to a real server."""

import concurrent.futures
import resource
import shutil
import signal
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from service.variants import VARIANTS
from tests.e2e.load import TEXT, load
from tests.e2e.servers import Server, serving


@pytest.fixture
def light(artifacts: Path, tmp_path: Path) -> Path:
    """Without the variant that takes most of a start."""
    folder = tmp_path / "artifacts"
    for name in ("dense", "dynamic"):
        shutil.copytree(artifacts / name, folder / name)
    return folder


def test_a_worker_that_is_killed_under_load_is_replaced(light: Path, tmp_path: Path) -> None:
    with serving(light, tmp_path / "log") as server:
        killed = server.worker()
        with load(server.url, ["dense", "dynamic", "dense"], pause=0.02) as answers:
            deadline = time.monotonic() + 60
            while not answers.answered:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            killed.kill()
            while psutil.pid_exists(killed.pid) or not is_ready(server):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            after = len(answers.answered)
            time.sleep(0.5)
        # Each client loses at most the request that the worker was at. While the next one loads, it says so.
        assert len(answers.lost) <= 3
        assert answers.statuses() <= {200, 503}
        for response in answers.answered:
            if response.status_code == 503:
                assert response.json()["error"]["code"] == "variant_not_ready"
                assert int(response.headers["retry-after"]) > 0
        assert {response.status_code for response in answers.answered[after + 3 :]} == {200}
        assert server.worker().pid != killed.pid


def is_ready(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_files_damaged_in_place_change_no_answer(artifacts: Path, tmp_path: Path) -> None:
    served = tmp_path / "artifacts"
    shutil.copytree(artifacts, served, ignore=shutil.ignore_patterns(".*"))
    with serving(served, tmp_path / "log") as server:
        before = {name: server.ner(name, text=TEXT).json()["results"] for name in VARIANTS}
        for path in [*served.glob("*/model.*"), *served.glob("*/tokenizer.json")]:
            # Written over and then cut short, in the file itself: what is mapped from it would follow.
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.truncate(1000)
        assert {name: server.ner(name, text=TEXT).json()["results"] for name in VARIANTS} == before
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while not all(entry["reason"] for entry in server.variants().values()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert {name: server.ner(name, text=TEXT).json()["results"] for name in VARIANTS} == before
        assert {entry["status"] for entry in server.variants().values()} == {"ready"}


def test_a_full_disk_under_the_log_stops_nobody(light: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with serving(light, full) as server:
        memory = server.worker().memory_info().rss
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            statuses = list(threads.map(lambda _: server.ner("dynamic", text=TEXT).status_code, range(200)))
        assert set(statuses) == {200}
        # What could not be written is not kept.
        assert server.worker().memory_info().rss < memory + 30e6
        assert httpx.get(f"{server.url}/nothing").status_code == 404


def test_a_memory_limit_that_is_reached_costs_the_worker_at_most(light: Path, tmp_path: Path) -> None:
    with serving(light, tmp_path / "log", RUST_BACKTRACE="1") as server:
        worker = server.worker()
        assert server.ner("dense", text=TEXT).status_code == 200
        limit = worker.memory_info().vms + 2 * 1024 * 1024
        worker.rlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        answers: list[int | str] = []

        def ask() -> None:
            try:
                answers.append(server.ner("dense", texts=[f"{TEXT} {'Nairobi ' * 10_000}"] * 12).status_code)
            except httpx.TransportError as error:
                answers.append(type(error).__name__)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # ONNX Runtime's threads end the process when they get no memory; then it is replaced.
        assert len(answers) == 4
        if worker.is_running():
            worker.rlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        server.wait_until_ready()
        assert server.ner("dense", text=TEXT).status_code == 200
