"""What labelled data may look like that /accuracy is sent: the same scores, and what was done to it said."""

import warnings
from typing import Any

import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from tests.service.conftest import Service

pytestmark = pytest.mark.anyio

GOLD = [
    (["Rais", "William", "Ruto", "yuko", "Nairobi"], ["O", "B-PER", "I-PER", "O", "B-LOC"]),
    (["Nairobi", "Leo", "ni", "gazeti"], ["B-ORG", "I-ORG", "O", "O"]),
    (["Kano", "Buhari"], ["B-LOC", "B-PER"]),
    (["Ruto", "yuko"], ["B-PER", "O"]),
]
IOB2_TEXT = "Rais O\nWilliam B-PER\nRuto I-PER\nyuko O\nNairobi B-LOC\n\nNairobi B-ORG\nLeo I-ORG\nni O\ngazeti O\n\n\
Kano B-LOC\nBuhari B-PER\n\nRuto B-PER\nyuko O\n"

FORMS = {
    "IOB2": (IOB2_TEXT, 0, 0, ""),
    "repairs": (IOB2_TEXT.replace("Ruto B-PER", "Ruto I-PER"), 1, 0, "repaired: 1 label"),
    "IOB1": (IOB2_TEXT.replace("B-", "I-"), 0, 0, "labels in IO converted to IOB2"),
    "IOBES": (
        IOB2_TEXT.replace("Nairobi B-LOC", "Nairobi S-LOC")
        .replace("Ruto I-PER", "Ruto E-PER")
        .replace("Leo I-ORG", "Leo E-ORG")
        .replace("Kano B-", "Kano S-")
        .replace("Buhari B-", "Buhari S-")
        .replace("Ruto B-", "Ruto S-"),
        0,
        0,
        "labels in IOBES converted to IOB2",
    ),
    "lower case": (
        IOB2_TEXT.replace("-PER", "-per").replace(" B-per", " b-per").replace(" I-per", " i-per"),
        0,
        0,
        "low",
    ),
    "suffix": (
        "\n".join(
            " ".join([*line.split()[:-1], "-".join(reversed(line.split()[-1].split("-")))]) if line else ""
            for line in IOB2_TEXT.split("\n")
        ),
        0,
        0,
        "type first",
    ),
    "empty token": (IOB2_TEXT.replace("ni O", "ni O\n O"), 0, 1, "left out: 1 empty token"),
    "comments": ("# newdoc\n# text = Rais O\n" + IOB2_TEXT.replace("\n\n", "\n\n# sent_id = swa-1\n"), 0, 0, ""),
    "language prefix": ("\n".join(f"sw:{line}" if line else "" for line in IOB2_TEXT.split("\n")), 0, 0, "sw:"),
    "CR": (IOB2_TEXT.replace("\n", "\r"), 0, 0, ""),
    "DOCSTART": ("-DOCSTART- O\n" + IOB2_TEXT.replace("\n\n", "\n-DOCSTART- O\n"), 0, 0, ""),
    "tabs": (IOB2_TEXT.replace(" ", "\t").replace("William\tB-PER\nRuto\tI-PER", "William Ruto\tB-PER"), 0, 0, "split"),
}


def numbered() -> str:
    sentences = [sentence.split("\n") for sentence in IOB2_TEXT.strip().split("\n\n")]
    return "\n\n".join(
        "\n".join(f"{number} {line.split()[0]} NN {line.split()[1]}" for number, line in enumerate(lines, 1))
        for lines in sentences
    )


FORMS["numbers"] = (numbered(), 0, 0, "words in column 2 of 4 (column 1 counts them)")


async def accuracy(service: Service, body: object, **query: Any) -> dict[str, Any]:
    response = await service.request("POST", "/accuracy", json=body, params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def seqeval_of(service: Service, variant: str) -> list[float]:
    """Strict scores of what /ner answers for the gold words."""
    response = await service.ner({"tokens": [words for words, _ in GOLD]}, variant)
    predicted = [result["labels"] for result in response.json()["results"]]
    gold = [labels for _, labels in GOLD]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of divisions by zero
        return [
            function(gold, predicted, mode="strict", scheme=IOB2, average="micro", zero_division=0)
            for function in (precision_score, recall_score, f1_score)
        ]


@pytest.mark.parametrize("variant", ["dense", "pruned"])
@pytest.mark.parametrize("form", FORMS)
async def test_every_form_has_the_scores_of_seqeval(service: Service, form: str, variant: str) -> None:
    text, repaired, left_out, note = FORMS[form]
    answer = await accuracy(service, {"conll": text}, variant=variant)
    expected = await seqeval_of(service, variant)
    assert [answer[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected, abs=5e-5)
    assert answer["f1"] > 0
    assert answer["entities"] == 6
    assert (answer["repaired"], answer["left_out"]) == (repaired, left_out)
    assert [note in said for said in answer["notes"]] == ([True] if note else [])
    assert answer["data"]["digest"] == (await accuracy(service, {"conll": IOB2_TEXT}))["data"]["digest"]


async def test_examples_are_read_alike(service: Service) -> None:
    examples = [
        {"tokens": ["Rais", "William Ruto", "", "yuko"], "labels": ["O", "S-PER", "O", "O"], "language": "swa"},
        {"tokens": ["Nairobi"], "labels": ["S-LOC"], "language": "swa"},
    ]
    answer = await accuracy(service, {"examples": examples}, variant="pruned")
    same = await accuracy(
        service, {"conll": "Rais O\nWilliam B-PER\nRuto I-PER\nyuko O\n\nNairobi B-LOC\n"}, language="swa"
    )
    assert answer["data"]["digest"] == same["data"]["digest"]
    assert (answer["left_out"], len(answer["notes"])) == (1, 3)


async def test_a_large_body_is_read_alike(service: Service) -> None:
    examples = [{"tokens": ["Nairobi"], "labels": ["B-LOC"]} for _ in range(10_000)]
    answer = await accuracy(service, {"examples": examples}, limit=10)
    assert answer["entities"] == 10
    examples[7_000]["labels"] = [1]  # type: ignore[list-item]
    refused = await service.request("POST", "/accuracy", json={"examples": examples})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"]["fields"][0]["field"].startswith("examples.7000.labels.0")


async def test_a_scheme_may_be_named(service: Service) -> None:
    mixed = {"conll": "Rais I-PER\n\nNairobi I-LOC\n\nKano B-LOC\n"}
    assert (await service.request("POST", "/accuracy", json=mixed)).status_code == 422
    assert (await accuracy(service, mixed, scheme="iob2"))["repaired"] == 2
    assert (await accuracy(service, mixed, scheme="iob1"))["repaired"] == 1
