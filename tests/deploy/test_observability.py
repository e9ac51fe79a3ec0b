"""Alerts, dashboard and compose file name only what there is."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests import ROOT

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


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]:
        yield from group["rules"]


def alerts() -> Iterator[str]:
    for rule in rules():
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


PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


@needs_promtool
def test_prometheus_takes_configuration_and_rules() -> None:
    checked = subprocess.run(
        [str(PROMTOOL), "check", "config", "prometheus.yml"],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(list(alerts()))} rules found" in checked.stdout


# Series with their values by the minute, and the alerts that they raise after twenty minutes.
RAISED = [
    ({'up{job="kidogo",instance="a"}': "1x20", 'up{job="kidogo",instance="b"}': "0x20"}, {"KidogoDown"}),
    ({'kidogo_variant_ready{variant="dense"}': "0x20", 'kidogo_variant_ready{variant="int8"}': "1x20"},
     {"KidogoVariantNotReady"}),
    ({'kidogo_variant_stale{variant="dense"}': "1x20", 'kidogo_variant_stale{variant="int8"}': "0x20"},
     {"KidogoVariantStale"}),
    ({'kidogo_requests_total{variant="dense",status="200"}': "0+100x20",
      'kidogo_requests_total{variant="dense",status="500"}': "0+2x20"}, {"KidogoFaults"}),
    ({'kidogo_requests_total{variant="dense",status="200"}': "0+1000x20",
      'kidogo_requests_total{variant="dense",status="500"}': "0+2x20"}, set()),
    ({'kidogo_errors_total{code="overloaded"}': "0+1x20"}, {"KidogoOverloaded"}),
    ({'kidogo_errors_total{code="invalid_request"}': "0+100x20"}, set()),
    ({'kidogo_queue_seconds_bucket{le="1.0"}': "0+98x20", 'kidogo_queue_seconds_bucket{le="2.5"}': "0+100x20",
      'kidogo_queue_seconds_bucket{le="+Inf"}': "0+100x20"}, {"KidogoSlowQueue"}),
    ({'kidogo_queue_seconds_bucket{le="1.0"}': "0+100x20", 'kidogo_queue_seconds_bucket{le="+Inf"}': "0+100x20"},
     set()),
    ({'process_resident_memory_bytes{job="kidogo"}': "1.9e9x20"}, {"KidogoMemory"}),
]  # fmt: skip


@needs_promtool
@pytest.mark.parametrize(("series", "expected"), RAISED)
def test_an_alert_is_raised_by_what_it_is_about(series: dict[str, str], expected: set[str], tmp_path: Path) -> None:
    names = [rule["alert"] for rule in rules()]
    assert expected <= set(names)
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        # promtool compares labels and annotations too, so what fires is asked for as a count.
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})',
                "eval_time": "20m",
                "exp_samples": [{"labels": "{}", "value": 1}] if name in expected else [],
            }
            for name in names
        ],
    }
    rule_file = str(DEPLOY / "prometheus" / "alerts.yml")
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": [rule_file], "tests": [test]}))
    tested = subprocess.run(
        [str(PROMTOOL), "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_raised_by_something() -> None:
    assert set().union(*(expected for _, expected in RAISED)) == {rule["alert"] for rule in rules()}
