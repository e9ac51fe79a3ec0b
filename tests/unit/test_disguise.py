"""Disguising names in training: which pieces change, into what, and how often."""

import pytest
import torch

from build_models.disguise import Disguise, kind
from build_models.layout import IGNORED, UNKNOWN

LABELS = ["O", "B-PER", "I-PER", "B-DATE"]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁Mu", "▁Ru", "▁Ki", "ham", "to", "▁na", "▁ya", "▁5", "<mask>"]
MU, HAM, NA, FIVE, TO = (PIECES.index(piece) for piece in ("▁Mu", "ham", "▁na", "▁5", "to"))
ROW = torch.tensor([[0, MU, HAM, MU, NA, FIVE, 2, 1]])
"""<s> Muham Mu na 5 </s> <pad>"""
ROW_LABELS = torch.tensor([[IGNORED, 1, IGNORED, 2, 0, 3, IGNORED, IGNORED]])


def test_only_names_are_hidden_and_whole_words_of_them() -> None:
    torch.manual_seed(0)
    shown = Disguise(PIECES, LABELS, hidden=1.0, respelled=0.0)(ROW, ROW_LABELS)
    assert shown.tolist() == [[0, UNKNOWN, UNKNOWN, UNKNOWN, NA, FIVE, 2, 1]]


def test_a_respelled_name_has_pieces_of_the_same_kind() -> None:
    torch.manual_seed(0)
    disguise = Disguise(PIECES, LABELS, hidden=0.0, respelled=1.0)
    seen = torch.stack([disguise(ROW, ROW_LABELS)[0] for _ in range(50)])
    assert {PIECES[piece] for piece in seen[:, 1].tolist()} == {"▁Mu", "▁Ru", "▁Ki"}
    assert {PIECES[piece] for piece in seen[:, 2].tolist()} == {"ham", "to"}
    unchanged = [0, 4, 5, 6, 7]
    assert (seen[:, unchanged] == ROW[:, unchanged]).all()


@pytest.mark.parametrize(("hidden", "respelled"), [(0.2, 0.3), (0.0, 0.5), (0.5, 0.0)])
def test_shares_count_words(hidden: float, respelled: float) -> None:
    torch.manual_seed(0)
    rows = 2000
    shown = Disguise(PIECES, LABELS, hidden, respelled)(ROW.repeat(rows, 1), ROW_LABELS.repeat(rows, 1))
    hides = (shown[:, [1, 3]] == UNKNOWN).float().mean()
    assert hides == pytest.approx(hidden, abs=0.03)
    # The pieces of a word are hidden together.
    assert ((shown[:, 1] == UNKNOWN) == (shown[:, 2] == UNKNOWN)).all()
    # A third of the respelled ones draw the piece that they had.
    changed = ((shown[:, 3] != MU) & (shown[:, 3] != UNKNOWN)).float().mean()
    assert changed == pytest.approx(respelled * 2 / 3, abs=0.03)


def test_a_window_that_begins_inside_a_word_keeps_its_beginning() -> None:
    pieces = torch.tensor([[0, HAM, TO, MU, 2]])
    labels = torch.tensor([[IGNORED, IGNORED, IGNORED, 1, IGNORED]])
    shown = Disguise(PIECES, LABELS, hidden=1.0, respelled=0.0)(pieces, labels)
    assert shown.tolist() == [[0, HAM, TO, UNKNOWN, 2]]


def test_kinds_tell_place_case_and_script() -> None:
    assert kind("▁Mu") == kind("▁Ru") == (True, "capitalised", "LATIN")
    assert kind("mu") == (False, "letters", "LATIN")
    assert kind("▁ሙሉ") == (True, "letters", "ETHIOPIC")
    assert kind("▁") == (True, "", "")
