"""What every recipe needs: data, base, settings, fine-tuning, and writing an artefact from a checkpoint."""

import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

from build_models.artifacts.checkpoint_files import WEIGHTS, copy_tokenizer
from build_models.artifacts.kept import put_test_split
from build_models.artifacts.portable import write_portable
from build_models.artifacts.scores import open_pipeline, seconds_per_text
from build_models.artifacts.transitions import count_transitions, write_transitions
from build_models.bases.base import SENTENCEPIECE
from build_models.bases.classifier import Head
from build_models.bases.source import Source
from build_models.data.datasets import Dataset
from build_models.errors import BuildError
from build_models.progress import say
from build_models.recipes.card import write_card
from build_models.recipes.supervision import Supervision, scores_of
from build_models.settings import BuildSettings, FinetuneSettings
from build_models.training.examples import Batch, Example, encode_examples
from build_models.training.finetune import finetune
from build_models.training.finite import refuse_not_finite, stored_weights
from build_models.training.noise import with_noise
from build_models.training.segmentation import Segmentations
from build_models.training.windows import distinct_words
from build_models.workspace.replaced import Replacements
from build_models.workspace.workspace import Workspace, full_disk_named, key_of, result_digest, seconds_taken
from service.artifacts.manifest import (
    ArtifactError,
    Manifest,
    RecipeRecord,
    digest_of,
    publish,
    read_manifest,
    record_files,
    verify,
)
from service.artifacts.transitions import read_transitions
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder
from service.ner.pipeline import Pipeline
from service.ner.schemes import from_iob2
from service.ner.transitions import Transitions
from service.variants import DEFAULT_VARIANT, KNOWN_VARIANTS, Runtime

LIBRARIES = ("bitsandbytes", "numpy", "onnx", "onnxruntime", "optimum-onnx", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class Parent:
    """What an artefact was made from, with the digest of its checkpoint."""

    name: str
    digest: str


@dataclass
class Made:
    """What a recipe reports about the weights that it wrote."""

    parameters: int
    nonzero_parameters: int
    notes: Mapping[str, Any] = field(default_factory=dict)
    cpu_features: list[str] = field(default_factory=list)


@dataclass
class Context:
    """The state of one build."""

    settings: BuildSettings
    supervision: Supervision
    workspace: Workspace
    source: Source

    @property
    def dataset(self) -> Dataset:
        return self.supervision.dataset

    @cached_property
    def replacements(self) -> Replacements:
        return Replacements(self.settings.out)

    @cached_property
    def head(self) -> Head:
        """The given classifier's, or one for the labels of the data."""
        return self.source.head or Head(self.dataset.label_list, "IOB2")

    @property
    def labels(self) -> list[str]:
        return self.head.labels

    @cached_property
    def libraries(self) -> dict[str, str]:
        return {library: version(library) for library in LIBRARIES}

    @cached_property
    def data_digest(self) -> str:
        return self.dataset.digest

    @cached_property
    def examples(self) -> list[Example]:
        """The training split, encoded with the base's tokenizer."""
        return self.encoded(self.source.folder)

    def encoded(self, folder: Path, answers: Sequence[NDArray[np.float16]] | None = None) -> list[Example]:
        """The training split, encoded with the tokenizer of a checkpoint, with the ``answers`` of a teacher to it."""
        encoder = Encoder.from_folder(folder, self.settings.max_length, self.settings.overlap)
        train, shares = self.shown
        if self.source.head is not None:
            train = [sentence._replace(labels=from_iob2(sentence.labels, *self.head)) for sentence in train]
        return encode_examples(train, encoder, self.labels, shares, answers)

    @cached_property
    def shown(self) -> tuple[list[Sentence], list[float]]:
        """The training split with noise, and the share of the epochs for each sentence."""
        return with_noise(self.dataset.train, self.settings.finetune.noise_share, self.settings.seed)

    @cached_property
    def segmentations(self) -> Segmentations | None:
        """Segmentations of the words in the training split; None if the settings respell no words.

        Raises ``BuildError`` if the base has no SentencePiece model file.
        """
        if not self.settings.finetune.respelled_names and not self.settings.finetune.respelled_words:
            return None
        model = self.source.folder / SENTENCEPIECE
        if not model.is_file():
            raise BuildError(
                f"{self.source.name} has no {SENTENCEPIECE}, which respelling words needs:"
                " leave out --regularize, or pass another base"
            )
        tokenizer = AutoTokenizer.from_pretrained(self.source.folder, local_files_only=True)
        return Segmentations(distinct_words(self.shown[0]), model, tokenizer.get_vocab())

    def finetune(
        self,
        title: str,
        model: PreTrainedModel,
        training: FinetuneSettings,
        state: Path,
        loss: Callable[[Tensor, Batch], Tensor] | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Fine-tune on the training split; see ``build_models.training.finetune.finetune``."""
        settings = self.settings
        finetune(
            title,
            model,
            self.examples,
            training,
            settings.max_length,
            settings.seed,
            state,
            self.segmentations,
            loss=loss,
            after_step=after_step,
        )

    @cached_property
    def transitions(self) -> Transitions | None:
        """Label transitions in the training split; of a given classifier, those that it brings, if any."""
        if self.source.head is not None:
            return read_transitions(self.source.folder, self.labels)
        return count_transitions(
            (sentence.labels for sentence in self.dataset.train), self.labels, self.settings.transition_weight
        )

    def inputs(self, **parameters: Any) -> dict[str, Any]:
        """The inputs of a stage: ``parameters`` and what all stages depend on."""
        return {
            "data": self.data_digest,
            "base": self.source.digest,
            "seed": self.settings.seed,
            "max_length": self.settings.max_length,
            "overlap": self.settings.overlap,
            **parameters,
        }

    def open_pipeline(self, folder: Path, runtime: Runtime) -> Pipeline:
        """A pipeline of this build's labels and windows."""
        settings = self.settings
        return open_pipeline(
            folder, runtime, self.labels, settings.max_length, settings.overlap, settings.threads, self.head.scheme
        )

    def parent(self, name: str, checkpoint: Path) -> Parent:
        return Parent(name, result_digest(checkpoint))

    def artifact(
        self, name: str, checkpoint: Path, parent: Parent, parameters: Mapping[str, Any], fill: Callable[[Path], Made]
    ) -> Manifest:
        """Write the artefact ``<out>/<name>`` unless one with the same inputs exists.

        ``fill(folder)`` writes the weights; the tokenizer is already in the folder.
        """
        folder = self.settings.out / name
        weight = self.transitions.weight if self.transitions is not None else 0.0
        parameters = {**parameters, "transition_weight": weight}
        inputs = key_of(self.inputs(variant=name, parent=parent.digest, libraries=self.libraries, **parameters))
        try:
            manifest = read_manifest(folder)
            if manifest.inputs == inputs:
                verify(folder, manifest)
                say(f"{name}: unchanged, kept")
                return manifest
        except ArtifactError:
            pass
        say(f"{name}: writing the artefact")
        started = time.monotonic()
        if checkpoint.name == name:
            # Include the training of the variant itself, but not of a checkpoint that it starts from.
            started -= seconds_taken(checkpoint)

        def write(staging: Path) -> Manifest:
            copy_tokenizer(checkpoint, staging)
            if not (staging / "config.json").exists():
                shutil.copy(checkpoint / "config.json", staging / "config.json")
            # Before it is read to count or to export: a diverged training costs no more than itself.
            refuse_not_finite(stored_weights(checkpoint / WEIGHTS), f"{name}: its checkpoint {checkpoint}")
            with full_disk_named(staging):
                if self.transitions is not None and weight:
                    write_transitions(staging, self.transitions)
                made = fill(staging)
                write_portable(staging)
            for path in staging.iterdir():
                # safetensors files are readable only by their owner; the service may run as another user.
                shutil.copymode(staging / "config.json", path)
            return self._manifest(name, staging, parent, parameters, inputs, made, started)

        def before_replacing() -> None:
            # First the test split: a server that reads the new artefact must not check it with the old one.
            put_test_split(self.settings.out, self.supervision.tested, self.replacements)
            self.replacements.keep(name)

        return publish(folder, write, before_replacing)

    def _manifest(
        self,
        name: str,
        folder: Path,
        parent: Parent,
        parameters: Mapping[str, Any],
        inputs: str,
        made: Made,
        started: float,
    ) -> Manifest:
        settings, variant = self.settings, KNOWN_VARIANTS[name]
        pipeline = self.open_pipeline(folder, variant.runtime)
        must_learn = name == DEFAULT_VARIANT and self.source.head is None and settings.must_learn
        scores = {}
        if self.supervision.measured:
            scores = scores_of(pipeline, self.dataset, name, settings.finetune if must_learn else None)
        manifest = Manifest(
            variant=name,
            technique=variant.technique,
            runtime=variant.runtime,
            recipe=RecipeRecord(
                name=variant.recipe.rpartition(".")[2], parameters={**parameters, **made.notes}, seed=settings.seed
            ),
            parent=parent.name,
            parent_digest=parent.digest,
            base_model=self.source.name,
            base_revision=self.source.revision,
            data=self.supervision.record,
            labels=self.labels,
            scheme=self.head.scheme,
            languages=self.supervision.languages,
            max_length=settings.max_length,
            overlap=settings.overlap,
            libraries={"python": platform.python_version(), **self.libraries},
            cpu_features=made.cpu_features,
            files={},
            parameters=made.parameters,
            nonzero_parameters=made.nonzero_parameters,
            sparsity=round(1 - made.nonzero_parameters / made.parameters, 4),
            metrics=scores if self.supervision.gold else {},
            agreement={} if self.supervision.gold else scores,
            seconds_per_text=seconds_per_text(pipeline, self.dataset.dev or self.dataset.train),
            build_seconds=round(time.monotonic() - started, 1),
            built_at=datetime.now(UTC).replace(microsecond=0),
            inputs=inputs,
            digest="",
        )
        write_card(folder, manifest, self.source)
        files = record_files(folder)
        return manifest.model_copy(update={"files": files, "digest": digest_of(files)})
