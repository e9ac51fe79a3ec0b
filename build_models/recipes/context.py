"""What every recipe needs: data, base, settings, and how to make an artefact of a checkpoint."""

import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

from build_models.artifacts.finite import refuse_not_finite
from build_models.artifacts.portable import write_portable
from build_models.artifacts.scores import evaluate, open_pipeline, seconds_per_text
from build_models.artifacts.transitions import count_transitions, write_transitions
from build_models.bases.base import SENTENCEPIECE
from build_models.data.datasets import Dataset
from build_models.errors import BuildError
from build_models.progress import say
from build_models.settings import BuildSettings, FinetuneSettings
from build_models.training.examples import Batch, Example, distinct_words, encode_examples
from build_models.training.finetune import finetune
from build_models.training.segmentation import Segmentations
from build_models.workspace.replaced import DATA
from build_models.workspace.workspace import Workspace, full_disk_named, key_of, result_digest, seconds_taken
from service.artifacts.manifest import (
    PREVIOUS,
    ArtifactError,
    DataRecord,
    Manifest,
    RecipeRecord,
    digest_of,
    flush,
    publish,
    read_manifest,
    record_files,
    replace_folder,
    verify,
)
from service.artifacts.warm_up import not_finite
from service.evaluation.conll import to_conll
from service.ner.encoder import Encoder
from service.ner.transitions import Transitions
from service.variants import KNOWN_VARIANTS

LIBRARIES = ("bitsandbytes", "numpy", "onnx", "onnxruntime", "optimum-onnx", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class Parent:
    """What an artefact was made from: its name and the digest of its checkpoint's files."""

    name: str
    digest: str


@dataclass
class Made:
    """What a recipe knows of the weights that it wrote."""

    parameters: int
    nonzero_parameters: int
    notes: Mapping[str, Any] = field(default_factory=dict)
    cpu_features: list[str] = field(default_factory=list)


@dataclass
class Context:
    """One build under way."""

    settings: BuildSettings
    dataset: Dataset
    workspace: Workspace
    base: Path
    base_name: str
    base_revision: str | None
    base_digest: str

    @cached_property
    def labels(self) -> list[str]:
        return self.dataset.label_list

    @cached_property
    def libraries(self) -> dict[str, str]:
        return {library: version(library) for library in LIBRARIES}

    @cached_property
    def data_record(self) -> DataRecord:
        return DataRecord(name=self.dataset.name, digest=self.dataset.digest)

    @cached_property
    def examples(self) -> list[Example]:
        """The training split, encoded by the base's tokenizer."""
        encoder = Encoder.from_folder(self.base, self.settings.max_length, self.settings.overlap)
        return encode_examples(self.dataset.train, encoder, self.labels)

    @cached_property
    def segmentations(self) -> Segmentations | None:
        """Of the words of the training split, if the settings have any use for it.

        Raises ``BuildError`` for a base without SentencePiece's own file.
        """
        if not self.settings.finetune.respelled_names and not self.settings.finetune.respelled_words:
            return None
        model = self.base / SENTENCEPIECE
        if not model.is_file():
            raise BuildError(f"{self.base} has no {SENTENCEPIECE}: words cannot be shown in other pieces than its own")
        tokenizer = AutoTokenizer.from_pretrained(self.base, local_files_only=True)
        return Segmentations(distinct_words(self.dataset.train), model, tokenizer.get_vocab())

    def finetune(
        self,
        title: str,
        model: PreTrainedModel,
        training: FinetuneSettings,
        state: Path,
        loss: Callable[[Tensor, Batch], Tensor] | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Train a classifier on the training split; see ``build_models.training.finetune.finetune``."""
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
    def transitions(self) -> Transitions:
        """Counted in the training split."""
        return count_transitions(
            (sentence.labels for sentence in self.dataset.train), self.labels, self.settings.transition_weight
        )

    def inputs(self, **parameters: Any) -> dict[str, Any]:
        """What a stage depends on besides its own parameters."""
        return {
            "data": self.data_record.digest,
            "base": self.base_digest,
            "seed": self.settings.seed,
            "max_length": self.settings.max_length,
            "overlap": self.settings.overlap,
            **parameters,
        }

    def parent(self, name: str, checkpoint: Path) -> Parent:
        return Parent(name, result_digest(checkpoint))

    def artifact(
        self, name: str, checkpoint: Path, parent: Parent, parameters: Mapping[str, Any], fill: Callable[[Path], Made]
    ) -> Manifest:
        """Make ``<out>/<name>`` unless one with the same inputs is there.

        ``fill`` writes the weights into a folder that has the tokenizer already.
        """
        folder = self.settings.out / name
        parameters = {**parameters, "transition_weight": self.transitions.weight}
        inputs = key_of(self.inputs(variant=name, parent=parent.digest, libraries=self.libraries, **parameters))
        try:
            manifest = read_manifest(folder)
            if manifest.inputs == inputs:
                verify(folder, manifest)
                say(f"{name}: unchanged, kept")
                return manifest
        except ArtifactError:
            pass
        say(f"{name}: making the artefact")
        started = time.monotonic()
        if checkpoint.name == name:
            # Its own training is part of its cost; a checkpoint that it only starts from is not.
            started -= seconds_taken(checkpoint)

        def write(staging: Path) -> Manifest:
            copy_tokenizer(checkpoint, staging)
            if not (staging / "config.json").exists():
                shutil.copy(checkpoint / "config.json", staging / "config.json")
            # Before it is read to count or to export: a diverged training costs no more than itself.
            refuse_not_finite(checkpoint / "model.safetensors", f"{name}: its checkpoint {checkpoint}")
            with full_disk_named(staging):
                if self.transitions.weight:
                    write_transitions(staging, self.transitions)
                made = fill(staging)
                write_portable(staging)
            for path in staging.iterdir():
                # Safetensors are written for their owner alone; the service may run as another user.
                shutil.copymode(staging / "config.json", path)
            return self._manifest(name, staging, parent, parameters, inputs, made, started)

        return publish(folder, write)

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
        pipeline = open_pipeline(
            folder, variant.runtime, self.labels, settings.max_length, settings.overlap, settings.threads
        )
        try:
            dev = evaluate(pipeline, self.dataset.dev, f"{name}: dev")
            test = evaluate(pipeline, self.dataset.test, f"{name}: test")
        except FloatingPointError:
            raise BuildError(f"{not_finite(settings.out / name)}") from None
        files = record_files(folder)
        return Manifest(
            variant=name,
            technique=variant.technique,
            runtime=variant.runtime,
            recipe=RecipeRecord(
                name=variant.recipe.rpartition(".")[2], parameters={**parameters, **made.notes}, seed=settings.seed
            ),
            parent=parent.name,
            parent_digest=parent.digest,
            base_model=self.base_name,
            base_revision=self.base_revision,
            data=self.data_record,
            labels=self.labels,
            languages=self.dataset.languages,
            max_length=settings.max_length,
            overlap=settings.overlap,
            libraries={"python": platform.python_version(), **self.libraries},
            cpu_features=made.cpu_features,
            files=files,
            parameters=made.parameters,
            nonzero_parameters=made.nonzero_parameters,
            sparsity=round(1 - made.nonzero_parameters / made.parameters, 4),
            metrics={"dev": dev, "test": test},
            seconds_per_text=seconds_per_text(pipeline, self.dataset.dev),
            build_seconds=round(time.monotonic() - started, 1),
            built_at=datetime.now(UTC).replace(microsecond=0),
            inputs=inputs,
            digest=digest_of(files),
        )

    def keep_test_split(self) -> None:
        """Leave the test split beside the artefacts: accuracy is checked on it."""
        folder = self.settings.out / DATA
        texts = {
            f"{language}.conll": to_conll(sentence for sentence in self.dataset.test if sentence.language == language)
            for language in self.dataset.languages
        }
        if folder.is_dir() and texts == {
            path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.conll")
        }:
            return
        draft = folder.with_name(f".{DATA}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
        flush(draft)
        replace_folder(draft, folder, self.settings.out / PREVIOUS / DATA)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files of a checkpoint."""
    for path in source.iterdir():
        if "token" in path.name or path.suffix == ".model":
            shutil.copy(path, target / path.name)


def count_parameters(checkpoint: Path) -> tuple[int, int]:
    """All parameters of a safetensors checkpoint, and those that are not zero."""
    total = nonzero = 0
    with safe_open(checkpoint / "model.safetensors", framework="pt") as weights:
        for key in weights.keys():  # noqa: SIM118 (no mapping)
            tensor = weights.get_tensor(key)
            total += tensor.numel()
            nonzero += int(tensor.count_nonzero())
    return total, nonzero
