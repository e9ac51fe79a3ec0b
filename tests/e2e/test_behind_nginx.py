"""Two replicas behind a real nginx with the configuration of ``deploy/``: one goes away and nobody notices, both are
full and everybody is told so.
"""

import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from service.settings import Settings
from tests.e2e.load import TEXT, load
from tests.e2e.servers import ROOT, Server, serving
from tests.nginx import needs_nginx, proxying
from tests.service.http.shapes import assert_refused

NGINX_SITE = ROOT / "deploy" / "nginx" / "kidogo.conf"


@contextmanager
def balanced(replicas: list[Server], folder: Path) -> Iterator[str]:
    """nginx before the replicas; gives its address."""
    site = NGINX_SITE.read_text()
    for number, replica in enumerate(replicas, 1):
        site = site.replace(f"replica-{number}:3000", replica.url.removeprefix("http://"))
    assert "replica-" not in site
    with proxying(site, folder) as port:
        yield f"http://127.0.0.1:{port}"


def two_replicas(stack: ExitStack, folder: Path, **environment: str) -> list[Server]:
    """Started side by side."""
    replicas = [
        stack.enter_context(serving(folder / "artifacts", folder / f"log{number}", wait=False, **environment))
        for number in range(2)
    ]
    for replica in replicas:
        replica.wait_until_ready()
    return replicas


def kill(server: Server) -> None:
    """The whole replica at once, as when its machine is lost."""
    parent = psutil.Process(server.process.pid)
    for process in [parent, *parent.children(recursive=True)]:
        process.kill()


def terminate(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)


@needs_nginx
@pytest.mark.parametrize("end", [kill, terminate])
def test_a_replica_that_goes_away_under_load_costs_no_request(artifacts: Path, tmp_path: Path, end: object) -> None:
    assert callable(end)
    for name in ("dense", "dynamic"):
        shutil.copytree(artifacts / name, tmp_path / "artifacts" / name)
    with ExitStack() as stack:
        replicas = two_replicas(stack, tmp_path)
        url = stack.enter_context(balanced(replicas, tmp_path / "nginx"))
        with load(url, ["dense", "dynamic"] * 3) as answers:
            time.sleep(2)
            before = len(answers.answered)
            end(replicas[0])
            time.sleep(3)
        assert replicas[0].process.wait(60) is not None
        print(f"{before} answers before, {len(answers.answered) - before} after")
        assert before > 20
        assert len(answers.answered) > before + 20
        assert not answers.lost
        assert answers.statuses() == {200}
        assert_refused(httpx.get(f"{url}/metrics"), 404, "not_found")


@needs_nginx
def test_a_replica_killed_between_head_and_body_of_an_answer_costs_no_request(artifacts: Path, tmp_path: Path) -> None:
    shutil.copytree(artifacts / "dense", tmp_path / "artifacts" / "dense")
    with ExitStack() as stack:
        dying = stack.enter_context(
            serving(tmp_path / "artifacts", tmp_path / "log1", target="tests.e2e.dying:NerService")
        )
        other = stack.enter_context(serving(tmp_path / "artifacts", tmp_path / "log2"))
        url = stack.enter_context(balanced([dying, other], tmp_path / "nginx"))
        with httpx.Client(base_url=url, timeout=60, headers={"X-Die": "yes"}) as client:
            for body in ({"text": TEXT}, {"texts": [TEXT] * 32}):
                dying.wait_until_ready()
                worker = dying.worker()
                # One of two goes to the one that dies.
                answers = [client.post("/ner", json=body) for _ in range(2)]
                assert [answer.status_code for answer in answers] == [200, 200]
                assert answers[0].json()["results"] == answers[1].json()["results"]
                worker.wait(10)


@needs_nginx
def test_refusals_of_full_replicas_and_of_nginx_have_the_service_s_shape(artifacts: Path, tmp_path: Path) -> None:
    shutil.copytree(artifacts / "dense", tmp_path / "artifacts" / "dense")
    with ExitStack() as stack:
        replicas = two_replicas(stack, tmp_path, NER_MAX_IN_FLIGHT="1")
        url = stack.enter_context(balanced(replicas, tmp_path / "nginx"))
        with load(url, ["dense"] * 8) as answers:
            time.sleep(2)
            for _ in range(20):
                assert httpx.get(f"{url}/variants").status_code == 200
                missing = httpx.post(f"{url}/ner", params={"variant": "int8"}, json={"text": "Nairobi"})
                assert missing.json()["error"]["code"] in ("variant_not_ready", "overloaded")
        assert not answers.lost
        assert answers.statuses() == {200, 429}
        for response in answers.answered:
            if response.status_code == 429:
                assert_refused(response, 429, "overloaded")
                assert int(response.headers["retry-after"]) > 0
        assert_refused(httpx.post(f"{url}/ner", content=b" " * (8 * 2**20 + 1)), 413, "too_large")
        for replica in replicas:
            kill(replica)
        lost = httpx.post(f"{url}/ner", json={"text": "Nairobi"})
        assert_refused(lost, 502, "no_replica")
        assert lost.headers["retry-after"] == "5"


def test_nginx_waits_longer_than_the_service() -> None:
    waits = re.findall(r"proxy_read_timeout (\d+)s", NGINX_SITE.read_text())
    everything, accuracy = map(int, waits)
    assert Settings().timeout_seconds < everything < Settings().timeout_seconds + 30
    assert accuracy > Settings().accuracy_timeout_seconds
