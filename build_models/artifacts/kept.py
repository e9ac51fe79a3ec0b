"""The test split that is kept next to the artefacts, for accuracy checks."""

import shutil
from pathlib import Path

from build_models.data.datasets import Dataset
from build_models.workspace.replaced import DATA
from service.artifacts.manifest import PREVIOUS, flush, replace_folder
from service.evaluation.conll import to_conll


def keep_test_split(artifacts: Path, dataset: Dataset) -> None:
    """Write the test split next to the artefacts."""
    folder = artifacts / DATA
    files = {
        f"{language}.conll": to_conll(sentence for sentence in dataset.test if sentence.language == language).encode()
        for language in dataset.tested_languages
    }
    if folder.is_dir() and files == {path.name: path.read_bytes() for path in folder.glob("*.conll")}:
        return
    draft = folder.with_name(f".{DATA}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, content in files.items():
        (draft / name).write_bytes(content)
    flush(draft)
    replace_folder(draft, folder, artifacts / PREVIOUS / DATA)


def drop_test_split(artifacts: Path) -> None:
    """Move the test split of an earlier build away: the variants that are there now were not made with it."""
    folder, previous = artifacts / DATA, artifacts / PREVIOUS / DATA
    if folder.is_dir():
        shutil.rmtree(previous, ignore_errors=True)
        previous.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(previous)
