"""Noise keeps the labels right."""

import random

import pytest

from build_models.experiments.noise import NOISES
from service.evaluation.conll import Sentence
from service.ner.decoding import entity_spans

SENTENCES = [
    Sentence("yor", ["Ààrẹ", "Bọ́lá", "Tinubu", "lọ", "sí", "Èkó"], ["O", "B-PER", "I-PER", "O", "O", "B-LOC"]),
    Sentence(
        "yor", ["Adé", "wà", "ní", "Ìbàdàn", "ní", "ọjọ́", "Ajé"], ["B-PER", "O", "O", "B-LOC", "O", "B-DATE", "I-DATE"]
    ),
]


@pytest.mark.parametrize("name", NOISES)
def test_every_word_keeps_a_label_and_every_entity_its_type(name: str) -> None:
    for before, after in zip(SENTENCES, NOISES[name](SENTENCES, random.Random(1)), strict=True):
        assert len(after.words) == len(after.labels)
        assert all(after.words)
        assert [span.label for span in entity_spans(after.labels)] == [
            span.label for span in entity_spans(before.labels)
        ]


@pytest.mark.parametrize("name", NOISES)
def test_the_same_seed_makes_the_same_noise_and_noise_there_is(name: str) -> None:
    many = SENTENCES * 10
    noisy = NOISES[name](many, random.Random(1))
    assert noisy == NOISES[name](many, random.Random(1))
    assert noisy != many


def test_the_marks_go() -> None:
    bare = NOISES["no diacritics"](SENTENCES, random.Random(1))
    assert bare[0].words == ["Aare", "Bola", "Tinubu", "lo", "si", "Eko"]


def test_entities_are_swapped_for_others_of_their_type() -> None:
    swapped = NOISES["swapped entities"](SENTENCES * 10, random.Random(2))
    persons = {
        tuple(sentence.words[span.first : span.last + 1])
        for sentence in swapped
        for span in entity_spans(sentence.labels)
        if span.label == "PER"
    }
    assert persons == {("Bọ́lá", "Tinubu"), ("Adé",)}
