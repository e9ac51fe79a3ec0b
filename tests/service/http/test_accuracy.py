"""POST /accuracy over the fake runtimes: capitalised words are entities, PER for dense and LOC for pruned."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from service.evaluation.conll import Sentence, parse_conll, to_conll
from service.evaluation.noise import NOISES
from service.evaluation.reading import read
from service.schemas.accuracy import NoiseName
from tests.service.conftest import Service, Services
from tests.service.http.servers import connection, head, served
from tests.service.http.shapes import assert_refused
from tests.service.http.streams import events
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

SWAHILI = "Rais O\nWilliam B-PER\nRuto I-PER\n\nleo O\nNairobi B-LOC\n\nUNICEF B-ORG\nilikuja O\n\n"
HAUSA = "Kano B-LOC\nta O\n\nBuhari B-PER\nya O\n\n"


@pytest.fixture
def checked(services: Services, service: Service, tmp_path: Path) -> Service:
    """A service with a test split of five sentences in two languages."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "swa.conll").write_text(SWAHILI, encoding="utf-8")
    (tmp_path / "data" / "hau.conll").write_text(HAUSA, encoding="utf-8")
    return services.make(service.engine.pool, service.runtimes, artifacts=tmp_path)


def sentences_of(text: str, language: str) -> list[Sentence]:
    (sentences,) = read([parse_conll("conll", language, text)]).sentences
    return sentences


async def accuracy(service: Service, body: object = None, **query: Any) -> httpx.Response:
    content = {} if body is None else {"json": body}
    return await service.request("POST", "/accuracy", params=query, **content)


async def test_the_test_split_of_the_build(checked: Service) -> None:
    response = await accuracy(checked)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["variant"], answer["examples"], answer["entities"]) == ("dense", 5, 5)
    assert "strict IOB2" in answer["mode"]
    # "Rais William Ruto" is one wrong PER; of the rest, all found, only Buhari is a person.
    assert (answer["precision"], answer["recall"], answer["f1"]) == (1 / 5, 1 / 5, 1 / 5)
    assert list(answer["languages"]) == ["hau", "swa"]
    assert answer["languages"]["hau"]["f1"] == 1 / 2
    assert answer["languages"]["swa"]["f1"] == 0
    assert {name: scores["entities"] for name, scores in answer["labels"].items()} == {"LOC": 2, "ORG": 1, "PER": 2}
    assert answer["labels"]["PER"]["recall"] == 1 / 2
    low, high = answer["intervals"]["f1"]
    assert 0 <= low <= 1 / 5 <= high <= 1
    digest = hashlib.sha256()
    for language, text in (("hau", HAUSA), ("swa", SWAHILI)):
        for sentence in sentences_of(text, language):
            digest.update(f"{language}\n{to_conll([sentence])}".encode())
    assert answer["data"] == {"name": "sample, test split", "digest": digest.hexdigest()}
    assert answer["seconds"] >= answer["inference_seconds"] > 0


async def test_the_reference_is_its_own_equal(checked: Service) -> None:
    answer = (await accuracy(checked)).json()
    scores = {name: answer[name] for name in ("f1", "precision", "recall", "labels", "languages", "intervals")}
    assert {name: answer["reference"][name] for name in scores} == scores
    assert answer["reference"]["variant"] == "dense"
    assert (answer["difference"]["f1"], answer["difference"]["interval"]) == (0, [0, 0])
    assert answer["agreement"] == {"f1": 1, "words": 1, "sentences": 1}
    assert (answer["differing_share"], answer["differing"]) == (0, [])


async def test_another_variant_and_the_reference(checked: Service) -> None:
    answer = (await accuracy(checked, variant="pruned")).json()
    assert answer["f1"] == pytest.approx(2 / 5), "Nairobi and Kano are places"
    assert answer["reference"]["f1"] == pytest.approx(1 / 5)
    assert answer["difference"]["f1"] == pytest.approx(1 / 5)
    low, high = answer["difference"]["interval"]
    assert -1 <= low < 1 / 5 < high <= 1
    assert answer["difference"]["languages"]["swa"]["f1"] == pytest.approx(1 / 3)
    assert answer["agreement"] == {"f1": 0, "words": pytest.approx(4 / 11), "sentences": 0}
    assert answer["differing_share"] == 1
    first = answer["differing"][0]
    assert (first["language"], first["tokens"], first["labels"]) == ("hau", ["Kano", "ta"], ["B-LOC", "O"])
    assert (first["variant"], first["reference"]) == (["B-LOC", "O"], ["B-PER", "O"])


async def test_ten_differing_sentences_are_shown_at_most(checked: Service) -> None:
    conll = "".join(f"Mji{number} B-LOC\n\n" for number in range(57))
    answer = (await accuracy(checked, {"conll": conll}, variant="pruned")).json()
    assert len(answer["differing"]) == 10
    assert answer["differing"][-1]["tokens"] != ["Mji9"], "they are spread over the data"


async def test_mistakes_of_the_variant_and_the_reference(checked: Service) -> None:
    answer = (await accuracy(checked, variant="pruned")).json()
    # "Rais William Ruto" (one LOC), UNICEF and Buhari are no places; Nairobi and Kano are right.
    counts = {"missed": 0, "spurious": 0, "wrong_border": 0, "wrong_type": 3}
    mistakes = answer["mistakes"]
    assert {kind: mistakes[kind] for kind in counts} == counts
    assert mistakes["labels"] == {
        "LOC": counts | {"wrong_type": 0},
        "ORG": counts | {"wrong_type": 1},
        "PER": counts | {"wrong_type": 2},
    }
    assert mistakes["languages"] == {"hau": counts | {"wrong_type": 1}, "swa": counts | {"wrong_type": 2}}
    of_reference = answer["reference"]["mistakes"]
    assert {kind: of_reference[kind] for kind in counts} == counts | {"wrong_border": 1}, "PER, from Rais on"
    assert of_reference["labels"]["PER"]["wrong_border"] == 1
    first = answer["mistaken"][0]
    assert (first["language"], first["tokens"]) == ("hau", ["Buhari", "ya"])
    assert first["mistakes"] == [
        {"label": "PER", "start": 0, "end": 1, "kind": "wrong_type", "found": {"label": "LOC", "start": 0, "end": 1}}
    ]
    assert len(answer["mistaken"]) == 3
    for most in (0, 2):
        assert len((await accuracy(checked, variant="pruned", mistakes=most)).json()["mistaken"]) == most


async def test_calibration_by_the_scores_of_ner(checked: Service) -> None:
    answer = (await accuracy(checked, variant="pruned")).json()
    sentences = [*sentences_of(HAUSA, "hau"), *sentences_of(SWAHILI, "swa")]
    found = await checked.ner({"tokens": [sentence.words for sentence in sentences]}, "pruned")
    scores = [entity["score"] for result in found.json()["results"] for entity in result["entities"]]
    assert len(scores) == 5
    place = int(scores[0] * 10)
    assert {int(score * 10) for score in scores} == {place}
    only = answer["calibration"]["bins"][place]
    assert only == {
        "low": place / 10,
        "high": (place + 1) / 10,
        "count": 5,
        "mean_score": pytest.approx(sum(scores) / 5, abs=1e-12),
        "right": 2 / 5,
    }
    assert answer["calibration"]["expected_error"] == pytest.approx(sum(scores) / 5 - 2 / 5)
    assert answer["reference"]["calibration"]["bins"] != answer["calibration"]["bins"]


async def test_noise_changes_the_words_and_is_named(checked: Service) -> None:
    plain = (await accuracy(checked)).json()
    assert plain["noise"] is None
    lower = (await accuracy(checked, noise="lower", variant="pruned")).json()
    assert lower["noise"] == {"name": "lower", "seed": 0}
    assert (lower["f1"], lower["mistakes"]["missed"], lower["data"]) == (0, 5, plain["data"])
    assert ["rais", "william", "ruto"] in [sentence["tokens"] for sentence in lower["mistaken"]]
    body = {"conll": "".join(f"Mwanamuziki{number} B-PER\n\n" for number in range(40))}
    typos = [
        [sentence["tokens"] for sentence in (await accuracy(checked, body, noise="typos", **seed)).json()["mistaken"]]
        for seed in ({}, {"seed": 0}, {"seed": 1})
        for body["conll"] in [body["conll"].replace("PER", "LOC")]
    ]
    assert typos[0] == typos[1] != typos[2]


def test_the_document_names_every_noise() -> None:
    assert get_args(NoiseName) == NOISES


async def test_a_language_and_a_limit(checked: Service) -> None:
    swahili = (await accuracy(checked, language="swa")).json()
    assert (swahili["examples"], list(swahili["languages"])) == (3, ["swa"])
    limited = (await accuracy(checked, limit=2)).json()
    assert (limited["examples"], list(limited["languages"])) == (2, ["hau", "swa"]), "spread over the data"
    assert limited["data"] == swahili["data"] == (await accuracy(checked)).json()["data"]
    assert (await accuracy(checked, limit=1000)).json()["examples"] == 5


@pytest.mark.parametrize("content", [{}, {"json": {}}, {"headers": {"Content-Type": "application/json"}}])
async def test_an_empty_body_is_no_body(checked: Service, content: dict[str, Any]) -> None:
    response = await checked.request("POST", "/accuracy", **content)
    assert response.json()["examples"] == 5


async def test_data_of_the_caller(checked: Service) -> None:
    conll = (await accuracy(checked, {"conll": f"\ufeff{SWAHILI}".replace("\n", "\r\n")}, language="swa")).json()
    examples = [
        {"tokens": sentence.words, "labels": sentence.labels, "language": "swa"}
        for sentence in sentences_of(SWAHILI, "swa")
    ]
    structured = (await accuracy(checked, {"examples": examples})).json()
    for answer in (conll, structured):
        assert answer["data"]["name"] == "sent with the request"
        del answer["seconds"], answer["inference_seconds"]
    assert conll == structured
    assert (await accuracy(checked, {"conll": SWAHILI})).json()["languages"] == {}, "nobody said which language"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"conll": "Rais O\nRuto B-XYZ\n"}, ["conll, line 2: ", "'B-XYZ'", "B-PER"]),
        ({"examples": [{"tokens": ["a"], "labels": ["U-XYZ"]}]}, ["examples.0, token 0: ", "'B-XYZ'", "B-PER"]),
        ({"conll": "Rais O\n\nRuto PER\n"}, ["line 3", "'PER'", "IOB2"]),
        ({"conll": "Rais\n"}, ["line 1", "one column"]),
        ({"conll": "Rais B-PER\nNairobi I-LOC\nRuto I-PER\n"}, ["line 2", "'I-LOC' follows 'B-PER'", "?scheme="]),
        ({"conll": "New York B-LOC\nleo O\nna O\n"}, ["line 1", "3 columns", "tabs"]),
        ({"conll": "leo O\n"}, ["no entities"]),
        ({"conll": "\n\n"}, ["no sentence"]),
        ({"conll": ""}, ["no sentence"]),
        ({"examples": []}, ["no sentence"]),
        ({"examples": [{"tokens": [], "labels": []}]}, ["no sentence"]),
        ({"examples": [{"tokens": ["a", "b"], "labels": ["O"]}]}, ["examples.0", "2 tokens", "1 labels"]),
        ({"examples": [{"tokens": ["a"]}]}, ["examples.0.labels"]),
        ({"examples": [{"tokens": ["a"], "labels": ["O"], "more": 1}]}, ["examples.0.more"]),
        ({"examples": "a O"}, ["examples"]),
        ({"conll": "a O", "examples": []}, ["not both"]),
        ({"text": "a O"}, ["text"]),
    ],
)
async def test_wrong_data_is_refused_and_its_place_named(checked: Service, body: object, says: list[str]) -> None:
    error = assert_refused(await accuracy(checked, body), 422, "invalid_request")
    for words in says:
        assert words in error["message"], error


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"conll": "Rais B-PER\nNairobi I-LOC\n"}, ["conll, line 2", "'I-LOC' follows 'B-PER'", "IOB2"]),
        ({"conll": "Rais B-PER\n\nRuto I-PER\n"}, ["conll, line 3", "begins a sentence"]),
        ({"conll": "Rais B-PER\n O\n"}, ["conll, line 2", "the token is empty"]),
        ({"examples": [{"tokens": ["a", ""], "labels": ["B-PER", "O"]}]}, ["examples.0, token 1", "is empty"]),
    ],
)
async def test_strict_reading_refuses_what_is_repaired(checked: Service, body: object, says: list[str]) -> None:
    error = assert_refused(await accuracy(checked, body, strict=True), 422, "invalid_request")
    for words in says:
        assert words in error["message"], error
    answer = (await accuracy(checked, body)).json()
    assert answer["repaired"] + answer["left_out"] == 1
    assert len(answer["notes"]) == 1


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"scheme": "iob3"}, "scheme"),
        ({"strict": "perhaps"}, "strict"),
        ({"language": "fon"}, "hau, swa"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"mistakes": "101"}, "mistakes"),
        ({"noise": "loud"}, "'lower', 'upper'"),
        ({"noise": "typos", "seed": "-1"}, "seed"),
        ({"seed": "1"}, "give it with noise"),
    ],
)
async def test_wrong_queries(checked: Service, query: dict[str, str], names: str) -> None:
    assert names in assert_refused(await accuracy(checked, **query), 422, "invalid_request")["message"]


async def test_variants_that_cannot_be_checked(checked: Service) -> None:
    assert_refused(await accuracy(checked, variant="tiny"), 404, "unknown_variant")
    assert_refused(await accuracy(checked, variant="auto"), 404, "unknown_variant")


async def test_no_test_split(services: Services, service: Service, tmp_path: Path) -> None:
    empty = services.make(service.engine.pool, service.runtimes, artifacts=tmp_path)
    message = assert_refused(await accuracy(empty), 404, "no_test_data")["message"]
    assert "data/*.conll" in message
    assert (await accuracy(empty, {"conll": SWAHILI})).status_code == 200


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "Is a directory"), (b"\xff", "utf-8"), (b"Nairobi\n", "line 1")]
)
async def test_a_test_split_that_cannot_be_read(
    services: Services, service: Service, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "data" / "swa.conll"
    if content is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_bytes(content)
    damaged = services.make(service.engine.pool, service.runtimes, artifacts=tmp_path)
    response = await accuracy(damaged)
    message = assert_refused(response, 500, "unreadable_test_data")["message"]
    assert "data/swa.conll, beside the variants, cannot be read: " in message
    assert problem in message
    assert str(tmp_path) not in response.text


async def test_limits(services: Services, service: Service) -> None:
    limits = {"max_accuracy_body_bytes": 2000, "max_document_characters": 100}
    small = services.make(service.engine.pool, service.runtimes, **limits)
    assert_refused(await accuracy(small, {"conll": SWAHILI * 50}), 413, "too_large")
    long = {"examples": [{"tokens": ["Nairobi"] * 20, "labels": ["B-LOC"] * 20}]}
    assert "Sentence 0" in assert_refused(await accuracy(small, long), 413, "too_large")["message"]
    assert (await accuracy(small, {"conll": SWAHILI})).status_code == 200


async def test_one_check_runs_at_a_time(checked: Service) -> None:
    with checked.runtimes.blocked() as gate:
        first = asyncio.create_task(accuracy(checked))
        await asyncio.to_thread(gate.reached.wait, 20)
        response = await accuracy(checked, variant="int8")
        error = assert_refused(response, 429, "overloaded")
        assert error["details"] == {"variant": "dense", "done": 0, "total": 5}
        assert response.headers["retry-after"]
        gate.open()
        assert (await first).status_code == 200
    assert (await accuracy(checked)).status_code == 200


def of_languages(count: int) -> dict[str, Any]:
    return {"examples": [{"tokens": ["Kano"], "labels": ["B-LOC"], "language": f"l{n}"} for n in range(count)]}


async def test_languages_are_bounded(checked: Service) -> None:
    """Each has its own counts for every sentence: 10,000 of them took gigabytes."""
    error = assert_refused(await accuracy(checked, of_languages(10_000)), 422, "invalid_request")
    assert error["details"] == {"languages": 10_000, "max_languages": 50}
    answer = (await accuracy(checked, of_languages(50), variant="pruned")).json()
    assert set(answer["languages"]) == set(answer["difference"]["languages"]) == {f"l{n}" for n in range(50)}
    assert {scores["f1"] for scores in answer["languages"].values()} == {1}
    refused = await accuracy(checked, of_languages(50), language="fon")
    assert len(assert_refused(refused, 422, "invalid_request")["details"]["languages"]) == 20


def test_only_one_body_is_read_at_a_time(checked: Service) -> None:
    with served(checked.front) as port:

        def status() -> int:
            return httpx.post(f"http://127.0.0.1:{port}/accuracy", json={"conll": SWAHILI}).status_code

        with connection(port) as client:
            client.sendall(head("Content-Length: 1000").replace(b"/ner", b"/accuracy") + b'{"conll": "')
            assert eventually(lambda: status() == 429)
            assert_refused(httpx.post(f"http://127.0.0.1:{port}/accuracy", json={}), 429, "overloaded")
            assert httpx.post(f"http://127.0.0.1:{port}/ner", json={"text": "leo"}).status_code == 200
        assert eventually(lambda: status() == 200), "who has left holds no place"


async def test_refused_data_leaves_the_place(checked: Service) -> None:
    assert_refused(await accuracy(checked, {"conll": "Rais\n"}), 422, "invalid_request")
    assert_refused(await accuracy(checked, {"conl": "Rais\n"}), 422, "invalid_request")
    assert (await accuracy(checked)).status_code == 200


async def test_a_check_that_takes_too_long(services: Services, service: Service) -> None:
    hurried = services.make(service.engine.pool, service.runtimes, accuracy_timeout_seconds=0.1)
    with hurried.runtimes.slow(0.05):
        error = assert_refused(await accuracy(hurried, {"conll": SWAHILI * 20}), 504, "timeout")
    assert error["details"]["total"] == 60
    assert (await accuracy(hurried, {"conll": "Kano B-LOC\n"})).status_code == 200


async def test_a_fault_frees_the_place(checked: Service) -> None:
    with checked.runtimes.failing(RuntimeError("secret")):
        assert_refused(await accuracy(checked), 500, "internal")
    assert (await accuracy(checked)).status_code == 200


def test_progress_comes_while_the_check_runs(checked: Service) -> None:
    with served(checked.front) as port, checked.runtimes.slow(0.02):
        seen = list(events(port, "/accuracy?variant=pruned", {"conll": SWAHILI * 10}))
    names = [name for name, _ in seen]
    assert names[-1] == "result"
    assert set(names[:-1]) == {"progress"}
    done = [data["done"] for _, data in seen[:-1]]
    assert done == sorted(done)
    assert done[0] < 15 < done[-1], "it is told in between"
    assert {data["total"] for _, data in seen[:-1]} == {30}
    assert seen[-1][1]["examples"] == 30


def test_a_fault_in_a_stream_is_an_event(checked: Service) -> None:
    with served(checked.front) as port, checked.runtimes.failing(RuntimeError("secret")):
        name, data = list(events(port, "/accuracy", {}))[-1]
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert name == "error"
    assert data["error"]["code"] == "internal"
    assert "secret" not in str(data)
    assert 'kidogo_errors_total{code="internal",path="/accuracy",variant="dense"} 1.0' in metrics


def leave_a_stream(port: int) -> None:
    stream = events(port, "/accuracy", {"conll": SWAHILI * 100})
    assert next(stream)[0] == "progress"
    stream.close()


def leave_an_answer(port: int) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"http://127.0.0.1:{port}/accuracy", json={"conll": SWAHILI * 100}, timeout=0.4)


@pytest.mark.parametrize("leave", [leave_a_stream, leave_an_answer])
def test_a_caller_who_leaves_ends_the_check(checked: Service, leave: Callable[[int], None]) -> None:
    with served(checked.front) as port, checked.runtimes.slow(0.05):
        leave(port)
        deadline = time.monotonic() + 10
        while httpx.post(f"http://127.0.0.1:{port}/accuracy", json={"conll": "Kano B-LOC\n"}).status_code == 429:
            assert time.monotonic() < deadline, "300 sentences of 50 ms are still read, for nobody"
            time.sleep(0.05)
        calls = checked.runtimes.calls
        time.sleep(0.3)
        assert checked.runtimes.calls == calls


async def test_requests_go_before_a_check(checked: Service) -> None:
    with checked.runtimes.slow(0.01):
        check = asyncio.create_task(accuracy(checked, {"conll": SWAHILI * 100}, variant="pruned"))
        await asyncio.sleep(0.1)
        steps = []
        for _ in range(10):
            before = checked.runtimes.calls
            assert (await checked.ner({"texts": ["Nairobi leo"] * 5})).status_code == 200
            steps.append(checked.runtimes.calls - before)
        # Five of the request, one of the check that was running, and what it does until this is read.
        assert min(steps) <= 8
        assert not check.done()
        check.cancel()
