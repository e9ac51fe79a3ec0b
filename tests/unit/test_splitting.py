import numpy as np
import pytest

from build_models.splitting import Splitter, ways_to_split

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁Nairobi", "▁Nai", "robi", "r", "o", "bi", "x"]


def spelled(pieces: list[int]) -> str:
    return "".join(PIECES[piece] for piece in pieces)


def test_ways_begin_with_every_shorter_piece_and_go_on_with_the_longest() -> None:
    numbers = {piece: number for number, piece in enumerate(PIECES)}
    ways = ways_to_split("▁Nairobi", numbers, 8)
    assert [[PIECES[piece] for piece in way] for way in ways] == [["▁Nai", "robi"]]
    assert [[PIECES[piece] for piece in way] for way in ways_to_split("robi", numbers, 8)] == [["r", "o", "bi"]]
    assert ways_to_split("x", numbers, 8) == ways_to_split("▁", numbers, 8) == []


def test_only_chosen_pieces_are_split_and_the_spelling_stays() -> None:
    pieces = np.array([0, 5, 7, 5, 11, 2])
    chosen = np.array([False, True, True, False, True, False])
    random_state = np.random.default_rng(0)
    splitter = Splitter(PIECES)
    seen = set()
    for _ in range(50):
        made, origin = splitter.split(pieces, chosen, random_state)
        assert [spelled(made[origin == place].tolist()) for place in range(len(pieces))] == [
            PIECES[piece] for piece in pieces
        ]
        assert made[origin == 3].tolist() == [5]
        seen.add(tuple(made.tolist()))
    assert seen == {(0, *first, *second, 5, 11, 2) for first in [(5,), (6, 7)] for second in [(7,), (8, 9, 10)]}


def test_a_vocabulary_in_which_nothing_can_be_split() -> None:
    pieces = np.array([0, 3, 2])
    made, origin = Splitter(["a", "b", "c", "d"]).split(pieces, np.ones(3, dtype=bool), np.random.default_rng(0))
    assert made.tolist() == pieces.tolist()
    assert origin.tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_splits_alike(seed: int) -> None:
    def split() -> list[int]:
        pieces = np.array([5, 7] * 20)
        made, _ = Splitter(PIECES).split(pieces, np.ones(40, dtype=bool), np.random.default_rng(seed))
        return made.tolist()

    assert split() == split()
