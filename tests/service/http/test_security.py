"""The token, and the headers of every answer."""

import json
import logging

import httpx
import pytest
from pydantic import ValidationError

from service.artifacts.pool import VariantPool
from service.settings import Settings
from tests.fakes import FakeRuntimes
from tests.service.conftest import Service, Services
from tests.service.http.shapes import assert_refused

pytestmark = pytest.mark.anyio

TOKEN = "correct horse battery staple"
BODY = {"text": "Nairobi"}
PATHS = ["/variants", "/docs", "/openapi.json", "/metrics", "/nothing"]


@pytest.fixture
def guarded(services: Services, pool: VariantPool, session_runtimes: FakeRuntimes) -> Service:
    return services.make(pool, session_runtimes, token=TOKEN)


def bearing(token: str | bytes) -> dict[str, str | bytes]:
    return {"Authorization": b"Bearer " + token if isinstance(token, bytes) else f"Bearer {token}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearing(""),
        bearing(TOKEN[:-1]),
        bearing(TOKEN + "x"),
        bearing(TOKEN.upper()),
        bearing("é".encode("latin-1")),
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
async def test_without_the_token_nothing_is_answered(guarded: Service, headers: dict[str, str]) -> None:
    refused = [await guarded.request("POST", "/ner", json=BODY, headers=headers)]
    refused += [await guarded.get(path, headers=headers) for path in PATHS]
    for response in refused:
        assert_refused(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in response.text


async def test_with_the_token_everything_is(guarded: Service) -> None:
    for authorization in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        headers = {"Authorization": authorization}
        assert (await guarded.request("POST", "/ner", json=BODY, headers=headers)).status_code == 200
        assert (await guarded.get("/variants", headers=headers)).status_code == 200
        assert (await guarded.get("/metrics", headers=headers)).status_code == 200


async def test_a_body_without_the_token_is_not_read(guarded: Service) -> None:
    response = await guarded.request("POST", "/ner", content=b"{", headers={"content-type": "application/json"})
    assert_refused(response, 401, "unauthorized")


async def test_probes_need_no_token(guarded: Service) -> None:
    for path in ("/livez", "/readyz"):
        assert (await guarded.get(path)).status_code == 200


async def test_metrics_need_none_where_the_settings_say_so(
    services: Services, pool: VariantPool, session_runtimes: FakeRuntimes
) -> None:
    service = services.make(pool, session_runtimes, token=TOKEN, metrics_need_token=False)
    assert (await service.get("/metrics")).status_code == 200
    assert (await service.get("/variants")).status_code == 401


async def test_refusals_are_counted_and_logged_without_what_was_given(
    guarded: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await guarded.get("/variants", headers=bearing("a guess at the token"))
    metrics = (await guarded.get("/metrics", headers=bearing(TOKEN))).text
    assert 'kidogo_errors_total{code="unauthorized",path="unknown",variant=""} 1.0' in metrics
    (record,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert (record.path, record.status, record.code) == ("unknown", 401, "unauthorized")  # type: ignore[attr-defined]
    assert "guess" not in json.dumps(vars(record), default=str)


def test_a_short_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_TOKEN", "secret")
    with pytest.raises(ValidationError, match="at least 16") as failure:
        Settings()
    assert "'secret'" not in str(failure.value)


def assert_protected(response: httpx.Response) -> None:
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_every_answer_carries_the_security_headers(service: Service) -> None:
    with service.runtimes.failing(RuntimeError("broken")):
        answers = [await service.ner(BODY)]
    answers += [await service.ner(BODY), await service.ner({})]
    answers += [await service.get(path) for path in ("/", "/docs", "/variants", "/livez", "/nothing", "/openapi.json")]
    assert {answer.status_code for answer in answers} == {200, 404, 422, 500}
    for answer in answers:
        assert_protected(answer)


async def test_only_pages_may_run_scripts_and_only_from_here(service: Service) -> None:
    page = (await service.get("/docs")).headers["content-security-policy"]
    assert "default-src 'self'; script-src 'self';" in page
    assert "http" not in page
    for path in ("/variants", "/docs/swagger-ui.css"):
        assert (await service.get(path)).headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_log_names_a_request_and_never_its_text(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = "Siri ya Wanjiku"
    await service.request("POST", "/ner?variant=int8", json={"texts": [text, text]}, headers={"X-Request-Id": "a-1"})
    await service.request("POST", "/ner", content=f'{{"text": "{text}', headers={"content-type": "application/json"})
    await service.ner({"text": text, text: 1})
    await service.get(f"/{text}?{text}={text}", headers={"X-Request-Id": text, "User-Agent": "x"})
    lines = [vars(record) for record in caplog.records if record.name.startswith("kidogo")]
    assert len(lines) == 4
    first = lines[0]
    assert (first["request_id"], first["variant"], first["status"]) == ("a-1", "int8", 200)
    assert (first["documents"], first["characters"]) == (2, 2 * len(text))
    assert first["pieces"] > 4
    assert len(first["digest"]) == 64
    for phase in ("queue", "tokenize", "inference", "decode", "total"):
        assert first[f"{phase}_ms"] >= 0
    assert [line["status"] for line in lines] == [200, 400, 422, 404]
    assert [line.get("code") for line in lines] == [None, "malformed_body", "invalid_request", "not_found"]
    assert "Wanjiku" not in json.dumps(lines, default=str)


async def test_probes_and_scrapes_are_not_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        await service.get(path)
    assert not caplog.records
