"""Labelled data that was made to hurt: long runs, wide lines, words that look like something else."""

import time

import pytest

from service.evaluation.conll import LabelledDataError, Sentence, parse_conll, parse_written, to_conll
from service.ner.words import split_words


@pytest.mark.parametrize(
    "text",
    ["\r" * 400_000, "a\tO\nb\tO\nc\tO" + "\t" * 400, "a O\n" * 1000 + "\r" * 200_000 + "b O"],
    ids=["carriage returns", "tabs at the end", "carriage returns in the middle"],
)
def test_reading_takes_time_by_its_length(text: str) -> None:
    started = time.process_time()
    parse_conll("data", "swa", text)
    assert time.process_time() - started < 2


def test_a_run_of_flags_is_split_in_time_by_its_length() -> None:
    started = time.process_time()
    assert len(split_words("\U0001f1e6" * 100_000)) == 50_000
    assert time.process_time() - started < 2


def test_a_line_of_too_many_columns_is_refused() -> None:
    with pytest.raises(LabelledDataError, match="line 2: more than 500 columns"):
        parse_conll("data", "swa", "a O\n" + "b " * 501 + "O")


@pytest.mark.parametrize("word", ["#id=5", "#Kenya=bora", "#", "#Nairobi"])
def test_a_hashtag_with_a_label_is_a_word(word: str) -> None:
    (row,) = parse_conll("data", "swa", f"Nairobi B-LOC\n{word} O\nleo O").rows
    assert list(row.words) == ["Nairobi", word, "leo"]


@pytest.mark.parametrize("comment", ["# sent_id = swa-1", "# text = Rais O", "# newdoc", "#id=5"])
def test_comments_are_no_words(comment: str) -> None:
    (row,) = parse_conll("data", "swa", f"{comment}\nNairobi B-LOC\nleo O").rows
    assert list(row.words) == ["Nairobi", "leo"]


@pytest.mark.parametrize(
    "text",
    ["1 Nairobi B-LOC\n2 ni O\n3 mji O\n\n7 x O\n8 y O\n", "1 Nairobi B-LOC\n2 ni O\n2-3 del O\n3 mji O\n4 x O\n"],
    ids=["counted from elsewhere", "a range"],
)
def test_running_numbers_with_gaps_are_no_words(text: str) -> None:
    document = parse_conll("data", "swa", text)
    assert document.rows[0].words[0] == "Nairobi"
    assert "words in column 2 of 3" in document.notes[0]


def test_what_is_written_is_read_back() -> None:
    words = ["#id=5", "-DOCSTART-", "#", "\ufeffa", "sw:Nairobi", "1", "\u00a0", "Nairobi"]
    sentences = [Sentence("swa", words, ["O"] * 7 + ["B-LOC"]), Sentence("swa", ["leo"], ["O"])]
    assert parse_written(to_conll(sentences), "swa") == sentences
    for damaged in ("Nairobi", " O", "Nairobi "):
        with pytest.raises(ValueError, match=r"line 1: .* is not a word and its label"):
            parse_written(damaged, "swa")
