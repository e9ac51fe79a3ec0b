"""MasakhaNER itself, where it is at hand: it may not be copied into the project."""

import os
from pathlib import Path

import pytest

from build_models.data.datasets import Dataset
from build_models.data.loading import load_data

LANGUAGES = ["amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor"]
FOLDER = Path(os.environ.get("KIDOGO_DATA", "")) / "masakhaner"

pytestmark = pytest.mark.skipif(
    "KIDOGO_DATA" not in os.environ or not FOLDER.is_dir(),
    reason="KIDOGO_DATA names no folder with masakhaner/ in it",
)


@pytest.fixture(scope="module")
def masakhaner() -> Dataset:
    return load_data(str(FOLDER), None, None, seed=42, sentences=10)


def test_all_ten_languages_are_read(masakhaner: Dataset) -> None:
    assert masakhaner.languages == LANGUAGES
    assert masakhaner.name == f"masakhaner ({', '.join(LANGUAGES)})"
    assert masakhaner.label_list == ["O", *(f"{p}-{t}" for t in ("DATE", "LOC", "ORG", "PER") for p in "BI")]
    for split in (masakhaner.train, masakhaner.dev, masakhaner.test):
        assert sorted({sentence.language for sentence in split}) == LANGUAGES


def test_no_sentence_is_lost(masakhaner: Dataset) -> None:
    assert (len(masakhaner.train), len(masakhaner.test)) == (18_360, 5_276)


def test_the_byte_order_mark_of_luo_is_no_part_of_its_first_word(masakhaner: Dataset) -> None:
    assert (FOLDER / "luo" / "train.txt").read_bytes().startswith(b"\xef\xbb\xbf"), "else this shows nothing"
    first = next(sentence for sentence in masakhaner.train if sentence.language == "luo")
    assert not first.words[0].startswith("\ufeff")
    assert first.words[0].isalpha()


def test_some_languages_of_it() -> None:
    some = load_data(str(FOLDER), ["yor", "hau"], None, seed=42, sentences=10)
    assert some.languages == ["hau", "yor"]
    assert 0 < len(some.test) < 2000
