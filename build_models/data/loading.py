"""Loads labelled data by name: a file or folder, a data set on the hub, or the bundled sample."""

from collections.abc import Sequence
from pathlib import Path

from build_models.data.datasets import Dataset
from build_models.data.folders import SUFFIXES, read_path
from build_models.data.hub import load_hub_data
from build_models.data.sample.generate import generate_sample
from build_models.errors import DataError
from service.evaluation.reading import PLAIN, Rules


def load_data(
    name: str | None,
    languages: Sequence[str] | None,
    revision: str | None,
    seed: int,
    sentences: int,
    rules: Rules = PLAIN,
) -> Dataset:
    """Load the bundled sample (``None``), a file or folder (see ``folders``), or a data set on the hub.

    ``sentences`` is the size of the sample's training split per language. An existing path is never looked up on the
    hub.
    """
    if name is None:
        return generate_sample(languages, seed, sentences)
    if Path(name).exists():
        return read_path(Path(name), languages, seed, rules)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith(SUFFIXES):
        raise DataError(f"{name} is no {'file' if Path(name).suffix in SUFFIXES else 'folder'}")
    return load_hub_data(name, languages, revision, seed, rules)
