"""A runtime and artefacts without weights: the whole HTTP stack runs on them in milliseconds.

The fake model's rule: a word that begins with a capital letter, or with a letter of a script without capitals, is an
entity, and capitalised neighbours are one entity. Each variant says a label of its own, so an answer shows which
variant gave it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from service.artifacts.manifest import DataRecord, Manifest, RecipeRecord, Scores, digest_of, publish, record_files
from service.variants import VARIANTS, Runtime

LABEL_OF_VARIANT = {
    "dense": "PER",
    "pruned": "LOC",
    "distilled": "ORG",
    "int8": "DATE",
    "dynamic": "MISC",
    "distilled-dynamic": "WORK",
    "pocket": "EVENT",
}
LABELS = ["O", *(f"{prefix}-{label}" for label in LABEL_OF_VARIANT.values() for prefix in "BI")]
MAX_LENGTH, OVERLAP = 64, 16

TEXTS = [
    "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu.",
    "Shugaba Muhammadu Buhari ya je Kano ranar Talata tare da ministoci.",
    "Ọ̀gbẹ́ni Adébáyọ̀ lọ sí Ìbàdàn ní ọjọ́ Ajé pẹ̀lú àwọn ọmọ rẹ̀.",
    "ጠቅላይ ሚኒስትር አበበ ወደ አዲስ አበባ ሰኞ ቀን ሄዱ።",
    "ذهب الرئيس محمد إلى القاهرة يوم الاثنين.",
    "Umukuru w'igihugu yasuye Kigali ku wa mbere hamwe n'abana be.",
]

WORD_START = "▁"


class Gate:
    """Holds the fake runtimes in the middle of an inference until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        self.reached.set()
        if not self._open.wait(timeout=20):
            raise TimeoutError("a test left its gate closed")


@dataclass
class FakeRuntimes:
    """Stands in for ``service.runtimes.load_runtime``: call it with the same arguments.

    What it is told holds for every runtime that it made: ``error`` is raised by an inference, ``gate`` holds one up,
    ``delay`` makes one slow, ``load_errors`` and ``load_gates`` do the same to the loading of a variant.
    """

    error: Exception | None = None
    gate: Gate | None = None
    load_errors: dict[str, Exception] = field(default_factory=dict)
    load_gates: dict[str, Gate] = field(default_factory=dict)
    delay: float = 0.0
    calls: int = 0

    def __call__(self, name: Runtime, folder: Path, threads: int) -> "FakeRuntime":
        if gate := self.load_gates.get(folder.name):
            gate.wait()
        if error := self.load_errors.get(folder.name):
            raise error
        return FakeRuntime(folder.name, Tokenizer.from_file(str(folder / "tokenizer.json")), self)

    @contextmanager
    def blocked(self) -> Iterator[Gate]:
        """Every inference that begins inside waits until the gate is opened, at the latest by leaving."""
        self.gate = gate = Gate()
        try:
            yield gate
        finally:
            self.gate = None
            gate.open()

    @contextmanager
    def failing(self, error: Exception) -> Iterator[None]:
        self.error = error
        try:
            yield
        finally:
            self.error = None

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0.0


class FakeRuntime:
    """Labels pieces by the rule above."""

    def __init__(self, variant: str, tokenizer: Tokenizer, told: FakeRuntimes):
        self._told = told
        pieces = sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])
        texts = [piece for piece, _ in pieces]
        self._starts = np.array([text.startswith(WORD_START) for text in texts])
        self._bare = np.array([text == WORD_START for text in texts])
        self._named = np.array([_is_name(text.removeprefix(WORD_START)) for text in texts])
        self._begin = LABELS.index("B-" + LABEL_OF_VARIANT[variant])
        # Variants are sure of themselves to different degrees.
        self._height = 5.0 + 0.1 * self._begin

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        self._told.calls += 1
        if self._told.gate is not None:
            self._told.gate.wait()
        if self._told.delay:
            threading.Event().wait(self._told.delay)
        if self._told.error is not None:
            raise self._told.error
        starts = self._starts[input_ids]
        shows = input_ids.copy()
        # The piece that shows the word's first letter is the next one where a word's first piece is bare.
        shows[:-1] = np.where(self._bare[input_ids[:-1]], input_ids[1:], input_ids[:-1])
        logits = np.zeros((len(input_ids), len(LABELS)), dtype=np.float32)
        previous_named = False
        for place in np.flatnonzero(starts):
            named = bool(self._named[shows[place]])
            label = self._begin + previous_named if named else 0
            logits[place, label] = self._height
            previous_named = named
        return logits


def _is_name(text: str) -> bool:
    return bool(text) and text[0].isalpha() and not text[0].islower() and not text.startswith("<")


def write_artifacts(
    folder: Path,
    tokenizer: Path,
    variants: Sequence[str] = tuple(VARIANTS),
    change: Callable[[Path], object] | None = None,
    before_replacing: Callable[[str], None] = lambda name: None,
) -> Path:
    """Write complete small artefacts into ``folder`` and return it; ``tokenizer`` is a ``tokenizer.json``.

    ``change`` may alter an artefact's files before its manifest records them.
    """
    for name in variants:
        publish(folder / name, partial(_write, name, tokenizer, change), partial(before_replacing, name))
    return folder


def _write(name: str, tokenizer: Path, change: Callable[[Path], object] | None, staging: Path) -> Manifest:
    (staging / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (staging / "config.json").write_text("{}", encoding="utf-8")
    (staging / "model.onnx").write_bytes(f"no weights of {name}".encode() * 100)
    if change is not None:
        change(staging)
    files = record_files(staging)
    variant = VARIANTS[name]
    scores = Scores(
        f1=0.7, precision=0.72, recall=0.68, sentences=20, entities=31, languages={"hau": 0.75, "swa": 0.65}
    )
    return Manifest(
        variant=name,
        technique=variant.technique,
        runtime=variant.runtime,
        recipe=RecipeRecord(name=name, parameters={"epochs": 1}, seed=1),
        parent=None if name == "dense" else "dense",
        parent_digest=None if name == "dense" else "0" * 64,
        base_model="fake",
        base_revision=None,
        data=DataRecord(name="sample", digest="1" * 64),
        labels=LABELS,
        languages=["hau", "swa"],
        max_length=MAX_LENGTH,
        overlap=OVERLAP,
        libraries={"python": "3"},
        cpu_features=[],
        files=files,
        parameters=1000,
        nonzero_parameters=400,
        sparsity=0.6,
        metrics={"dev": scores, "test": scores},
        seconds_per_text=0.001,
        build_seconds=1.0,
        built_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        inputs="2" * 64,
        digest=digest_of(files),
    )
