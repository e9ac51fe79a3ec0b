"""Noise changes words as people would, and never their number."""

import random
import unicodedata

import pytest

from service.evaluation.noise import NOISES, add

WORDS = ["Ààrẹ", "Bọ́lá", "Tinubu", "lọ", "sí", "Èkó", "́", "2026", ".", "ከኬንያ"]


def test_the_noises() -> None:
    assert NOISES == ("lower", "upper", "title", "diacritics", "typos")


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_word_stays_a_word(noise: str, form: str) -> None:
    words = [unicodedata.normalize(form, word) for word in WORDS] * 20
    noisy = add(words, noise, random.Random(1))

    assert len(noisy) == len(words)
    assert all(noisy)
    assert noisy != words
    assert noisy == add(words, noise, random.Random(1))


def test_what_each_noise_does() -> None:
    words = ["Ààrẹ", "lọ", "Èkó"]

    assert add(words, "lower", random.Random(1)) == ["ààrẹ", "lọ", "èkó"]
    assert add(words, "upper", random.Random(1)) == ["ÀÀRẸ", "LỌ", "ÈKÓ"]
    assert add(words, "title", random.Random(1)) == ["Ààrẹ", "Lọ", "Èkó"]
    assert add(words, "diacritics", random.Random(1)) == ["Aare", "lo", "Eko"]


def test_typos_are_in_some_words_and_leave_their_first_letter() -> None:
    noisy = add(["Nairobi"] * 1000, "typos", random.Random(1))

    assert 150 < sum(word != "Nairobi" for word in noisy) < 250
    assert {len(word) for word in noisy} == {6, 7, 8}
    assert {word[0] for word in noisy} == {"N"}
