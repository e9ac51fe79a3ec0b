from pathlib import Path

import pytest

from build_models.data import loading
from build_models.data.datasets import SPLITS, Dataset, checked, choose
from build_models.data.folders import read_conll, read_folder
from build_models.data.loading import load_data
from build_models.errors import BuildError, DataError
from service.evaluation.conll import Sentence, to_conll

TWO_SENTENCES = [
    Sentence("hau", ["Buhari", "ya", "isa"], ["B-PER", "O", "O"]),
    Sentence("hau", ["Kano", "."], ["B-LOC", "O"]),
]


def read(folder: Path, contents: str | bytes) -> list[Sentence]:
    path = folder / "train.txt"
    path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
    return read_conll(path, "hau")


def refuse(folder: Path, contents: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, contents)
    message = str(caught.value)
    assert str(folder / "train.txt") in message
    return message


@pytest.mark.parametrize(
    "contents",
    [
        "Buhari B-PER\nya O\nisa O\n\nKano B-LOC\n. O\n",
        "\ufeffBuhari B-PER\nya O\nisa O\n\nKano B-LOC\n. O",
        "Buhari B-PER\r\nya O\r\nisa O\r\n\r\nKano B-LOC\r\n. O\r\n",
        "Buhari\tB-PER\nya\tO\nisa \t O\n \t\nKano\tB-LOC\n.\tO\n",
        "Buhari NNP x B-PER\nya V x O\nisa V x O\n\nKano NNP x B-LOC\n. . x O\n",
        "-DOCSTART- -X- O O\n\nBuhari B-PER\nya O\nisa O\n\n-DOCSTART- O\n\n\n\nKano B-LOC\n. O\n\n\n",
        "-DOCSTART-\n\nBuhari B-PER\nya O\nisa O\n\nKano B-LOC\n. O\n",
    ],
    ids=["plain", "byte-order mark", "CRLF", "tabs", "columns", "DOCSTART", "bare DOCSTART"],
)
def test_forms_that_are_read(tmp_path: Path, contents: str) -> None:
    assert read(tmp_path, contents) == TWO_SENTENCES


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    assert read(tmp_path, to_conll(TWO_SENTENCES)) == TWO_SENTENCES


def test_a_line_separator_of_unicode_is_no_new_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a\u2028b O\n")[0].words == ["a\u2028b"]


def test_one_column_names_file_and_line(tmp_path: Path) -> None:
    assert "line 4: 'Kano' has one column" in refuse(tmp_path, "Buhari B-PER\nya O\n\nKano\n")


@pytest.mark.parametrize("label", ["PER", "E-PER", "B-", "o", "B_PER", "0"])
def test_an_unknown_label_names_file_and_line(tmp_path: Path, label: str) -> None:
    assert f"line 2: unknown label {label!r}" in refuse(tmp_path, f"Buhari B-PER\nya {label}\n")


def test_text_that_is_not_utf_8_names_file_and_line(tmp_path: Path) -> None:
    assert "line 3: not UTF-8" in refuse(tmp_path, b"Buhari B-PER\nya O\nb\xe9 O\n")


@pytest.mark.parametrize("contents", ["", "\n\n", "\ufeff", "-DOCSTART- O\n\n"])
def test_a_file_without_a_sentence_is_refused(tmp_path: Path, contents: str) -> None:
    assert "no sentence" in refuse(tmp_path, contents)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file") as caught:
        read_conll(tmp_path / "dev.txt", "hau")
    assert str(tmp_path / "dev.txt") in str(caught.value)


def write_language(folder: Path, language: str, **splits: str) -> None:
    (folder / language).mkdir()
    for split in SPLITS:
        (folder / language / f"{split}.txt").write_text(splits.get(split, "Buhari B-PER\nya O\n"))


def test_a_folder_holds_languages(tmp_path: Path) -> None:
    write_language(tmp_path, "hau", test="Kano B-PER\n")
    write_language(tmp_path, "amh")
    dataset = read_folder(tmp_path, None)
    assert dataset.languages == ["amh", "hau"]
    assert [sentence.language for sentence in dataset.train] == ["amh", "hau"]
    assert dataset.test[1] == Sentence("hau", ["Kano"], ["B-PER"])
    assert read_folder(tmp_path, ["hau"]).languages == ["hau"]


def test_an_unknown_language_lists_what_there_is(tmp_path: Path) -> None:
    write_language(tmp_path, "hau")
    write_language(tmp_path, "amh")
    with pytest.raises(BuildError, match="has no xyz; it has amh, hau"):
        read_folder(tmp_path, ["hau", "xyz"])


def test_the_order_asked_for_does_not_matter() -> None:
    assert choose(["yor", "amh", "amh"], ["amh", "hau", "yor"], "here") == ["amh", "yor"]
    assert choose(None, ["amh", "hau"], "here") == ["amh", "hau"]


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no <language>/train") as caught:
        load_data(str(tmp_path), None, None, 0, 10)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(DataError, match="is no folder"):
        load_data(name, None, None, 0, 10)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_label_that_training_has_not_is_refused(tmp_path: Path, split: str) -> None:
    write_language(tmp_path, "hau", **{split: "Kano B-LOC\n"})
    with pytest.raises(DataError, match=f"{split} of hau has the label 'B-LOC'.*it has B-PER, I-PER, O"):
        read_folder(tmp_path, None)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("word", ["", "New York", " ", "a\tb", "a\n", "\r"])
def test_a_word_that_conll_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch, split: str, word: str) -> None:
    """Only the hub can have them."""
    good = Sentence("hau", ["Kano\u00a0City"], ["O"])
    splits = {name: [good] for name in SPLITS}
    splits[split] = [good, Sentence("hau", ["a", word], ["O", "O"])]
    monkeypatch.setattr(loading, "load_hub_data", lambda *_: Dataset("toy", **splits))
    with pytest.raises(DataError) as caught:
        load_data("some/data", None, None, 0, 10)
    assert str(caught.value).startswith(f"toy: {split} of hau has the word {word!r}:")


def test_an_inside_is_known_where_training_has_only_the_begin(tmp_path: Path) -> None:
    write_language(tmp_path, "hau", test="Muhammadu B-PER\nBuhari I-PER\n")
    assert read_folder(tmp_path, None).test[0].labels == ["B-PER", "I-PER"]


def dataset_of(labels: list[str], name: str = "toy") -> Dataset:
    sentence = Sentence("hau", [f"word{number}" for number in range(len(labels))], labels)
    return Dataset(name, [sentence], [sentence], [sentence])


def test_the_label_list_is_sorted_whatever_the_order_in_the_data() -> None:
    expected = ["O", "B-DATE", "I-DATE", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert dataset_of(["B-PER", "O", "I-LOC", "B-DATE"]).label_list == expected
    assert dataset_of(["B-DATE", "I-DATE", "B-LOC", "B-PER"]).label_list == expected
    assert checked(dataset_of(["O"])).label_list == ["O"]


def test_the_digest_changes_with_every_label_word_and_split() -> None:
    labels = ["B-PER", "I-PER", "O", "B-LOC"]
    base = dataset_of(labels)
    digests = {base.digest}
    for place in range(len(labels)):
        digests.add(dataset_of([*labels[:place], "B-ORG", *labels[place + 1 :]]).digest)
    [sentence] = base.train
    digests.add(Dataset("toy", [sentence._replace(words=["other", *sentence.words[1:]])], base.dev, base.test).digest)
    digests.add(Dataset("toy", [sentence._replace(language="amh")], base.dev, base.test).digest)
    digests.add(Dataset("toy", base.train, [], base.test).digest)
    digests.add(Dataset("toy", base.train, base.dev, base.test * 2).digest)
    assert len(digests) == 1 + len(labels) + 4


def test_the_digest_is_that_of_the_contents_not_of_the_name() -> None:
    assert dataset_of(["O"], "one").digest == dataset_of(["O"], "two").digest
