"""The OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.http.routes import docs
from service.schemas.errors import ErrorAnswer
from service.variants import VARIANTS
from tests.service.conftest import Service
from tests.service.http.shapes import assert_refused

pytestmark = pytest.mark.anyio


@pytest.fixture
async def document(service: Service) -> dict[str, Any]:
    response = await service.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = response.json()
    return answer


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), reference
    node: Any = document
    for part in reference[2:].split("/"):
        node = node[part]
    return node


async def test_structure(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Kidogo"
    assert document["info"]["version"]
    assert {"/ner", "/variants", "/livez", "/readyz", "/metrics"} <= set(document["paths"])
    assert "/" not in document["paths"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    identifiers = [operation["operationId"] for operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    for operation in operations:
        assert operation["responses"]
        assert all(response["description"] for response in operation["responses"].values())


async def test_all_references_resolve(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 5
    for reference in found:
        assert isinstance(resolve(document, reference), dict), reference


async def test_variant_is_a_query_parameter_with_its_names(document: dict[str, Any]) -> None:
    parameter, *wish = document["paths"]["/ner"]["post"]["parameters"]
    assert [each["name"] for each in wish] == ["max_latency_ms", "min_f1", "min_score"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("variant", "query", False)
    assert parameter["schema"]["enum"] == [*VARIANTS, "auto"]
    assert parameter["schema"]["default"] == "dense"


async def test_the_request_body_is_described(document: dict[str, Any]) -> None:
    body = document["paths"]["/ner"]["post"]["requestBody"]
    assert body["required"] is True
    schema = resolve(document, body["content"]["application/json"]["schema"]["$ref"])
    assert set(schema["properties"]) == {"text", "texts", "tokens"}
    assert schema["additionalProperties"] is False
    assert schema["examples"]


async def test_the_example_works(service: Service, document: dict[str, Any]) -> None:
    (example,) = document["components"]["schemas"]["NerRequest"]["examples"]
    assert (await service.ner(example)).status_code == 200


@pytest.mark.parametrize("status", ["400", "404", "413", "415", "422", "429", "500", "503", "504"])
async def test_every_refusal_of_ner_is_documented(document: dict[str, Any], status: str) -> None:
    response = document["paths"]["/ner"]["post"]["responses"][status]
    schema = resolve(document, response["content"]["application/json"]["schema"]["$ref"])
    assert schema["title"] == ErrorAnswer.__name__
    inside = resolve(document, schema["properties"]["error"]["$ref"])
    assert inside["required"] == ["code", "message", "details"]


@pytest.mark.parametrize("has_swagger_ui", [True, False])
async def test_the_page_asks_no_other_host(
    service: Service, monkeypatch: pytest.MonkeyPatch, has_swagger_ui: bool
) -> None:
    if not has_swagger_ui:
        monkeypatch.setattr(docs, "_SWAGGER_UI", None)
    page = (await service.get("/docs")).text
    assert not re.search(r"//\w", page), page
    if has_swagger_ui:
        assert "validatorUrl: null" in (await service.get("/docs/start.js")).text
        files = re.findall(r'(?:src|href)="(docs/[^"]+)"', page)
        assert len(files) == 4
        for file in files:
            assert (await service.get(f"/{file}")).status_code == 200
    else:
        assert "POST /ner" in page
    for name in ("nothing", "..%2f__init__", "index.css"):
        assert_refused(await service.get(f"/docs/{name}"), 404, "not_found")


async def test_the_document_is_the_same_each_time(service: Service, document: dict[str, Any]) -> None:
    assert (await service.get("/openapi.json")).json() == document
