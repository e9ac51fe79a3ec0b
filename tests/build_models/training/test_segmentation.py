from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from tokenizers import Tokenizer

from build_models.training.segmentation import WAYS, Segmentations, ranges
from tests.conftest import TEXTS

WORDS = list(dict.fromkeys(" ".join(TEXTS).split()))


@pytest.fixture
def model(tokenizer_file: Path) -> Path:
    return tokenizer_file.with_name("sentencepiece.bpe.model")


@pytest.fixture
def vocabulary(toy_tokenizer: Tokenizer) -> dict[str, int]:
    """Other numbers than SentencePiece's own, as in every XLM-R."""
    return toy_tokenizer.get_vocab()


@pytest.fixture
def segmentations(model: Path, vocabulary: dict[str, int]) -> Segmentations:
    return Segmentations(WORDS, model, vocabulary)


def drawn(segmentations: Segmentations, words: list[int], seed: int = 0) -> list[tuple[int, ...]]:
    pieces, lengths = segmentations.draw(np.array(words, dtype=np.intp), np.random.default_rng(seed))
    assert len(pieces) == lengths.sum()
    return [tuple(some.tolist()) for some in np.split(pieces, np.cumsum(lengths)[:-1])]


def test_every_way_spells_its_word(segmentations: Segmentations, toy_tokenizer: Tokenizer) -> None:
    words = list(range(len(WORDS))) * 30
    for number, pieces in zip(words, drawn(segmentations, words), strict=True):
        assert "".join(map(str, map(toy_tokenizer.id_to_token, pieces))) == f"▁{WORDS[number]}"


def test_every_one_of_the_most_probable_ways_is_drawn_as_often(
    segmentations: Segmentations, model: Path, vocabulary: dict[str, int]
) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    number, ways = max(enumerate(processor.nbest_encode(WORDS, nbest_size=WAYS)), key=lambda entry: len(entry[1]))
    assert len(ways) > 3
    times = 2_000 * len(ways)
    seen = Counter(drawn(segmentations, [number] * times))
    assert {tuple(vocabulary[processor.id_to_piece(piece)] for piece in way) for way in ways} == set(seen)
    assert list(seen.values()) == pytest.approx([times / len(ways)] * len(ways), rel=0.15)


def test_a_word_that_nothing_spells_is_unknown(model: Path, vocabulary: dict[str, int]) -> None:
    segmentations = Segmentations(["Kano", "", "\u200b", "Abuja"], model, vocabulary)
    shown = drawn(segmentations, [1, 2] * 20)
    assert set(shown[::2]) == {(vocabulary["<unk>"],)}
    names = {number: piece for piece, number in vocabulary.items()}
    for pieces in drawn(segmentations, [3] * 50):
        assert "".join(names[piece] for piece in pieces) == "▁Abuja"


def test_the_same_seed_draws_alike_and_another_does_not(
    segmentations: Segmentations, model: Path, vocabulary: dict[str, int]
) -> None:
    words = list(range(len(WORDS))) * 5
    again = Segmentations(WORDS, model, vocabulary)
    assert drawn(segmentations, words, 3) == drawn(again, words, 3) != drawn(again, words, 4)


def test_nothing_to_draw(segmentations: Segmentations) -> None:
    pieces, lengths = segmentations.draw(np.array([], dtype=np.intp), np.random.default_rng(0))
    assert len(pieces) == len(lengths) == 0


def test_ranges() -> None:
    assert ranges(np.array([5, 0, 7]), np.array([2, 0, 3])).tolist() == [5, 6, 7, 8, 9]
    assert ranges(np.array([], dtype=np.intp), np.array([], dtype=np.intp)).tolist() == []
