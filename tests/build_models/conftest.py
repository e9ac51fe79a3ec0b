"""What several tests of the build look at: one real build of all variants, and one pretrained base, both small.

Tests that change the build work on a copy.
"""

import lzma
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from build_models.artifacts.scores import open_pipeline
from build_models.bases.pretraining import PretrainSettings, pretrain
from build_models.data.loading import load_data
from build_models.data.sample.generate import generate_sample
from build_models.settings import BaseSettings, BuildSettings, DistillationSettings, FinetuneSettings, PocketSettings
from service.artifacts.building import WORKSPACE
from service.artifacts.manifest import Manifest, read_manifest
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline
from service.variants import VARIANTS

# What the command makes of BUILD_OPTIONS.
TINY = BuildSettings(
    languages=("swa", "hau"),
    sample_sentences=200,
    max_length=64,
    overlap=16,
    must_learn=False,
    from_scratch=BaseSettings(steps=5, vocabulary=1000),
    finetune=FinetuneSettings.defaults(base_given=False, data_given=False),
    distillation=DistillationSettings.defaults(sample=True, agnostic_steps=0),
    pocket=PocketSettings.defaults(sample=True),
)


@dataclass(frozen=True)
class Built:
    """What a build left: its folder, the settings it was given, and a manifest for each variant."""

    folder: Path
    settings: BuildSettings
    manifests: dict[str, Manifest]

    def checkpoint(self, stage: str) -> Path:
        """The transformers checkpoint that a stage (``base``, ``dense``, ``pruned``, ``distilled``) left behind."""
        return self.folder / WORKSPACE / stage

    def open(self, variant: str) -> Pipeline:
        settings = self.settings
        return open_pipeline(
            self.folder / variant,
            VARIANTS[variant].runtime,
            self.manifests[variant].labels,
            settings.max_length,
            settings.overlap,
            settings.threads,
        )


@pytest.fixture(scope="session")
def built(built_folder: Path) -> Built:
    settings = replace(TINY, out=built_folder)
    return Built(settings.out, settings, {variant: read_manifest(built_folder / variant) for variant in VARIANTS})


@pytest.fixture
def copy(built: Built, tmp_path: Path) -> Built:
    """The same build in a folder that a test may change."""
    folder = tmp_path / "artifacts"
    shutil.copytree(built.folder, folder)
    return replace(built, folder=folder, settings=replace(built.settings, out=folder))


@pytest.fixture(scope="session")
def pipelines(built: Built) -> dict[str, Pipeline]:
    """The variants, loaded by the service's own code."""
    return {variant: built.open(variant) for variant in VARIANTS}


@pytest.fixture(scope="session")
def sentences(built: Built) -> list[Sentence]:
    """The test split of the build."""
    settings = built.settings
    return load_data(None, settings.languages, None, settings.seed, settings.sample_sentences).test


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hausa as plain text, Swahili as xz."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = {
        language: "".join(f"{' '.join(sentence.words)}\n" for sentence in generate_sample([language], 1, 60).train)
        for language in ("hau", "swa")
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
