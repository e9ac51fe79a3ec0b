from pathlib import Path

import pytest

from build_models.data.datasets import Dataset, choose
from build_models.data.folders import read_sentences
from build_models.errors import DataError
from service.evaluation.conll import Sentence, to_conll

TWO_SENTENCES = [
    Sentence("hau", ["Buhari", "ya", "isa"], ["B-PER", "O", "O"]),
    Sentence("hau", ["Kano", "."], ["B-LOC", "O"]),
]


def read(folder: Path, contents: str | bytes) -> list[Sentence]:
    path = folder / "train.txt"
    path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
    return read_sentences(path, "hau")


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
        "-DOCSTART- O\nBuhari B-PER\nya O\nisa O\n-DOCSTART- O\nKano B-LOC\n. O\n",
        "Buhari B-PER\rya O\risa O\r\rKano B-LOC\r. O\r",
        "Buhari B-PER\r\r\nya O\r\r\nisa O\r\r\n\r\r\nKano B-LOC\r\r\n. O\r\r\n",
        "# newdoc\n# sent_id = hau-1\n# text = ya O\nBuhari B-PER\nya O\n# ya isa O\nisa O\n\n#\nKano B-LOC\n. O\n",
        "1 Buhari B-PER\n2 ya O\n3 isa O\n\n1 Kano B-LOC\n2 . O\n",
        "0\tBuhari\tB-PER\n1\tya\tO\n2\tisa\tO\n\n3\tKano\tB-LOC\n4\t.\tO\n",
        "1\tBuhari\tB-PER\t-\tann\n2\tya\tO\t-\tann\n3\tisa\tO\t-\tann\n\n1\tKano\tB-LOC\t-\t-\n2\t.\tO\t-\t-\n",
        "ha:Buhari\tB-PER\nha:ya\tO\nha:isa\tO\n\nha:Kano\tB-LOC\nha:.\tO\n",
        "Buhari B-PER\n O\nya O\nisa O\n\nKano B-LOC\n. O\n\n O\n",
        "Buhari\tB-PER\n\tO\nya isa\tO\n\nKano\tB-LOC\n.\tO\n",
        "Buhari B-PER\nya O\nisa O\n\nKano I-LOC\n. O\n",
        "Buhari I-PER\nya O\nisa O\n\nKano I-LOC\n. O\n",
        "Buhari S-PER\nya O\nisa O\n\nKano S-LOC\n. O\n",
        "Buhari U-PER\nya O\nisa O\n\nKano U-LOC\n. O\n",
        "Buhari PER-B\nya O\nisa O\n\nKano LOC-B\n. O\n",
        "Buhari b-per\nya o\nisa o\n\nKano b-loc\n. o\n",
    ],
    ids=[
        *("plain", "byte-order mark", "CRLF", "tabs", "columns", "DOCSTART", "bare DOCSTART", "DOCSTART without line"),
        *("CR", "CRCRLF", "comments", "numbers", "running numbers throughout", "labels not last", "language prefix"),
        *("empty tokens", "white space in a word", "stray I-", "IO", "IOBES", "BILOU", "suffix", "lower case"),
    ],
)
def test_forms_that_are_read(tmp_path: Path, contents: str) -> None:
    assert read(tmp_path, contents) == TWO_SENTENCES


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    assert read(tmp_path, to_conll(TWO_SENTENCES)) == TWO_SENTENCES


def test_a_line_separator_of_unicode_is_white_space_in_a_word_and_no_new_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a\u2028b O\n")[0].words == ["a", "b"]


def test_a_number_sign_and_hashtags_are_words(tmp_path: Path) -> None:
    assert read(tmp_path, "# O\n#EndSARS O\n#1 B-ORG\n#a=b O\n")[0].words == ["#", "#EndSARS", "#1", "#a=b"]


def test_numbers_are_words_where_nothing_else_could_be(tmp_path: Path) -> None:
    assert read(tmp_path, "1 O\n2 O\n3 B-DATE\n")[0].words == ["1", "2", "3"]
    assert read(tmp_path, "1990 CD B-DATE\n1991 CD B-DATE\n")[0].words == ["1990", "1991"]


def test_a_word_with_a_space_in_a_file_without_tabs_names_file_and_line(tmp_path: Path) -> None:
    said = refuse(tmp_path, "Nairobi B-LOC\nna O\nNew York B-LOC\n")
    assert "line 3: 'New York B-LOC' has 3 columns where the others have 2" in said
    assert "tabs" in said


def test_one_column_names_file_and_line(tmp_path: Path) -> None:
    assert "line 4: 'Kano' has one column" in refuse(tmp_path, "Buhari B-PER\nya O\n\nKano\n")


@pytest.mark.parametrize("label", ["PER", "X-PER", "B-", "-PER", "X_PER", "0", "PER-B"])
def test_an_unknown_label_names_file_and_line(tmp_path: Path, label: str) -> None:
    assert f"line 2: unknown label {label!r}" in refuse(tmp_path, f"Buhari B-PER\nya {label}\n")


def test_a_word_like_a_label_does_not_move_the_column_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "swa.txt"
    path.write_text("Ade\tB-PER\tAde\n#\tO\te-mail\nlo\tO\to\nsi\tO\tsi\n", encoding="utf-8")
    (sentence,) = read_sentences(path, "swa")
    assert sentence.words == ["Ade", "#", "lo", "si"]
    assert sentence.labels == ["B-PER", "O", "O", "O"]


def test_an_underscore_separates_a_prefix_too(tmp_path: Path) -> None:
    path = tmp_path / "swa.txt"
    path.write_text("Ade B_PER\nOju I_PER\nlo O\n", encoding="utf-8")
    (sentence,) = read_sentences(path, "swa")
    assert sentence.labels == ["B-PER", "I-PER", "O"]


def test_text_that_is_not_utf_8_names_file_and_line(tmp_path: Path) -> None:
    assert "line 3: not UTF-8" in refuse(tmp_path, b"Buhari B-PER\nya O\nb\xe9 O\n")


@pytest.mark.parametrize("contents", ["", "\n\n", "\ufeff", "-DOCSTART- O\n\n"])
def test_a_file_without_a_sentence_is_refused(tmp_path: Path, contents: str) -> None:
    assert "no sentence" in refuse(tmp_path, contents)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file") as caught:
        read_sentences(tmp_path / "dev.txt", "hau")
    assert str(tmp_path / "dev.txt") in str(caught.value)


def test_the_order_asked_for_does_not_matter() -> None:
    assert choose(["yor", "amh", "amh"], ["amh", "hau", "yor"], "here") == ["amh", "yor"]
    assert choose(None, ["amh", "hau"], "here") == ["amh", "hau"]


def dataset_of(labels: list[str], name: str = "toy") -> Dataset:
    sentence = Sentence("hau", [f"word{number}" for number in range(len(labels))], labels)
    return Dataset(name, [sentence], [sentence], [sentence])


def test_the_label_list_is_sorted_whatever_the_order_in_the_data() -> None:
    expected = ["O", "B-DATE", "I-DATE", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert dataset_of(["B-PER", "O", "I-LOC", "B-DATE"]).label_list == expected
    assert dataset_of(["B-DATE", "I-DATE", "B-LOC", "B-PER"]).label_list == expected
    assert dataset_of(["O"]).label_list == ["O"]


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
