"""The accuracy route on real artefacts: the build's own figures, from the served model."""

from pathlib import Path

import httpx
import pytest

from service.artifacts.manifest import read_manifest
from service.variants import VARIANTS
from tests.e2e.servers import Server


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_figures_are_those_of_the_manifest(server: Server, artifacts: Path, variant: str) -> None:
    scores = read_manifest(artifacts / variant).metrics["test"]
    response = httpx.post(f"{server.url}/accuracy", params={"variant": variant}, timeout=120)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["examples"], answer["entities"]) == (scores.sentences, scores.entities)
    for name in ("f1", "precision", "recall"):
        assert answer[name] == pytest.approx(getattr(scores, name), abs=5e-5)
    found = {language: figures["f1"] for language, figures in answer["languages"].items()}
    assert found == pytest.approx(scores.languages, abs=5e-5)
    reference = read_manifest(artifacts / "dense").metrics["test"]
    assert answer["reference"]["f1"] == pytest.approx(reference.f1, abs=5e-5)
    assert answer["difference"]["f1"] == pytest.approx(scores.f1 - reference.f1, abs=5e-5)


def test_a_comparison_and_the_page(server: Server) -> None:
    answer = httpx.post(f"{server.url}/compare", json={"text": "Rais William Ruto yuko Nairobi."}, timeout=30).json()
    assert [entry["variant"] for entry in answer["variants"]] == list(VARIANTS)
    for path in ("/", "/playground/playground.js", "/playground/playground.css", "/playground/samples.json"):
        response = httpx.get(server.url + path)
        assert response.status_code == 200
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_auto_chooses_among_measured_variants(server: Server) -> None:
    response = httpx.post(f"{server.url}/ner", params={"variant": "auto"}, json={"text": "Nairobi"}, timeout=30).json()
    best = max(response["choice"]["considered"], key=lambda variant: variant["f1"])
    assert response["variant"] == best["variant"]
    assert all(variant["latency_ms"] > 0 for variant in response["choice"]["considered"])
