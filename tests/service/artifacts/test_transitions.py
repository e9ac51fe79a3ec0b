import json
import math
from pathlib import Path

import pytest

from build_models.artifacts.transitions import count_transitions, write_transitions
from service.artifacts.manifest import ArtifactError
from service.artifacts.transitions import TRANSITIONS, read_transitions

LABELS = ["O", "B-PER", "I-PER"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_transitions(tmp_path, count_transitions([["O", "B-PER", "I-PER"]], LABELS, weight=0.7))
    return tmp_path


def test_what_is_written_is_read(folder: Path) -> None:
    assert read_transitions(folder, LABELS) == count_transitions([["O", "B-PER", "I-PER"]], LABELS, weight=0.7)


def test_an_artefact_may_have_none(tmp_path: Path) -> None:
    assert read_transitions(tmp_path, LABELS) is None


def test_those_of_other_labels_are_refused(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"transitions\.json is for the labels O, B-PER, I-PER, not O, B-LOC"):
        read_transitions(folder, ["O", "B-LOC"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": [0.5, -1, -1]}, "first.0"),
        ({"first": [-1, -1]}, "differ in length"),
        ({"following": [[-1, -1, -1]] * 2}, "differ in length"),
        ({"following": [[-1, -1, math.inf]] * 3}, "following.0.2"),
        ({"weight": -1}, "weight"),
        ({"weight": math.nan}, "weight"),
        ({"more": 1}, "more"),
    ],
)
def test_a_field_that_is_wrong_is_named(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / TRANSITIONS
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match=rf"transitions\.json cannot be read: .*{message}"):
        read_transitions(folder, LABELS)


def test_a_file_cut_in_half_is_refused(folder: Path) -> None:
    path = folder / TRANSITIONS
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ArtifactError, match=r"transitions\.json cannot be read"):
        read_transitions(folder, LABELS)
