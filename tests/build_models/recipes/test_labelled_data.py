"""Labelled data as people have it, through the commands that they type."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from typer.testing import CliRunner, Result

from build_models.__main__ import cli
from build_models.artifacts.scores import open_artifact
from build_models.data.sample.generate import generate_sample
from service.artifacts.manifest import read_manifest
from service.evaluation.conll import Sentence, to_conll
from service.ner.pipeline import label_sentences

SPLITS = ("train", "dev", "test")
QUICK = ("--variants", "dense", "--base-steps", "5", "--vocabulary", "400", "--max-length", "64", "--overlap", "16")


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(cli, arguments)


def said(result: Result) -> str:
    return re.sub(r"(?m)^ *[\d.]+ s  ", "", result.stderr)


def in_iob1(labels: Sequence[str]) -> list[str]:
    """Written down without the project's code."""
    result, previous = [], "O"
    for label in labels:
        begins_beside = label.startswith("B-") and previous[2:] == label[2:]
        result.append(label if label == "O" or begins_beside else f"I-{label[2:]}")
        previous = label
    return result


def in_iobes(labels: Sequence[str]) -> list[str]:
    result = []
    for label, following in zip(labels, [*labels[1:], "O"], strict=True):
        goes_on = following == f"I-{label[2:]}"
        last = {"B": "S", "I": "E", "O": "O"}[label[0]]
        result.append(label if goes_on else f"{last}{label[1:]}")
    return result


@pytest.fixture(scope="module")
def sample() -> dict[str, list[Sentence]]:
    dataset = generate_sample(("swa",), seed=3, sentences=250)
    return {split: getattr(dataset, split) for split in SPLITS}


def write(folder: Path, sample: dict[str, list[Sentence]], form: str = "iob2") -> Path:
    (folder / "swa").mkdir(parents=True)
    for split, sentences in sample.items():
        if form == "iob1":
            sentences = [sentence._replace(labels=in_iob1(sentence.labels)) for sentence in sentences]
        elif form == "iobes":
            sentences = [sentence._replace(labels=in_iobes(sentence.labels)) for sentence in sentences]
        text = to_conll(sentences)
        if form == "numbers":
            text = "\n\n".join(
                "\n".join(f"{number}\t{line.replace(' ', chr(9))}" for number, line in enumerate(lines.split("\n"), 1))
                for lines in text.strip().split("\n\n")
            )
        (folder / "swa" / f"{split}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def dense(sample: dict[str, list[Sentence]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build from the sample in IOB2."""
    folder = tmp_path_factory.mktemp("dense")
    result = run("--data", str(write(folder / "data", sample)), "--out", str(folder / "out"), "--epochs", "6", *QUICK)
    assert result.exit_code == 0, result.output
    assert read_manifest(folder / "out" / "dense").metrics["test"].f1 > 0.3
    return folder / "out"


@pytest.mark.parametrize(
    ("form", "note"),
    [
        ("iob1", "data: labels in IO converted to IOB2"),
        ("iobes", "data: labels in IOBES converted to IOB2"),
        ("numbers", "data: words in column 2 of 3 (column 1 counts them), labels in column 3: "),
    ],
)
def test_a_build_from_another_form_is_the_same_build(
    dense: Path, sample: dict[str, list[Sentence]], tmp_path: Path, form: str, note: str
) -> None:
    data = write(tmp_path / "data", sample, form)
    result = run("--data", str(data), "--out", str(dense), "--epochs", "6", *QUICK)
    assert result.exit_code == 0, result.output
    assert note in said(result)
    assert "dense: unchanged, kept" in said(result), "the data is the same, digest included"


def test_a_typo_among_the_labels_is_said(sample: dict[str, list[Sentence]], tmp_path: Path) -> None:
    data = write(tmp_path / "data", sample)
    train = data / "swa" / "train.txt"
    train.write_text("Kano B-PRE\nni O\n\n" + train.read_text(encoding="utf-8"), encoding="utf-8")
    (data / "swa" / "dev.txt").write_text("Kano PER\n")
    result = run("--data", str(data), "--out", str(tmp_path / "out"), *QUICK)
    assert result.exit_code == 1
    assert f"error: {data / 'swa' / 'dev.txt'}, line 1: unknown label 'PER'" in result.stderr
    (data / "swa" / "dev.txt").write_text("Kano B-PLACE\n")
    result = run("--data", str(data), "--out", str(tmp_path / "out"), *QUICK)
    assert f"warning: PRE occurs once in train (first: {train}, line 1): is it an entity type?" in said(result)
    assert f"error: {data / 'swa' / 'dev.txt'}, line 1: dev of swa has the label 'B-PLACE'" in result.stderr


def test_a_build_refuses_repairs_if_it_is_to_be_strict(sample: dict[str, list[Sentence]], tmp_path: Path) -> None:
    data = write(tmp_path / "data", sample)
    with (data / "swa" / "test.txt").open("a", encoding="utf-8") as file:
        file.write("Ruto I-PER\nyuko O\n")
    result = run("--data", str(data), "--strict", "--out", str(tmp_path / "out"), *QUICK)
    assert result.exit_code == 1
    assert re.search(
        r"error: .*/test.txt, line \d+: 'I-PER' begins a sentence, which IOB2 does not allow", result.stderr
    )
    result = run("--data", str(data), "--scheme", "io", "--out", str(tmp_path / "out"), *QUICK)
    assert "IO has no label 'B-" in result.stderr
    assert "'iob3'; choose from iob2, iob1" in run("--data", str(data), "--scheme", "iob3").stderr.replace("│\n│ ", "")


def test_a_model_that_learnt_nothing_is_an_error(sample: dict[str, list[Sentence]], tmp_path: Path) -> None:
    data = write(tmp_path / "data", sample)
    nothing = ("--epochs", "1", "--learning-rate", "1e-9", "--matrix-learning-rate", "1e-9")
    result = run("--data", str(data), "--out", str(tmp_path / "out"), *nothing, *QUICK)
    assert result.exit_code == 1
    (line,) = (line for line in result.stderr.splitlines() if "error: " in line)
    assert re.search(r"dense finds none of the \d+ entities of dev after training", line)
    for look_at in ("--scheme", "--epochs (now 1)", "--learning-rate (now 1e-09)", "250 sentences", "PER"):
        assert look_at in line
    assert not (tmp_path / "out" / "dense").exists()


def evaluate(artifacts: Path, data: Path, *options: str) -> Result:
    return run("evaluate", "--artifacts", str(artifacts), "--variants", "dense", "--data", str(data), *options)


@pytest.mark.parametrize("form", ["iob2", "iob1", "iobes", "numbers", "repairs"])
def test_evaluate_has_the_scores_of_seqeval(
    dense: Path, sample: dict[str, list[Sentence]], tmp_path: Path, form: str
) -> None:
    data = write(tmp_path / "data", sample, form)
    gold = sample["test"]
    if form == "repairs":
        (test,) = data.glob("*/test.txt")
        test.write_text(re.sub(r"(?m)^(\w+) B-(\w+)\n", r"\1 I-\2\n", test.read_text(encoding="utf-8"), count=3))
    result = evaluate(dense, data, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    _, pipeline = open_artifact(dense / "dense", 1)
    predicted = list(label_sentences(pipeline, (sentence.words for sentence in gold)))
    expected = [
        function([sentence.labels for sentence in gold], predicted, mode="strict", scheme=IOB2, average="micro")
        for function in (precision_score, recall_score, f1_score)
    ]
    assert [answer[name] for name in ("precision", "recall", "f1")] == pytest.approx(expected, abs=5e-5)
    assert answer["repaired"] == (3 if form == "repairs" else 0)
    assert (answer["examples"], list(answer["languages"])) == (len(gold), ["swa"])


def test_evaluate_says_what_it_read(dense: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("Rais\tO\n\tO\nWilliam Ruto\tI-PER\n", encoding="utf-8")
    result = evaluate(dense, path)
    assert result.exit_code == 0, result.output
    assert "data: labels in IO converted to IOB2" in result.stderr
    assert f"data: left out: 1 empty token (first: {path}, line 2)" in result.stderr
    result = evaluate(dense, path, "--strict")
    assert result.exit_code == 1
    assert f"error: {path}, line 2: the token is empty" in result.stderr
    path.write_text("Rais\tO\nRuto\tB-XYZ\n", encoding="utf-8")
    assert f"error: {path}, line 2: the variant does not know the label 'B-XYZ'" in evaluate(dense, path).stderr
    path.write_bytes(b"Rais\tO\nb\xe9\tO\n")
    assert f"error: {path}, line 2: not UTF-8" in evaluate(dense, path).stderr


def test_words_that_come_back(tmp_path: Path) -> None:
    path = tmp_path / "luo.txt"
    path.write_text("Ochieng' B-PER\nnobiro O\n. O\n[/b]. B-PER\n", encoding="utf-8")
    result = run("words", "--data", str(path))
    assert result.exit_code == 0, result.output
    (row,) = (line for line in result.stdout.splitlines() if "luo" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["luo", "4", "75.00%", "2", "50.00%", "[/b]."]
    assert "error: /nowhere is neither a file nor a folder" in run("words", "--data", "/nowhere").stderr
