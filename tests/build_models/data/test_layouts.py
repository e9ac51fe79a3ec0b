"""Files and folders of labelled data: which are read, how missing splits are cut, and what is said."""

import json
from pathlib import Path

import pytest

from build_models.data import loading
from build_models.data.assembly import cut_missing
from build_models.data.datasets import SPLITS, Dataset
from build_models.data.folders import SUFFIXES, documents_to_check
from build_models.data.loading import load_data
from build_models.errors import BuildError, DataError
from service.evaluation.conll import Sentence
from service.evaluation.reading import Rules, read

SMALL = "Buhari B-PER\nya O\n"


def write(folder: Path, **files: str) -> Path:
    """Files by name, with __ for a slash and _ for a point."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def many(count: int, kind: str = "PER") -> str:
    return "".join(f"Mtu{number} B-{kind}\nyuko O\n\nhapana{number} O\n\n" for number in range(count))


def test_a_readme_beside_the_folders_of_languages_is_no_data(tmp_path: Path) -> None:
    folder = write(
        tmp_path, README_txt="About these data.\n", NOTES_txt="x\n", hau__train_txt=many(30), swa__train_txt=many(30)
    )
    assert load(folder).languages == ["hau", "swa"]
    lone = write(tmp_path / "other", swa_txt=many(30), notes__README_txt="About these data.\n", notes__MORE_txt="x\n")
    assert len(load(lone, ["swa"]).train) > 20


def test_a_training_set_alone_is_not_checked_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no test split of hau: give the file to check on"):
        documents_to_check(write(tmp_path, hau__train_txt=many(3)), None)
    assert len(documents_to_check(write(tmp_path / "other", hau__mine_txt=many(3)), None)) == 1


def load(path: Path | str, languages: list[str] | None = None, seed: int = 42, rules: Rules = Rules()) -> Dataset:  # noqa: B008
    return load_data(str(path), languages, None, seed, 10, rules)


def texts(sentences: list[Sentence]) -> list[str]:
    return [" ".join(sentence.words) for sentence in sentences]


def sizes(dataset: Dataset) -> list[int]:
    return [len(getattr(dataset, split)) for split in SPLITS]


def test_a_folder_of_languages(tmp_path: Path) -> None:
    write(tmp_path, hau__train_txt=SMALL, hau__dev_txt=SMALL, hau__test_txt="Kano B-PER\n")
    write(tmp_path, amh__train_txt=SMALL, amh__dev_txt=SMALL, amh__test_txt=SMALL)
    dataset = load(tmp_path)
    assert dataset.languages == ["amh", "hau"]
    assert [sentence.language for sentence in dataset.train] == ["amh", "hau"]
    assert dataset.test[1] == Sentence("hau", ["Kano"], ["B-PER"])
    assert load(tmp_path, ["hau"]).languages == ["hau"]
    with pytest.raises(BuildError, match="has no xyz; it has amh, hau"):
        load(tmp_path, ["hau", "xyz"])


@pytest.mark.parametrize("dev", ["dev", "valid", "validation", "val", "devel", "Dev"])
@pytest.mark.parametrize("flat", [True, False])
def test_names_of_splits(tmp_path: Path, dev: str, flat: bool) -> None:
    folder = tmp_path / "swa"
    write(folder, train_txt=SMALL, test_txt="Kano B-PER\n", **{f"{dev}_tsv": "Rais\tB-PER\n"})
    dataset = load(folder if flat else tmp_path)
    assert (texts(dataset.dev), texts(dataset.test)) == (["Rais"], ["Kano"])
    assert dataset.languages == ["swa"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_endings_of_files(tmp_path: Path, suffix: str) -> None:
    text = SMALL if suffix != ".jsonl" else json.dumps({"tokens": ["Buhari", "ya"], "labels": ["B-PER", "O"]}) + "\n"
    for split in SPLITS:
        (tmp_path / f"{split}{suffix}").write_text(text)
    (tmp_path / "README.md").write_text("# Names\n")
    assert load(tmp_path).train[0].words == ["Buhari", "ya"]


def test_missing_splits_are_cut_with_a_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "swa", train_conll=many(50))
    dataset = load(folder)
    assert sizes(dataset) == [80, 10, 10]
    found = [texts(getattr(dataset, split)) for split in SPLITS]
    assert len({text for some in found for text in some}) == 100
    assert load(folder).digest == dataset.digest
    assert load(folder, seed=1).digest != dataset.digest
    assert "swa: dev and test cut from train with seed 42: 80 train, 10 dev, 10 test" in capsys.readouterr().err


def test_only_the_missing_split_is_cut(tmp_path: Path) -> None:
    folder = write(tmp_path / "swa", train_txt=many(50) + "\n" + SMALL, test_txt=SMALL)
    dataset = load(folder)
    assert sizes(dataset) == [91, 10, 1]
    assert texts(dataset.test) == ["Buhari ya"]
    assert "Buhari ya" in texts(dataset.train)
    assert not {*texts(dataset.dev)} & {*texts(dataset.train), *texts(dataset.test)}


def test_repeated_sentences_are_cut_together(tmp_path: Path) -> None:
    dataset = load(write(tmp_path, swa_txt=many(10) * 3 + many(10).upper().replace("B-PER", "B-PER")))
    found = [{text.lower() for text in texts(getattr(dataset, split))} for split in SPLITS]
    assert all(found)
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]


def test_a_type_does_not_leave_train_by_a_cut(tmp_path: Path) -> None:
    path = write(tmp_path, swa_txt=many(5) + "Kano B-LOC\n\nUNICEF B-ORG\n") / "swa.txt"
    for seed in range(30):
        dataset = load(path, seed=seed)
        assert {"B-LOC", "B-ORG"} <= {label for sentence in dataset.train for label in sentence.labels}
        for split in (dataset.dev, dataset.test):
            assert any("B-PER" in sentence.labels for sentence in split), "there is something to score"


def test_too_few_sentences_to_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no test, and train, of 2 different sentences, is too small"):
        load(write(tmp_path, swa_txt=SMALL * 2 + "\nyeye O\n"))


@pytest.mark.parametrize(
    ("name", "language"),
    [("swa.txt", "swa"), ("names.conll", "und"), ("swa/train.bio", "swa"), ("swa/data.iob2", "und")],
)
def test_one_file(tmp_path: Path, name: str, language: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(many(20))
    assert load(path).languages == [language]
    assert load(path, ["hau"] if language == "und" else None).languages == ["hau" if language == "und" else language]


def test_a_folder_of_one_file(tmp_path: Path) -> None:
    assert sizes(load(write(tmp_path / "swa", names_conll=many(50)))) == [80, 10, 10]
    assert load(tmp_path).languages == ["swa"]


def test_lines_of_json_may_say_their_language(tmp_path: Path) -> None:
    rows = [
        {"tokens": [f"Mtu{number}", "yuko"], "ner_tags": ["B-PER", "O"], "language": language}
        for language in ("swa", "hau")
        for number in range(20)
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    dataset = load(path)
    assert dataset.languages == ["hau", "swa"]
    assert sizes(dataset) == [32, 4, 4]
    assert load(path, ["hau"]).languages == ["hau"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: expected tokens and labels"),
        ('{"tokens": ["a"]}', "line 2: expected tokens and labels"),
        ('{"tokens": ["a"], "ner_tags": [1]}', "line 2: expected .* write the names of labels"),
        ('{"tokens": ["a", "b"], "labels": ["O"]}', "line 2: 2 tokens and 1 labels"),
        ('{"tokens": ["a"], "labels": ["PRE"]}', "line 2, token 0: unknown label 'PRE'"),
        ('{"tokens": ["\\ud800"], "labels": ["O"]}', "line 2: not JSON: .*surrogates"),
        ('{"tokens": ["a"], "labels": ["O"], "language": "../swa"}', "line 2: '../swa' is not a language code"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_wrong_lines_of_json_are_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"tokens": ["Ruto"], "labels": ["B-PER"]}\n' + line + "\n")
    with pytest.raises(DataError, match=problem) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}, line 2")


def test_what_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no labelled data in it: give a file, a folder with train"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"several files and none is called train, dev or test \(a.txt, b.txt\)"):
        load(write(tmp_path / "two", a_txt=SMALL, b_txt=SMALL))
    with pytest.raises(DataError, match="are both dev: take one of them away"):
        load(write(tmp_path / "double", train_txt=SMALL, dev_txt=SMALL, valid_txt=SMALL))
    with pytest.raises(DataError, match="has no train split; it has dev, test"):
        load(write(tmp_path / "untrained", dev_txt=SMALL, test_txt=SMALL))
    with pytest.raises(DataError, match="has no sentences"):
        load(write(tmp_path / "empty", train_txt=SMALL, dev_txt="\n", test_txt=SMALL))


def test_a_language_without_train_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, swa__train_txt=many(20), zho__test_txt=SMALL)
    assert load(tmp_path).languages == ["swa"]
    assert "without a train split, left out: zho" in capsys.readouterr().err


def test_a_path_that_exists_is_never_looked_for_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_hub_data", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", x_txt=many(20), masakhaner__swa__train_txt=many(20))
    assert load("data/x.txt").languages == ["und"]
    monkeypatch.chdir(tmp_path / "data")
    assert load("masakhaner").languages == ["swa"]
    for name, kind in (("data/y.jsonl", "file"), ("./nowhere", "folder"), ("a/b/c", "folder")):
        with pytest.raises(DataError, match=f"{name} is no {kind}"):
            load(name)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_type_that_train_does_not_have_is_refused(tmp_path: Path, split: str) -> None:
    files = {f"{name}_txt": SMALL for name in SPLITS} | {f"{split}_txt": SMALL + "Kano B-LOC\n"}
    with pytest.raises(DataError, match=f"{split}.txt, line 3: {split} of und has the label 'B-LOC'.*it has O, B-PER"):
        load(write(tmp_path, **files))


def test_rare_types_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, swa_txt=many(30) + "Kano B-PRE\nmji O\n\nhapa O\nsasa B-O\n") / "swa.txt"
    load(path)
    said = capsys.readouterr().err
    assert "entities in train: PER 2" in said
    assert "PRE 1, O 1" in said
    assert f"warning: PRE occurs once in train (first: {path}, line 151): is it an entity type?" in said
    assert f"warning: O occurs once in train (first: {path}, line 155)" in said
    assert "warning: PER" not in said


def test_what_was_done_to_the_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, swa_txt=many(30).replace("B-", "I-") + " O\n") / "swa.txt"
    load(path)
    said = capsys.readouterr().err
    assert "labels in IO converted to IOB2" in said
    assert f"left out: 1 empty token (first: {path}, line 151)" in said
    with pytest.raises(DataError, match=r"swa.txt, line 151: the token is empty"):
        load(path, rules=Rules(strict=True))


def test_the_data_to_check_a_model_on(tmp_path: Path) -> None:
    def words(path: Path, language: str | None = None) -> list[tuple[str, str]]:
        found = read(documents_to_check(path, language)).sentences
        return [(sentence.language, sentence.words[0]) for sentences in found for sentence in sentences]

    write(tmp_path, swa__train_txt=SMALL, swa__test_txt="Kano B-LOC\n", hau__test_txt="Jos B-LOC\n")
    assert words(tmp_path) == [("hau", "Jos"), ("swa", "Kano")]
    assert words(tmp_path / "swa") == [("swa", "Kano")]
    assert words(tmp_path / "swa" / "train.txt", "swa") == [("swa", "Buhari")]
    with pytest.raises(DataError, match="has no test split of swa"):
        documents_to_check(write(tmp_path / "other" / "swa", train_txt=SMALL, dev_txt=SMALL), None)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("different", "copies"), [(6, 95), (500, 500)])
def test_many_copies_of_one_sentence_neither_stop_a_cut_nor_fill_it(different: int, copies: int, seed: int) -> None:
    train = [Sentence("swa", ["Rais", f"Jina{number}"], ["O", "B-PER"]) for number in range(different)]
    train += [Sentence("swa", ["Ndiyo", "."], ["O", "O"])] * copies
    splits = {"train": train}
    cut_missing("swa", splits, seed)
    assert sum(map(len, splits.values())) == different + copies
    assert max(len(splits["dev"]), len(splits["test"])) <= 0.1 * (different + copies)
    assert all(splits.values())
