"""Grids of the tiny base, shared by the tests here."""

from pathlib import Path

import pytest

from build_models.experiments.cells import Cell
from build_models.experiments.grids import Study
from build_models.experiments.prepare import name_bases, name_data
from build_models.experiments.run import Places
from build_models.settings import FinetuneSettings

SENTENCES = 12


@pytest.fixture(scope="session")
def places(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Where the cells of these tests are made; models that several of them share are trained once."""
    folder = tmp_path_factory.mktemp("grid")
    return Places({"tiny": str(base)}, None, folder / "cells", folder / "work", sample_sentences=SENTENCES)


@pytest.fixture(scope="session")
def study(base: Path) -> Study:
    return Study(
        bases=list(name_bases([str(base)])),
        data=name_data(None, ["hau"], SENTENCES),
        seeds=[1],
        finetune=FinetuneSettings(epochs=1, learning_rate=3e-3, hidden_share=0.0),
    )


@pytest.fixture(scope="session")
def dense(study: Study) -> Cell:
    (cell,) = study.cells("dense")
    return cell
