import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ner.words import MAX_WORD_CHARACTERS, split_words

# Whole scripts and nuisances, which uniformly drawn code points would hardly ever put next to each other.
AWKWARD = [
    *(" ", "\n", "\r\n", "\t", "\x00", "\x1f", "\u00a0", "\u1361", "\u2028"),
    *("\u200b", "\u200c", "\u200d", "\u00ad", "\ufeff", "\u202e", "\U000110bd"),
    *("\u0301", "\u0323", "\u20e3", "\ufe0f", "\u3099"),
    *("'", "’", "ʼ", "`", "_", "-", ",", "፣"),
    *("א", "ש", "ع", "ر", "中", "文", "か", "ー", "々", "አ", "ẹ", "Ọ", "n", "N", "7", "1", "٣"),
    *("👨", "👩", "🏽", "🇰", "🇪", "\ue000", "\u0378"),
]
texts = st.one_of(st.text(), st.lists(st.sampled_from(AWKWARD), max_size=40).map("".join))
letters = st.characters(categories=["L", "M", "N"])
thorough = settings(max_examples=200, deadline=None)


def words_of(text: str) -> list[str]:
    return [text[word.start : word.end] for word in split_words(text)]


@thorough
@given(texts)
def test_words_are_in_order_and_do_not_overlap(text: str) -> None:
    end = 0
    for word in split_words(text):
        assert end <= word.start < word.end <= len(text)
        end = word.end


@thorough
@given(texts)
def test_words_have_no_white_space_in_them(text: str) -> None:
    assert not [word for word in words_of(text) if any(character.isspace() for character in word)]


@thorough
@given(texts)
def test_every_visible_character_is_inside_a_word(text: str) -> None:
    covered = {place for word in split_words(text) for place in range(word.start, word.end)}
    for place, character in enumerate(text):
        if unicodedata.category(character)[0] in "LMNPS" and character != "\u1361":
            assert place in covered


@thorough
@given(texts)
def test_no_word_is_made_of_invisible_characters_only(text: str) -> None:
    for word in words_of(text):
        assert any(unicodedata.category(character) not in {"Cf", "Cc", "Cs", "Zs"} for character in word)


@thorough
@given(texts | st.text(st.sampled_from("abẹአ7_'’\u200b"), min_size=60, max_size=400))
def test_no_word_is_longer_than_the_maximum(text: str) -> None:
    for word in words_of(text):
        counted = [character for character in word if character == "_" or unicodedata.category(character)[0] in "LN"]
        assert len(counted) <= MAX_WORD_CHARACTERS


@thorough
@given(st.lists(st.text(letters, min_size=1, max_size=8), max_size=8))
def test_composed_and_decomposed_text_have_equally_many_words(chunks: list[str]) -> None:
    text = " ".join(chunks)
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert len(split_words(composed)) == len(split_words(decomposed))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\r\n\u00a0\u2028", []),
        ("n'ụlọ ya", ["n'ụlọ", "ya"]),
        ("n’ụlọ", ["n’ụlọ"]),
        ("Ng'ombe", ["Ng'ombe"]),
        ("'Yan sanda", ["'Yan", "sanda"]),
        ("‘yan", ["‘yan"]),
        ("mama'", ["mama'"]),
        ("Ochieng’, Ochieng'.", ["Ochieng’", ",", "Ochieng'", "."]),
        ("‘‘balkanisation’’", ["‘‘balkanisation’’"]),
        ("a''b", ["a''", "b"]),
        ("'' '''a", ["'", "'", "'", "''a"]),
        ('""""Habari""""', ['""""', "Habari", '""""']),
        ('""', ['"', '"']),
        ("２０年ＢＢＣ", list("２０年ＢＢＣ")),
        ("2,000", ["2", ",", "000"]),
        ("ga-abịa.", ["ga", "-", "abịa", "."]),
        ("አዲስ፡አበባ፣", ["አዲስ", "አበባ", "፣"]),
        ("👨‍👩‍👧👍🏽🇰🇪", ["👨‍👩‍👧", "👍🏽", "🇰🇪"]),
        ("中国Kano", ["中", "国", "Kano"]),
        ("شارع 5", ["شارع", "5"]),
        ("a\u200bb", ["a\u200bb"]),
        ("a \u200b b\u200b", ["a", "b"]),
        ("\ufeffKano", ["Kano"]),
        ("a\x00b\x07", ["a", "b"]),
        ("\u0301", ["\u0301"]),
        ("\ue000", ["\ue000"]),
        ("e\u0323\u0301", ["e\u0323\u0301"]),
    ],
)
def test_examples(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("unit", ["'", "a'", "a''", "a'\u200b", "'\u0301", '"', "\u200b", "\u0301’", "‘a"])
def test_time_grows_linearly(unit: str) -> None:
    def seconds(count: int) -> float:
        text = "a" + unit * count + "a"
        started = time.process_time()
        split_words(text)
        return time.process_time() - started

    seconds(1000)
    # Ten times the text takes ten times as long; if every place looked to the end it would be a hundred.
    assert min(seconds(100_000) for _ in range(2)) < 40 * max(seconds(10_000), 0.005)


def test_a_long_run_is_several_words_and_loses_nothing() -> None:
    text = "x" * (2 * MAX_WORD_CHARACTERS + 5)
    assert [len(word) for word in words_of(text)] == [MAX_WORD_CHARACTERS, MAX_WORD_CHARACTERS, 5]
