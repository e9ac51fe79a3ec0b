"""A real Prometheus with the configuration of ``deploy/`` scrapes two replicas: alerts and dashboard find series."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.variants import VARIANTS
from tests import waiting
from tests.e2e.load import TEXT
from tests.e2e.servers import ROOT, Server, serving

PROMETHEUS = shutil.which("prometheus")
CONFIGURATION = ROOT / "deploy" / "prometheus"
eventually = partial(waiting.eventually, seconds=20, pause=0.2)


class Prometheus:
    def __init__(self, url: str):
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result


@contextmanager
def scraping(replicas: list[Server], folder: Path) -> Iterator[Prometheus]:
    """Prometheus as ``deploy/`` configures it, but for the replicas' addresses and how often it looks."""
    shutil.copytree(CONFIGURATION, folder)
    configuration = (folder / "prometheus.yml").read_text()
    for number, replica in enumerate(replicas, 1):
        configuration = configuration.replace(f"replica-{number}:3000", replica.url.removeprefix("http://"))
    assert "replica-" not in configuration
    settings = yaml.safe_load(configuration)
    settings["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "web.listen-address": f"127.0.0.1:{port}"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [str(PROMETHEUS), *(f"--{name}={value}" for name, value in options.items())],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            waiting.wait_for_answer(process, f"{prometheus.url}/-/ready", 20, (folder / "log").read_text)
            yield prometheus
        finally:
            process.terminate()


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")
def test_prometheus_scrapes_the_replicas_and_knows_when_one_is_gone(
    server: Server, artifacts: Path, tmp_path: Path
) -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "kidogo.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    with (
        # Without int8, which takes most of a start.
        serving(artifacts, tmp_path / "log", NER_VARIANTS="dense,dynamic") as second,
        scraping([server, second], tmp_path / "prometheus") as scraper,
    ):
        for replica, variants in ((server, VARIANTS), (second, ("dense", "dynamic"))):
            for variant in variants:
                assert replica.ner(variant, text=TEXT).status_code == 200
            assert httpx.post(f"{replica.url}/ner", json={}).status_code == 422
        assert eventually(lambda: len(scraper.query("up{job='kidogo'} == 1")) == 2)
        # A rate needs two scrapes that differ.
        assert eventually(
            lambda: server.ner("dense", text=TEXT) and scraper.query("rate(kidogo_requests_total[1m]) > 0")
        )
        assert {found["metric"]["variant"] for found in scraper.query("kidogo_variant_ready == 1")} == set(VARIANTS)

        rules = [rule for group in scraper.get("rules")["groups"] for rule in group["rules"]]
        written = yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())["groups"][0]["rules"]
        assert [rule["name"] for rule in rules] == [rule["alert"] for rule in written]
        assert eventually(
            lambda: all(rule["health"] == "ok" for group in scraper.get("rules")["groups"] for rule in group["rules"])
        )
        assert scraper.get("alerts")["alerts"] == []
        for expression in expressions:
            assert eventually(lambda found=expression: scraper.query(found.replace("$__rate_interval", "1m"))), (
                expression
            )

        second.process.terminate()
        assert second.process.wait(60) is not None
        assert eventually(
            lambda: [alert["labels"]["alertname"] for alert in scraper.get("alerts")["alerts"]] == ["KidogoDown"]
        )
