"""Bodies, names and methods that the service refuses: the rows 400, 404, 405, 413, 415 and 422 of the contract."""

import json
import time
from typing import Any

import pytest

from service.schemas.ner import NerRequest
from service.variants import VARIANTS
from tests.service.conftest import Service
from tests.service.http.shapes import assert_refused

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text=Nairobi",
        b'{"text": "Nairobi"',
        b'{"text": "Nairobi"}}',
        b"{'text': 'Nairobi'}",
        '{"text": "Ìbàdàn"}'.encode("latin-1"),
        '{"text": "Nairobi"}'.encode("utf-16"),
        b'{"text": "\xed\xa0\x80"}',
        rb'{"text": "\ud800"}',
        rb'{"text": "\udc00 a"}',
        b'{"text": NaN}',
        b'{"texts": ["a", -Infinity]}',
        b"[" * 100_000,
        b'{"text": "a\nb"}',
    ],
    ids=[
        "empty", "form", "truncated", "too many braces", "single quotes", "latin-1", "utf-16", "surrogate in bytes",
        "lone leading surrogate", "lone trailing surrogate", "NaN", "infinity", "deep", "raw line break",
    ],
)  # fmt: skip
async def test_400_not_json(service: Service, body: bytes) -> None:
    response = await service.request("POST", "/ner", content=body, headers=JSON)
    assert_refused(response, 400, "malformed_body")


@pytest.mark.parametrize(
    "name", ["unknown", "", " ", "Dense", "../../etc/passwd", "%2e%2e%2f", "dense\x00", "ڪ", "x" * 5000, "dense,int8"]
)
async def test_404_unknown_variant(service: Service, name: str) -> None:
    response = await service.request("POST", "/ner", json={"text": "Nairobi"}, params={"variant": name})
    error = assert_refused(response, 404, "unknown_variant")
    assert error["details"] == {"variants": list(VARIANTS)}
    assert all(known in error["message"] for known in VARIANTS)
    assert len(response.content) < 1000


@pytest.mark.parametrize("query", ["variant=%2e%2e", "variant=%ff%fe", "variant=dense&variant=nothing", "variant"])
async def test_404_unknown_variant_as_sent(service: Service, query: str) -> None:
    response = await service.request("POST", f"/ner?{query}", json={"text": "Nairobi"})
    assert_refused(response, 404, "unknown_variant")


@pytest.mark.parametrize(
    "path", ["/nothing", "/ner/dense", "/ner/", "/variants/", "/..%2f..%2fetc/passwd", "/%ff", "/" + "x" * 5000]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_404_unknown_path(service: Service, method: str, path: str) -> None:
    response = await service.request(method, path)
    assert_refused(response, 404, "not_found")
    assert len(response.content) < 1000


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/ner", "POST"),
        ("DELETE", "/ner", "POST"),
        ("POST", "/variants", "GET, HEAD"),
        ("PUT", "/metrics", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
    ],
)
async def test_405_names_what_is_allowed(service: Service, method: str, path: str, allowed: str) -> None:
    response = await service.request(method, path)
    error = assert_refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allowed
    assert error["details"] == {"allowed": allowed}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "multipart/form-data"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json-patch+json"},
        {"content-type": "x" * 5000},
        JSON | {"content-encoding": "identity"},
        JSON | {"content-encoding": "gzip"},
        JSON | {"content-encoding": ""},
    ],
)
async def test_415(service: Service, headers: dict[str, str]) -> None:
    response = await service.request("POST", "/ner", content=b'{"text": "Nairobi"}', headers=headers)
    error = assert_refused(response, 415, "unsupported_media_type")
    assert error["details"]
    assert len(response.content) < 1000


async def test_a_body_is_parsed_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_again(*arguments: object, **options: object) -> None:
        raise AssertionError("parsed a second time")

    monkeypatch.setattr(NerRequest, "model_validate_json", parse_again)
    assert (await service.ner({"text": "Nairobi"})).status_code == 200


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;"])
async def test_other_spellings_of_json_are_read(service: Service, media_type: str) -> None:
    response = await service.request(
        "POST", "/ner", content=b'{"text": "Nairobi"}', headers={"content-type": media_type}
    )
    assert response.status_code == 200


def padded(size: int) -> bytes:
    """A good body of exactly so many bytes."""
    body = b'{"text": "Nairobi"}'
    return body + b" " * (size - len(body))


async def test_413_body(service: Service) -> None:
    limit = 1024 * 1024
    assert (await service.request("POST", "/ner", content=padded(limit), headers=JSON)).status_code == 200
    response = await service.request("POST", "/ner", content=padded(limit + 1), headers=JSON)
    assert assert_refused(response, 413, "too_large")["details"] == {"max_bytes": limit}


@pytest.mark.parametrize(("field", "document"), [("texts", "leo"), ("tokens", ["leo"])])
async def test_413_documents(service: Service, field: str, document: object) -> None:
    assert (await service.ner({field: [document] * 32})).status_code == 200
    error = assert_refused(await service.ner({field: [document] * 33}), 413, "too_large")
    assert error["details"] == {"max_documents": 32}


@pytest.mark.parametrize(
    ("fits", "too_long", "index"),
    [
        ({"text": "m" * 100_000}, {"text": "m" * 100_001}, 0),
        ({"text": "ሰ" * 100_000}, {"text": "ሰ" * 100_001}, 0),
        ({"texts": ["leo", "m" * 100_000]}, {"texts": ["leo", "m" * 100_001]}, 1),
        ({"tokens": [["m" * 100_000]]}, {"tokens": [["m" * 100_001]]}, 0),
        ({"tokens": [["leo"] * 25_000]}, {"tokens": [["leo"] * 25_001]}, 0),
        ({"tokens": [[""] * 100_001]}, {"tokens": [[""] * 100_002]}, 0),
    ],
    ids=["text", "text of many bytes", "texts", "one word", "words and the spaces between them", "empty words"],
)
async def test_413_document(service: Service, fits: object, too_long: object, index: int) -> None:
    assert (await service.ner(fits)).status_code == 200
    error = assert_refused(await service.ner(too_long), 413, "too_large")
    assert error["details"] == {"document": index, "max_document_characters": 100_000}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"text": "a", "texts": ["a"]}, "body"),
        ({"text": "a", "texts": None}, "body"),
        ({"text": None}, "text"),
        ({"texts": None}, "texts"),
        ({"tokens": None}, "tokens"),
        ({"text": 1}, "text"),
        ({"text": ["a"]}, "text"),
        ({"text": True}, "text"),
        ({"texts": "a"}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": ["a", 1]}, "texts.1"),
        ({"texts": ["a", None]}, "texts.1"),
        ({"tokens": []}, "tokens"),
        ({"tokens": ["a"]}, "tokens.0"),
        ({"tokens": [["a"], ["b", 2]]}, "tokens.1.1"),
        ({"tokens": [["a", None]]}, "tokens.0.1"),
        ({"tokens": {"0": ["a"]}}, "tokens"),
        ({"text": "a", "variant": "int8"}, "variant"),
        ({"text": "a", "x" * 5000: 1}, "x" * 100),
        ([], "body"),
        ("a", "body"),
        (None, "body"),
        (1, "body"),
    ],
)
async def test_422_says_which_field(service: Service, body: object, field: str) -> None:
    response = await service.request("POST", "/ner", content=json.dumps(body), headers=JSON)
    error = assert_refused(response, 422, "invalid_request")
    assert [problem["field"] for problem in error["details"]["fields"]] == [field]
    assert error["message"].startswith(field)
    assert "Value error" not in response.text
    assert len(response.content) < 1000


@pytest.mark.parametrize("body", [{"texts": [1] * 300_000}, {"tokens": [[1] * 300_000]}, {"tokens": [1] * 300_000}])
async def test_422_for_many_wrong_items_takes_no_time(service: Service, body: dict[str, Any]) -> None:
    content = json.dumps(body, separators=(",", ":"))
    started = time.process_time()
    response = await service.request("POST", "/ner", content=content, headers=JSON)
    assert time.process_time() - started < 0.5
    assert assert_refused(response, 422, "invalid_request")["details"]["problems"] == 1


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("POST", "/ner", ["variant", "max_latency_ms", "min_f1", "min_score"]),
        ("POST", "/accuracy", ["variant", "language", "limit", "noise", "seed", "mistakes", "strict", "scheme"]),
        *(("POST", path, []) for path in ("/compare",)),
        *(
            ("GET", path, [])
            for path in (
                "/variants", "/livez", "/readyz", "/metrics",
            )
        ),
    ],
)  # fmt: skip
async def test_422_names_the_known_query_parameters(service: Service, method: str, path: str, known: list[str]) -> None:
    content = {"json": {"text": "Nairobi"}} if method == "POST" else {}
    response = await service.request(method, f"{path}?varient=int8&{'x' * 500}", **content)
    error = assert_refused(response, 422, "invalid_request")
    assert error["details"]["known"] == known
    assert error["details"]["problems"] == 2
    assert error["details"]["fields"][0]["field"] == "query.varient"
    assert "'varient'" in error["message"]
    assert all(name in error["message"] for name in known)
    assert len(response.content) < 1000


async def test_422_for_many_wrong_fields_is_short(service: Service) -> None:
    body = {"text": "a"} | {f"field{number}": 1 for number in range(1000)}
    response = await service.request("POST", "/ner", json=body)
    error = assert_refused(response, 422, "invalid_request")
    assert len(error["details"]["fields"]) == 10
    assert error["details"]["problems"] == 1000
