"""The whole way: a build from the sample, a real ``bentoml serve`` process, real requests."""

import concurrent.futures
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from service.variants import VARIANTS
from tests.e2e.servers import Server, serving
from tests.waiting import eventually

SINGLE_PROCESS = [sys.executable, "-m", "service", "serve", "--single-process"]

TEXT = "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu."


def test_every_variant_is_ready_and_says_what_it_is(server: Server) -> None:
    variants = server.variants()
    assert list(variants) == list(VARIANTS)
    assert {entry["status"] for entry in variants.values()} == {"ready"}
    assert variants["distilled"]["parameters"] < variants["dense"]["parameters"]
    assert variants["pruned"]["nonzero_parameters"] < 0.9 * variants["dense"]["nonzero_parameters"]
    for smaller in ("pruned", "distilled", "int8", "dynamic"):
        assert variants[smaller]["artifact_bytes"] < variants["dense"]["artifact_bytes"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_answers_with_its_name_and_exact_offsets(server: Server, variant: str) -> None:
    answer = server.ner(variant, text=TEXT)
    assert answer.status_code == 200
    body = answer.json()
    assert body["variant"] == variant
    assert body["timing"]["total_ms"] >= body["timing"]["inference_ms"] > 0
    (result,) = body["results"]
    assert result["entities"], "even a short training finds something in so plain a sentence"
    for entity in result["entities"]:
        assert TEXT[entity["start"] : entity["end"]] == entity["text"]


def test_a_document_of_the_largest_size_is_read_to_its_end(server: Server) -> None:
    sentence = f"{TEXT} "
    text = (sentence * 2000)[: 100_000 - len(TEXT)] + TEXT
    answer = server.ner("dynamic", text=text)
    assert answer.status_code == 200
    entities = answer.json()["results"][0]["entities"]
    assert max(entity["end"] for entity in entities) > len(text) - len(TEXT)


def test_answers_under_mixed_load_are_those_given_alone(server: Server) -> None:
    texts = [TEXT, "Shugaba Muhammadu Buhari ya isa Kano jiya Litinin.", "Davido and Wizkid dey London since 2019."]
    alone = {(name, text): server.ner(name, text=text).json()["results"] for name in VARIANTS for text in texts}
    work = [*alone] * 6
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda pair: (pair, server.ner(pair[0], text=pair[1]).json()), work)
        for (name, text), body in answers:
            assert body["variant"] == name
            assert body["results"] == alone[name, text]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_answer_in_a_batch_of_32_is_the_answer_alone(server: Server, variant: str) -> None:
    texts = [f"{TEXT} {number} " * (1 + number % 5) for number in range(32)]
    together = server.ner(variant, texts=texts).json()["results"]
    assert together == [server.ner(variant, text=text).json()["results"][0] for text in texts]


def test_a_broken_artefact_leaves_the_others_serving(artifacts: Path, tmp_path: Path) -> None:
    copy = tmp_path / "artifacts"
    shutil.copytree(artifacts, copy, ignore=shutil.ignore_patterns(".work"))
    model = copy / "pruned" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-100])
    (copy / "int8" / "model.safetensors").unlink()
    with serving(copy, tmp_path / "log") as server:
        for broken, file in (("pruned", "pruned/model.onnx"), ("int8", "int8/model.safetensors")):
            answer = server.ner(broken, text=TEXT)
            assert answer.status_code == 503
            assert file in answer.json()["error"]["details"]["reason"]
            assert str(tmp_path) not in answer.text
        for whole in ("dense", "distilled", "dynamic"):
            assert server.ner(whole, text=TEXT).status_code == 200


LONG = {"texts": [TEXT * 300] * 32}
"""Seconds of work, just under the limit of a body."""


def test_a_client_that_left_does_not_hold_up_the_end(artifacts: Path, tmp_path: Path) -> None:
    with serving(artifacts, tmp_path / "log", NER_VARIANTS="dense") as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/ner", params={"variant": "dense"}, json=LONG, timeout=0.3)
        deadline = time.monotonic() + 20
        while 'status="499"' not in httpx.get(f"{server.url}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@contextmanager
def long_answer(server: Server) -> Iterator[list[httpx.Response]]:
    """Runs the body while a request with seconds of work is in flight; afterwards the list has the response."""
    answers: list[httpx.Response] = []
    asks = threading.Thread(target=lambda: answers.append(server.ner("dense", **LONG)))
    asks.start()
    try:
        deadline = time.monotonic() + 20
        while "kidogo_in_flight 1.0" not in httpx.get(f"{server.url}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield answers
    finally:
        asks.join(60)


@pytest.mark.parametrize(
    ("command", "status"), [((), 0), (SINGLE_PROCESS, -signal.SIGTERM)], ids=["bentoml serve", "a single process"]
)
def test_a_terminated_server_answers_what_it_accepted(
    artifacts: Path, tmp_path: Path, command: Sequence[str], status: int
) -> None:
    with serving(artifacts, tmp_path / "log", command=command, NER_VARIANTS="dense") as server:
        with long_answer(server) as answers:
            server.process.send_signal(signal.SIGTERM)
        assert [answer.status_code for answer in answers] == [200]
        assert server.process.wait(60) == status


def test_ctrl_c_ends_a_single_process_as_sigterm_does(artifacts: Path, tmp_path: Path) -> None:
    with serving(artifacts, tmp_path / "log", command=SINGLE_PROCESS, NER_VARIANTS="dense") as server:
        with long_answer(server) as answers:
            server.process.send_signal(signal.SIGINT)
            refused = server.ner("dense", text=TEXT)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
        assert [answer.status_code for answer in answers] == [200]
        assert server.process.wait(60) == 0


def test_a_single_process_answers_like_the_supervised_one(server: Server, artifacts: Path, tmp_path: Path) -> None:
    environment = {"NER_LOG_FORMAT": "text", "WEB_CONCURRENCY": "2"}
    with serving(artifacts, tmp_path / "log", command=SINGLE_PROCESS, **environment) as alone:
        process = psutil.Process(alone.process.pid)
        assert process.children() == []
        for variant in VARIANTS:
            assert alone.ner(variant, text=TEXT).json()["results"] == server.ner(variant, text=TEXT).json()["results"]
        assert httpx.get(f"{alone.url}/").status_code == 200
        before = alone.log.read_text().count("dense is ready")
        alone.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: alone.log.read_text().count("dense is ready") > before)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"NER_THREADS": "many"}, "NER_THREADS: "),
        ({"NER_VARIANTS": "nothing"}, "NER_VARIANTS: Value error, unknown: 'nothing'"),
        ({"OTEL_TRACES_EXPORTER": "nonsense"}, "nonsense"),
    ],
)
@pytest.mark.parametrize("command", [(), SINGLE_PROCESS], ids=["bentoml serve", "a single process"])
def test_a_server_refuses_wrong_settings(
    artifacts: Path, tmp_path: Path, command: Sequence[str], setting: dict[str, str], said: str
) -> None:
    with serving(artifacts, tmp_path / "log", command=command, wait=False, **setting) as server:
        assert server.process.wait(60) == 1
        text = server.log.read_text()
        assert said in text
        assert "Traceback" not in text
