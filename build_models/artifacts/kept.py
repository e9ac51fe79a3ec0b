"""The test split that is kept next to the artefacts, for accuracy checks."""

import json
from pathlib import Path

from build_models.data.datasets import Dataset
from build_models.workspace.replaced import DATA, Replacements
from service.artifacts.manifest import flush, remove_folder, replace_folder
from service.evaluation.conll import to_conll
from service.evaluation.labelled import SPLIT_SOURCE


def put_test_split(artifacts: Path, dataset: Dataset | None, replacements: Replacements) -> None:
    """Write the test split next to the artefacts, with the name of its data.

    Without a dataset, that of an earlier build is removed: the variants that are there now are not made with it.
    """
    folder = artifacts / DATA
    if dataset is None:
        drop_test_split(artifacts, replacements)
        return
    files = {
        f"{language}.conll": to_conll(sentence for sentence in dataset.test if sentence.language == language).encode()
        for language in dataset.tested_languages
    }
    files[SPLIT_SOURCE] = json.dumps({"name": dataset.name}, ensure_ascii=False).encode()
    if folder.is_dir() and files == {path.name: path.read_bytes() for path in folder.iterdir()}:
        return
    draft = folder.with_name(f".{DATA}.new")
    remove_folder(draft)
    draft.mkdir(parents=True)
    for name, content in files.items():
        (draft / name).write_bytes(content)
    flush(draft)
    replacements.keep(DATA)
    replace_folder(draft, folder)


def drop_test_split(artifacts: Path, replacements: Replacements) -> None:
    folder = artifacts / DATA
    if folder.is_dir():
        replacements.keep(DATA)
        draft = folder.with_name(f".{DATA}.new")
        remove_folder(draft)
        folder.rename(draft)
        remove_folder(draft)
