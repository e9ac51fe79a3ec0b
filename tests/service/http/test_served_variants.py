"""An instance that serves some of the variants."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.artifacts.pool import VariantPool
from service.settings import Settings
from tests.fakes import FakeRuntimes
from tests.service.conftest import Services
from tests.service.http.shapes import assert_refused

pytestmark = pytest.mark.anyio

BODY = {"text": "Nairobi"}


async def test_the_first_answers_requests_that_name_none(services: Services, artifacts: Path) -> None:
    runtimes = FakeRuntimes()
    pool = VariantPool(artifacts, 1, runtimes, ["dynamic", "pruned"])
    pool.load()
    pool.refresh(everything=True)
    service = services.make(pool, runtimes)
    assert (await service.ner(BODY)).json()["variant"] == "dynamic"
    assert (await service.ner(BODY, "pruned")).json()["variant"] == "pruned"
    error = assert_refused(await service.ner(BODY, "dense"), 503, "variant_not_ready")
    assert error["details"]["reason"] == "dense is not served here; served are dynamic, pruned"
    entries = (await service.get("/variants")).json()
    assert [entry["name"] for entry in entries if entry["default"]] == ["dynamic"]
    assert [entry["name"] for entry in entries if entry["reference"]] == ["dynamic"]
    comparison = (await service.request("POST", "/compare", json=BODY)).json()
    assert comparison["reference"] == "dynamic"
    assert {entry["variant"]: bool(entry["difference"]["relabelled"]) for entry in comparison["variants"]} == {
        "dynamic": False,
        "pruned": True,
    }
    accuracy = (await service.request("POST", "/accuracy", json={"conll": "Nairobi B-LOC\n"})).json()
    assert (accuracy["variant"], accuracy["reference"]["variant"]) == ("dynamic", "dynamic")
    document = (await service.get("/openapi.json")).json()
    assert document["paths"]["/ner"]["post"]["parameters"][0]["schema"]["default"] == "dynamic"


def test_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_VARIANTS", "int8, dense")
    assert Settings().variants == ("int8", "dense")
    monkeypatch.setenv("NER_VARIANTS", "int8,dens")
    with pytest.raises(ValidationError, match="unknown: 'dens'; choose from dense, pruned"):
        Settings()
