"""Alerts, dashboard and compose file name only what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from service.metrics import Metrics
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def existing() -> dict[str, set[str]]:
    """The series that the service has, each with its labels."""
    registry = Metrics().registry
    found = {
        "up": set[str](),
        **{sample.name: set[str]() for family in registry.collect() for sample in family.samples},
    }
    for metric, names in registry._collector_to_names.items():
        labels = set(getattr(metric, "_labelnames", ()))
        for name in names:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def alerts() -> Iterator[str]:
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("warning", "critical")
            yield rule["expr"]


def panels() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "kidogo.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def named(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The series that an expression names, and the labels that it selects them by."""
    for name, selector in re.findall(r"\b((?:kidogo|process)_\w+|up)\b(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))


ADDED_BY_PROMETHEUS = {"job", "instance"}


@pytest.mark.parametrize("expression", [*alerts(), *panels()])
def test_an_expression_names_only_series_and_labels_that_exist(expression: str) -> None:
    series = existing()
    found = list(named(expression))
    assert found
    labels = set[str]()
    for name, selected in found:
        assert name in series, name
        assert selected <= series[name] | ADDED_BY_PROMETHEUS
        labels |= series[name] | ADDED_BY_PROMETHEUS
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert set(grouped.replace(" ", "").split(",")) <= labels


def test_a_series_that_does_not_exist_would_be_found() -> None:
    assert {name for name, _ in named("rate(kidogo_request_total[5m]) + up")} - existing().keys() == {
        "kidogo_request_total"
    }


def test_every_metric_of_the_service_is_on_the_dashboard() -> None:
    shown = {name for expression in panels() for name, _ in named(expression)}
    for family in ("requests_total", "errors_total", "in_flight", "tokens_total", "variant_ready", "variant_stale"):
        assert f"kidogo_{family}" in shown
    for phase in ("queue", "tokenize", "inference", "decode"):
        assert any(name.startswith(f"kidogo_{phase}_seconds") for name in shown)


def test_the_compose_file_mounts_what_is_there_and_confines_the_replicas() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    for name in ("replica-1", "replica-2"):
        replica = services[name]
        assert replica["read_only"]
        assert replica["cap_drop"] == ["ALL"]
        assert {name.removeprefix("NER_").lower() for name in replica["environment"]} <= set(Settings.model_fields)


def test_nginx_and_prometheus_know_every_replica() -> None:
    replicas = {f"{name}:3000" for name in COMPOSE["services"] if name.startswith("replica")}
    configuration = (DEPLOY / "nginx" / "kidogo.conf").read_text()
    assert set(re.findall(r"^\s*server (\S+) ", configuration, re.MULTILINE)) == replicas
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert set(prometheus["scrape_configs"][0]["static_configs"][0]["targets"]) == replicas
