"""Labelled data by name: a folder, a data set of the hub, or the bundled sample."""

from collections.abc import Sequence
from pathlib import Path

from build_models.data.datasets import Dataset, checked
from build_models.data.folders import read_folder
from build_models.data.hub import load_hub_data
from build_models.data.sample.generate import generate_sample
from build_models.errors import DataError


def load_data(
    name: str | None, languages: Sequence[str] | None, revision: str | None, seed: int, sentences: int
) -> Dataset:
    """The bundled sample for ``None``, a folder of CoNLL files, or a data set of the hub.

    ``sentences`` of each language of the sample are made to train on.
    """
    if name is None:
        return checked(generate_sample(languages, seed, sentences))
    if Path(name).is_dir():
        return read_folder(Path(name), languages)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataError(f"{name} is no folder")
    return checked(load_hub_data(name, languages, revision))
