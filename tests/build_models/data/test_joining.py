"""Sentences written as text, and the words of it that come back."""

import pytest

from build_models.data.joining import compare, join
from service.evaluation.conll import Sentence


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Rais", "Ruto", "(", "57", ")", "yuko", ",", "leo", "."], "Rais Ruto (57) yuko, leo."),
        (["ga", "-", "abịa"], "ga-abịa"),
        (["Kano", "-", "!"], "Kano -!"),
        (["2", ",", "000", ",", "na"], "2,000, na"),
        (['""""', "Habari", '""""', "alisema"], '""""Habari"""" alisema'),
        (["Ochieng’", "Nyong'o"], "Ochieng’ Nyong'o"),
        (["李", "明", "在", "北", "京", "。"], "李明在北京。"),
        (["he", "'s"], "he's"),
        ([], ""),
    ],
)
def test_a_sentence_is_written_as_people_write(words: list[str], text: str) -> None:
    written, spans = join(words)
    assert written == text
    assert [written[start:end] for start, end in spans] == words


def test_what_comes_back_is_counted() -> None:
    sentence = Sentence("swa", ["Dkt.", "Ochieng'", "yuko", "."], ["B-PER", "I-PER", "O", "O"])
    returned = compare([sentence])
    assert (returned.words, returned.same) == (4, 2 + 1)
    assert (returned.share, returned.share_in_entities) == (3 / 4, 1 / 2)
    assert returned.lost == {"Dkt.": 1}
