"""The wall clock may jump: what is measured and awaited goes by clocks that do not."""

import ast
import time

import pytest

from tests import ROOT
from tests.service.conftest import Service

WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.datetime.now", "datetime.utcnow"}


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [-86_400 * 365, 86_400 * 365])
async def test_a_jump_in_the_middle_of_requests(
    service: Service, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    true_time, true_time_ns, calls = time.time, time.time_ns, 0

    def jumped() -> float:
        nonlocal calls
        calls += 1
        return true_time() + seconds * (calls % 2)

    monkeypatch.setattr(time, "time", jumped)
    monkeypatch.setattr(time, "time_ns", lambda: true_time_ns() + int(jumped() - true_time()) * 10**9)
    for _ in range(5):
        response = await service.ner({"texts": ["Rais alikutana na wajumbe mjini Nairobi. " * 20] * 3})
        assert response.status_code == 200
        timing = response.json()["timing"]
        assert 0 <= timing["queue_ms"] <= timing["total_ms"] < 30_000
        assert 0 < timing["inference_ms"] <= timing["total_ms"]


def test_only_the_spans_look_at_the_wall_clock() -> None:
    readers = {
        path.name
        for path in (ROOT / "service").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL_CLOCK
    }
    assert readers == {"tracing.py"}
