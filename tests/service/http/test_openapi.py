"""The OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.errors import ServiceError
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


async def test_operations_are_named_and_tagged(document: dict[str, Any]) -> None:
    found = {path: next(iter(operations.values())) for path, operations in document["paths"].items()}
    assert {path: operation["operationId"] for path, operation in found.items()} == {
        "/ner": "find_entities",
        "/compare": "compare_variants",
        "/accuracy": "check_accuracy",
        "/variants": "list_variants",
        "/livez": "is_live",
        "/readyz": "is_ready",
        "/metrics": "get_metrics",
    }
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for operation in found.values() for tag in operation["tags"]} == tags


def contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body and answer: its place and its content."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = {"body": operation["requestBody"]} if "requestBody" in operation else {}
            for name, answer in {**answers, **operation["responses"]}.items():
                for media_type, content in answer.get("content", {}).items():
                    yield f"{method} {path} {name} {media_type}", content


async def test_every_body_and_answer_has_examples_that_fit_its_schema(document: dict[str, Any]) -> None:
    seen = 0
    for place, content in contents(document):
        schema = {**content["schema"], "components": document["components"]}
        examples = [each["value"] for each in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, place
        for example in examples:
            Draft202012Validator(schema).validate(example)
            seen += 1
    assert seen > 40


async def test_the_examples_are_answers_of_the_fields_that_there_are(
    service: Service, document: dict[str, Any]
) -> None:
    """An optional field that is renamed would leave an old example valid."""
    for path in ("/ner", "/compare", "/accuracy"):
        operation = document["paths"][path]["post"]
        bodies = operation["requestBody"]["content"]["application/json"]["examples"]
        answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
        for name, body in bodies.items():
            query = {"variant": "auto", "max_latency_ms": 9999} if "chooses" in name else {}
            response = await service.request("POST", path, json=body["value"], params=query)
            assert response.status_code == 200, response.text
            assert list(response.json()) == list(answers[name]["value"]), (path, name)


async def test_examples_of_errors_are_of_their_status(document: dict[str, Any]) -> None:
    codes: dict[str, set[str]] = {}
    for error in ServiceError.__subclasses__():
        codes.setdefault(str(error.status), set()).add(error.code)
    for place, content in contents(document):
        if "example" in content:
            assert content["example"]["error"]["code"] in codes[place.split()[2]], place


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
