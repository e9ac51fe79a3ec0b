"""Data sets of the hub: parquet files by language and split, and what is wrong with others. Downloads: tests/hub."""

from collections.abc import Callable, Sequence
from pathlib import Path

import datasets
import pytest
from pyarrow import parquet

from build_models.data import hub as data_hub
from build_models.data.hub import load_hub_data, place_of
from build_models.data.loading import load_data
from build_models.errors import BuildError, DataError
from build_models.hub import Download
from service.evaluation.reading import Rules

LABELS = ["O", "B-PER", "I-PER"]
TAGS = datasets.Sequence(datasets.ClassLabel(names=LABELS))
WORDS = datasets.Sequence(datasets.Value("string"))


def rows(
    tags: object = TAGS, column: str = "ner_tags", splits: tuple[str, ...] = ("train", "validation", "test")
) -> datasets.DatasetDict:
    """A data set of one sentence a split, as the hub's client gives it."""
    features = datasets.Features({"tokens": WORDS, column: tags})
    return datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict({"tokens": [["Uhuru", "Kenyatta", split]], column: [[1, 2, 0]]}, features)
            for split in splits
        }
    )


class Repositories:
    """Stands in for downloads: the parquet files of data sets, by identifier and revision."""

    def __init__(self, folder: Path):
        self._folder = folder

    def put(self, name: str, language: str, revision: str, data: datasets.DatasetDict) -> None:
        for split, rows in data.items():
            path = self._folder / name / revision / language / split / "0000.parquet"
            path.parent.mkdir(parents=True)
            parquet.write_table(rows.data.table, path)

    def download(
        self, name: str, kind: str, revision: str, choose: Callable[[list[str]], Sequence[str]], instead: str
    ) -> Download:
        folder = self._folder / name / revision
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
        assert choose(files)
        return Download(folder, "c0ffee", files)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repositories:
    there = Repositories(tmp_path)
    monkeypatch.setattr(data_hub, "download", there.download)
    return there


def test_data_of_the_hub_is_read(hub: Repositories) -> None:
    for language in ("yor", "hau", "swa"):
        hub.put("masakhane/masakhaner", language, "refs/convert/parquet", rows())
    data = load_hub_data("masakhaner", ["swa", "hau"], None)
    assert data.languages == ["hau", "swa"]
    assert data.label_list == LABELS
    assert len(data.train) == len(data.dev) == len(data.test) == 2
    assert data.dev[0].words == ["Uhuru", "Kenyatta", "validation"]
    assert data.dev[0].labels == ["B-PER", "I-PER", "O"]
    assert load_data("masakhaner", None, None, 1, 1).languages == ["hau", "swa", "yor"]


def test_files_of_the_hub_without_parquet_keep_the_name_of_their_data_set(hub: Repositories, tmp_path: Path) -> None:
    folder = tmp_path / "somebody/names" / "main" / "swa"
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (folder / f"{split}.txt").write_text("Uhuru B-PER\nyuko O\n", encoding="utf-8")
    assert load_hub_data("somebody/names", None, "main").name == "somebody/names (swa)"


def test_a_data_set_without_languages_takes_the_one_that_is_named(hub: Repositories) -> None:
    hub.put("somebody/names", "default", "x", rows())
    assert load_hub_data("somebody/names", ["swa"], "x").languages == ["swa"]


def test_a_revision_and_an_identifier_are_passed_on(hub: Repositories) -> None:
    hub.put("somebody/names", "run", "abc123", rows())
    data = load_hub_data("somebody/names", None, "abc123")
    assert (data.languages, data.revision) == (["run"], "c0ffee")


def test_a_language_that_the_hub_has_not(hub: Repositories) -> None:
    hub.put("masakhane/masakhaner", "hau", "refs/convert/parquet", rows())
    with pytest.raises(BuildError, match=r"has no xxx; it has hau"):
        load_hub_data("masakhaner", ["xxx"], None)


def many_rows(splits: tuple[str, ...], tokens: list[list[str]], tags: list[list[str]]) -> datasets.DatasetDict:
    """The same sentences in each split, labels as strings."""
    features = datasets.Features({"tokens": WORDS, "ner_tags": WORDS})
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_dict({"tokens": tokens, "ner_tags": tags}, features) for split in splits}
    )


def test_rows_of_the_hub_are_cleaned_like_files(hub: Repositories, capsys: pytest.CaptureFixture[str]) -> None:
    tokens, tags = [["", "Uhuru Kenyatta", "yuko"]], [["I-PER", "I-PER", "O"]]
    hub.put("somebody/names", "swa", "x", many_rows(("train", "validation", "test"), tokens, tags))
    data = load_hub_data("somebody/names", None, "x")
    assert data.train[0][1:] == (["Uhuru", "Kenyatta", "yuko"], ["B-PER", "I-PER", "O"])
    said = capsys.readouterr().err
    assert "labels in IO converted to IOB2" in said
    assert "left out: 3 empty tokens (first: somebody/names, swa/train/0000.parquet, row 0, token 0)" in said
    assert "3 tokens with white space inside split into words" in said
    with pytest.raises(DataError, match=r"swa/train/0000.parquet, row 0, token 0: the token is empty"):
        load_hub_data("somebody/names", None, "x", rules=Rules(strict=True))


def test_missing_splits_of_the_hub_are_cut(hub: Repositories) -> None:
    tokens = [[f"Mtu{number}", "yuko"] for number in range(50)]
    hub.put("somebody/names", "swa", "x", many_rows(("train",), tokens, [["B-PER", "O"]] * 50))
    data = load_hub_data("somebody/names", None, "x")
    assert (len(data.train), len(data.dev), len(data.test)) == (40, 5, 5)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            rows(column="entities"),
            r"hau/test/0000.parquet: expected the columns .*; it has tokens, entities",
        ),
        (rows(splits=("validation", "test")), r"has no train split; it has dev, test"),
        (
            rows(tags=datasets.Sequence(datasets.Value("int64"))),
            r"0000.parquet: ner_tags are neither class labels",
        ),
    ],
    ids=["other columns", "no train", "numbers"],
)
def test_data_of_the_hub_with_another_shape(hub: Repositories, found: datasets.DatasetDict, message: str) -> None:
    hub.put("masakhane/masakhaner", "hau", "refs/convert/parquet", found)
    with pytest.raises(DataError, match=message):
        load_hub_data("masakhaner", None, None)


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("hau/train/0000.parquet", ("hau", "train")),
        ("hau/validation/0000.parquet", ("hau", "dev")),
        ("hau/masakhaner-test.parquet", ("hau", "test")),
        ("data/train-00000-of-00001.parquet", ("und", "train")),
        ("default/test/0000.parquet", ("und", "test")),
        ("dev.parquet", ("und", "dev")),
        ("hau/partial-train/0003.parquet", ("hau", "train")),
        ("hau/0000.parquet", ("hau", None)),
    ],
)
def test_language_and_split_of_a_parquet_file(file: str, place: tuple[str, str | None]) -> None:
    assert place_of(file) == place


def test_a_parquet_file_that_is_none(hub: Repositories, tmp_path: Path) -> None:
    hub.put("masakhane/masakhaner", "hau", "refs/convert/parquet", rows())
    path = tmp_path / "masakhane/masakhaner/refs/convert/parquet/hau/train/0000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"hau/train/0000.parquet cannot be read as parquet: "):
        load_hub_data("masakhaner", None, None)
