"""A corpus of a few sentences and a base pretrained on it in a few steps, shared by the tests here."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import lzma
from pathlib import Path

import pytest

from build_models.bases.pretraining import PretrainSettings, pretrain
from build_models.data.sample.generate import generate_sample
from build_models.experiments.cells import Cell
from build_models.experiments.grids import Study
from build_models.experiments.prepare import name_bases, name_data
from build_models.experiments.run import Places
from build_models.settings import FinetuneSettings

SENTENCES = 12
LANGUAGES = ("hau", "swa")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hausa as plain text, Swahili as xz."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = {
        language: "".join(f"{' '.join(sentence.words)}\n" for sentence in generate_sample([language], 1, 60).train)
        for language in LANGUAGES
    }
    (folder / "hau.txt").write_text(texts["hau"], encoding="utf-8")
    (folder / "swa.txt.xz").write_bytes(lzma.compress(texts["swa"].encode()))
    return folder


def tiny(corpus: Path, out: Path, **settings: object) -> PretrainSettings:
    return PretrainSettings(
        **{  # type: ignore[arg-type]
            "corpus": corpus,
            "out": out,
            "shape": "tiny",
            "vocabulary": 400,
            "steps": 4,
            "batch_pieces": 128,
            "length": 32,
            **settings,
        }
    )


@pytest.fixture(scope="session")
def base(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(tiny(corpus, tmp_path_factory.mktemp("bases") / "tiny"))


@pytest.fixture(scope="session")
def places(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Where the cells of these tests are made; models that several of them share are trained once."""
    folder = tmp_path_factory.mktemp("grid")
    return Places({"tiny": str(base)}, None, folder / "cells", folder / "work", sample_sentences=SENTENCES)


@pytest.fixture(scope="session")
def study(base: Path) -> Study:
    return Study(
        bases=list(name_bases([str(base)])),
        data=name_data(None, LANGUAGES[:1], SENTENCES),
        seeds=[1],
        finetune=FinetuneSettings(epochs=1, learning_rate=3e-3, hidden_share=0.0),
    )


@pytest.fixture(scope="session")
def dense(study: Study) -> Cell:
    (cell,) = study.cells("dense")
    return cell
