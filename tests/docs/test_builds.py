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

SMALL = {"--epochs": "1", "--base-steps": "2", "--student-epochs": "1"}
"""Added to a build that does not say otherwise: what is tested is that it runs, not how good it is."""

ELSEWHERE = ("castorini/", "push ", "bundled ", "experiments ", "results", "frontier")
"""Need the hub, a corpus or hours, and have tests of their own."""


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
    dataset = generate_sample(LANGUAGES, 1, 30)
    for language in LANGUAGES:
        for split in ("train", "dev", "test"):
            sentences = [sentence for sentence in getattr(dataset, split) if sentence.language == language]
            path = made / "masakhaner" / language / f"{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_conll(sentences), encoding="utf-8")
    shutil.copytree(made / "masakhaner" / "swa", made / "swa")
    shutil.copy(made / "swa" / "train.txt", made / "names.tsv")
    texts = "".join(" ".join(sentence.words) + "\n" for sentence in dataset.train)
    for name in ("articles/one.txt", "sentences.txt", "texts.txt", "corpus/swa.txt", "corpus/hau.txt"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(texts, encoding="utf-8")
    model = ROOT / "build_models" / "bundled" / "model"
    shutil.copytree(model, made / "my-ner-model")
    for name in ("afriberta_base", "bases/mini"):
        shutil.copytree(model, made / name)
    return made


@pytest.mark.parametrize("command", builds(), ids=[command.place for command in builds()])
def test_a_documented_build_runs(command: Command, folder: Path) -> None:
    words = command.words[3:]
    if not words or words[0].startswith("-"):
        words += [word for option, value in SMALL.items() if option not in words for word in (option, value)]
        words += [] if "--variants" in words else ["--variants", "dense,dynamic"]
    if words[:1] == ["pretrain"]:
        words += ["--shape", "tiny", "--vocabulary", "500", "--steps", "2"]
        words[words.index("--out") + 1] = "bases/new"
    run = subprocess.run(
        [sys.executable, "-m", "build_models", *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
