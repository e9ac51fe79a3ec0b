"""MasakhaNER itself, where it is at hand: it may not be copied into the project."""

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from build_models.data.datasets import Dataset
from build_models.data.folders import read_all, read_documents
from build_models.data.joining import compare
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


def in_iob1(labels: Sequence[str]) -> list[str]:
    """Written down without the project's code; a stray I- of the files begins an entity."""
    result, previous = [], "O"
    for label in labels:
        beside = label.startswith("B-") and previous[2:] == label[2:]
        result.append(label if label == "O" or beside else f"I-{label[2:]}")
        previous = label
    return result


def in_iobes(labels: Sequence[str]) -> list[str]:
    result, previous = [], "O"
    for label, following in zip(labels, [*labels[1:], "O"], strict=False):
        begins = label.startswith("B-") or (label != "O" and previous[2:] != label[2:])
        goes_on = label != "O" and following == f"I-{label[2:]}"
        prefix = {(True, True): "B", (True, False): "S", (False, True): "I", (False, False): "E"}[begins, goes_on]
        result.append(label if label == "O" else f"{prefix}-{label[2:]}")
        previous = label
    return result


def rewrite(source: Path, target: Path, form: str) -> None:
    """One file in another form, line by line."""
    sentences: list[list[list[str]]] = [[]]
    for line in source.read_text(encoding="utf-8-sig").split("\n"):
        if line.strip():
            sentences[-1].append(line.split())
        else:
            sentences.append([])
    lines = []
    for sentence in sentences:
        labels = [columns[-1] for columns in sentence]
        labels = in_iob1(labels) if form == "IOB1" else in_iobes(labels) if form == "IOBES" else labels
        for number, (columns, label) in enumerate(zip(sentence, labels, strict=True), 1):
            lines.append(f"{number}\tNN\t" * (form == "numbers") + f"{columns[0]} {label}")
        lines.append("")
    if form == "numbers":
        lines = [re.sub(r"^(\d+)\tNN\t(\S+) (\S+)$", "\\1\t\\2\tNN\t\\3", line) for line in lines]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("form", ["IOB1", "IOBES", "numbers"])
def test_a_copy_in_another_form_is_the_same_data_set(masakhaner: Dataset, tmp_path: Path, form: str) -> None:
    for path in FOLDER.glob("*/*.txt"):
        rewrite(path, tmp_path / path.parent.name / path.name, form)
    copy = load_data(str(tmp_path), None, None, seed=42, sentences=10)
    assert copy.digest == masakhaner.digest
    assert (copy.train, copy.dev, copy.test) == (masakhaner.train, masakhaner.dev, masakhaner.test)


def test_no_label_is_stray(masakhaner: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    for sentence in (*masakhaner.train, *masakhaner.dev, *masakhaner.test):
        for previous, label in pairwise(["O", *sentence.labels]):
            assert not label.startswith("I-") or previous[2:] == label[2:]
    load_data(str(FOLDER), ["hau"], None, seed=42, sentences=10)
    assert re.search(r"repaired: \d+ labels that IOB2 does not allow \(first: .*/hau/", capsys.readouterr().err)


AFRICAN = [f"masakhaner/{language}" for language in LANGUAGES] + ["crosslingual/bam", "crosslingual/fon"]


@pytest.mark.parametrize("folder", [*AFRICAN, "crosslingual/zho"])
def test_words_at_serving_are_words_of_training(folder: str) -> None:
    (splits,) = read_documents(FOLDER.parent / folder, None).values()
    returned = compare(read_all([document for documents in splits.values() for document in documents]))
    assert returned.share >= 0.99
    assert returned.share_in_entities >= 0.995
