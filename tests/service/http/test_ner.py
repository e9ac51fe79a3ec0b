"""POST /ner: the answers."""

import unicodedata

import pytest

from service.schemas.ner import EntityAnswer, ResultAnswer
from service.variants import VARIANTS
from tests.fakes import LABEL_OF_VARIANT
from tests.service.conftest import Service
from tests.service.http.shapes import assert_refused

pytestmark = pytest.mark.anyio

TEXT = "rais William Ruto alikutana na wajumbe mjini Nairobi leo"


async def test_text(service: Service) -> None:
    response = await service.ner({"text": TEXT})
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == ["variant", "results", "timing"]
    assert answer["variant"] == "dense"
    (result,) = answer["results"]
    assert list(result) == ["entities"]
    assert [list(entity) for entity in result["entities"]] == [["label", "text", "start", "end", "score"]] * 2
    found = [(entity["label"], entity["text"], entity["start"], entity["end"]) for entity in result["entities"]]
    assert found == [("PER", "William Ruto", 5, 17), ("PER", "Nairobi", 45, 52)]
    assert all(0.5 < entity["score"] <= 1 for entity in result["entities"])


async def test_timing(service: Service) -> None:
    with service.runtimes.slow(0.02):
        timing = (await service.ner({"text": TEXT})).json()["timing"]
    assert list(timing) == ["queue_ms", "inference_ms", "total_ms"]
    assert timing["queue_ms"] >= 0
    assert timing["inference_ms"] >= 20
    assert timing["total_ms"] >= timing["queue_ms"] + timing["inference_ms"]


@pytest.mark.parametrize("variant", VARIANTS)
async def test_each_variant_answers_under_its_own_name(service: Service, variant: str) -> None:
    answer = (await service.ner({"text": TEXT}, variant)).json()
    assert answer["variant"] == variant
    labels = {entity["label"] for entity in answer["results"][0]["entities"]}
    assert labels == {LABEL_OF_VARIANT[variant]}


async def test_texts_keep_their_order(service: Service) -> None:
    texts = [f"leo {'Nairobi ' * count}" for count in range(32)]
    results = (await service.ner({"texts": texts})).json()["results"]
    found = [[entity["text"] for entity in result["entities"]] for result in results]
    assert found == [[]] + [[("Nairobi " * count).strip()] for count in range(1, 32)]


async def test_tokens_have_a_label_for_each_word(service: Service) -> None:
    sentences = [["rais", "William", "Ruto", "leo"], ["Nairobi"], ["leo"]]
    results = (await service.ner({"tokens": sentences}, "int8")).json()["results"]
    assert [result["labels"] for result in results] == [["O", "B-DATE", "I-DATE", "O"], ["B-DATE"], ["O"]]
    (entity,) = results[0]["entities"]
    assert (entity["text"], entity["start"], entity["end"]) == ("William Ruto", 1, 3)
    assert [list(result) for result in results] == [["entities", "labels"]] * 3


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (["", "Nairobi", ""], ["O", "B-PER", "O"]),
        (["", ""], ["O", "O"]),
        (["\u200b", "Nairobi", " "], ["O", "B-PER", "O"]),
        (["leo"] * 999 + ["Nairobi"], ["O"] * 999 + ["B-PER"]),
        ([], []),
    ],
    ids=["empty words", "only empty words", "invisible words", "thousand words", "no words"],
)
async def test_odd_tokens(service: Service, words: list[str], labels: list[str]) -> None:
    response = await service.ner({"tokens": [words]})
    assert response.status_code == 200, response.text
    assert response.json()["results"][0]["labels"] == labels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (unicodedata.normalize("NFC", "lọ sí Ìbàdàn leo"), ["Ìbàdàn"]),
        (unicodedata.normalize("NFD", "lọ sí Ìbàdàn leo"), ["Ìbàdàn"]),
        ("leo 👩🏾‍⚕️🇰🇪 Nairobi 🎉", ["Nairobi"]),
        ("ذهب\u200f", ["ذهب"]),
        ("ሰኞ ቀን።", ["ሰኞ ቀን"]),
        ("leo\n\n\tNairobi\u00a0\u2003leo", ["Nairobi"]),
        ("\ufeffNairobi leo", ["Nairobi"]),
        ("(Nairobi)", ["Nairobi"]),
        ("leo 𝒜 Nairobi", None),
    ],
    ids=["NFC", "NFD", "emoji", "right to left", "Ethiopic", "spaces", "byte-order mark", "brackets", "beyond BMP"],
)
async def test_offsets_count_code_points_as_sent(service: Service, text: str, expected: list[str] | None) -> None:
    entities = (await service.ner({"text": text})).json()["results"][0]["entities"]
    assert entities
    for entity in entities:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    if expected is not None:
        found = [unicodedata.normalize("NFC", entity["text"]) for entity in entities]
        assert found == [unicodedata.normalize("NFC", name) for name in expected]


@pytest.mark.parametrize("text", ["", "   \n\t ", "\u0301\u0300\u0323", "\u200b\u200d", "\x00\x01"])
async def test_text_without_words(service: Service, text: str) -> None:
    response = await service.ner({"texts": [text, "Nairobi"]})
    assert response.status_code == 200, response.text
    nothing, something = response.json()["results"]
    assert nothing == {"entities": []}
    assert len(something["entities"]) == 1
    assert (await service.ner({"text": text})).json()["results"] == [nothing]


@pytest.mark.parametrize("filler", ["leo ", "m"], ids=["words", "no spaces"])
async def test_a_long_document_is_read_to_its_end(service: Service, filler: str) -> None:
    ending = " Nairobi"
    text = (filler * 100_000)[: 100_000 - len(ending)] + ending
    (entity,) = (await service.ner({"text": text})).json()["results"][0]["entities"]
    assert (entity["text"], entity["end"]) == ("Nairobi", 100_000)


async def test_entities_below_the_minimal_score_are_left_out(service: Service) -> None:
    async def answer(body: dict[str, object], score: float) -> dict[str, object]:
        response = await service.request("POST", "/ner", json=body, params={"min_score": score})
        (result,) = response.json()["results"]
        return dict(result)

    whole = await answer({"text": TEXT}, 0)
    (score,) = {entity["score"] for entity in whole["entities"]}  # type: ignore[attr-defined]
    assert await answer({"text": TEXT}, score) == whole
    assert await answer({"text": TEXT}, score + 0.0001) == {"entities": []}
    words = {"tokens": [TEXT.split()]}
    assert (await answer(words, score))["labels"] == ["O", "B-PER", "I-PER", "O", "O", "O", "O", "B-PER", "O"]
    assert await answer(words, 1) == {"entities": [], "labels": ["O"] * 9}


def test_labels_agree_with_the_entities_that_are_left() -> None:
    first, second = (
        EntityAnswer(label="PER", text="a", start=start, end=start + 2, score=score)
        for start, score in ((0, 0.4), (2, 0.9))
    )
    result = ResultAnswer(entities=[first, second], labels=["B-PER", "I-PER", "B-PER", "I-PER", "O"])
    left = result.at_least(0.5)
    assert left.model_dump() == ResultAnswer(entities=[second], labels=["O", "O", "B-PER", "I-PER", "O"]).model_dump()
    assert result.at_least(0.4) == result


@pytest.mark.parametrize("score", ["-0.1", "1.1", "nan", "high"])
async def test_a_minimal_score_that_is_none(service: Service, score: str) -> None:
    response = await service.request("POST", "/ner", json={"text": TEXT}, params={"min_score": score})
    assert "min_score" in assert_refused(response, 422, "invalid_request")["message"]
