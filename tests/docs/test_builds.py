"""The builds in the documentation run as they are written, on small stand-ins for the reader's files."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from build_models.bundled.settings import LANGUAGES
from build_models.data.sample.generate import generate_sample
from service.evaluation.conll import to_conll
from tests import ROOT
from tests.docs.pages import Command, commands

pytestmark = pytest.mark.slow

SMALL = {"--student-epochs": "1", "--sample-sentences": "50"}
"""Added to a build that does not say otherwise: what is tested is that it runs, not how good it is."""

SMALL_TRAINING = {"--epochs": "1", "--base-steps": "2"}
"""Added to a build that trains a model. One that takes a model as it is refuses these."""

SMALL_FROM_SCRATCH = {"--epochs": "4", "--sample-sentences": "200"}
"""With less, such a model finds nothing, and is refused."""

ELSEWHERE = (
    "castorini/",
    "push ",
    "build_models bundled ",
    "experiments ",
    "results",
    "frontier",
    "CORPUS",
    "MASAKHANER",
)
"""Need the hub, a corpus or hours, and have tests of their own; the names in capitals are the reader's own files."""


def builds() -> list[Command]:
    begins = [".venv/bin/python", "-m", "build_models"]
    return [
        command
        for command in commands()
        if command.words[:3] in (begins, ["python", *begins[1:]])
        and not any(x in shlex.join(command.words) for x in ELSEWHERE)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the documentation speaks of."""
    made = tmp_path_factory.mktemp("reader")
    # With less, the bundled model, fine-tuned, finds nothing and is refused.
    dataset = generate_sample(LANGUAGES, 1, 300)
    for language in LANGUAGES:
        for split in ("train", "dev", "test"):
            sentences = [sentence for sentence in getattr(dataset, split) if sentence.language == language]
            path = made / "masakhaner" / language / f"{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_conll(sentences), encoding="utf-8")
    shutil.copytree(made / "masakhaner" / "swa", made / "swa")
    shutil.copytree(made / "swa", made / "mine")
    shutil.copy(made / "swa" / "train.txt", made / "names.tsv")
    texts = "".join(" ".join(sentence.words) + "\n" for sentence in dataset.train)
    corpus = (f"corpus/{language}.txt" for language in LANGUAGES)
    for name in ("articles/one.txt", "sentences.txt", "texts.txt", *corpus):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(texts, encoding="utf-8")
    model = ROOT / "build_models" / "bundled" / "model"
    shutil.copytree(model, made / "my-ner-model")
    for name in ("afriberta_base", "bases/mini"):
        shutil.copytree(model, made / name)
    return made


def call(folder: Path, *words: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "build_models", *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("command", builds(), ids=[command.place for command in builds()])
def test_a_documented_build_runs(command: Command, folder: Path) -> None:
    words = command.words[3:]
    if not words or words[0].startswith("-"):
        trains = not {"--base", "--data", "--from-scratch"}.isdisjoint(words) and "--model" not in words
        small = {**SMALL, **(SMALL_TRAINING if trains else {})}
        small |= SMALL_FROM_SCRATCH if "--from-scratch" in words else {}
        if "bundled" in words and trains:
            # One epoch is too few, and with its own number this base needs seconds.
            del small["--epochs"]
        words += [word for option, value in small.items() if option not in words for word in (option, value)]
        words += [] if "--variants" in words else ["--variants", "dense,dynamic"]
    if "--pocket-loss" in words:
        # Models that learnt so little lose much.
        words[words.index("--pocket-loss") + 1] = "100"
    if words[:1] == ["pretrain"]:
        words += ["--shape", "tiny", "--vocabulary", "500", "--steps", "2"]
        words[words.index("--out") + 1] = "bases/new"
    if words[:1] == ["evaluate"]:
        # Of a build on labelled data, whatever the page before it made.
        artifacts = words[words.index("--artifacts") + 1] if "--artifacts" in words else "artifacts"
        shutil.rmtree(folder / artifacts, ignore_errors=True)
        data = ["--model", "./my-ner-model", "--data", "./masakhaner", "--variants", "dense,dynamic"]
        call(folder, *data, "--student-epochs", "1", "--out", artifacts)
    call(folder, *words)
