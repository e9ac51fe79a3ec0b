"""Loads the variants, one after the other in the background, and hands out those that are ready."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from service.errors import UnknownVariant, VariantNotReady
from service.manifest import ArtifactError, Manifest, read_manifest, verify
from service.pipeline import Encoder, Pipeline, Runtime, Timer, run_to_end
from service.runtimes import load_runtime
from service.variants import DEFAULT_VARIANT, VARIANTS, Variant
from service.variants import Runtime as RuntimeName

logger = logging.getLogger("kidogo.pool")

LoadRuntime = Callable[[RuntimeName, Path, int], Runtime]
WARM_UP_TEXT = "Rais alizungumza na waandishi wa habari mjini Nairobi siku ya Jumatatu, tarehe 5 Mei 2019."


@dataclass
class Slot:
    """One variant's place in the pool."""

    variant: Variant
    status: Literal["loading", "ready", "failed"] = "loading"
    reason: str | None = None
    manifest: Manifest | None = None
    pipeline: Pipeline | None = None
    resident_bytes: int | None = None


class VariantPool:
    """The variants of one artefact folder. One that fails to load leaves the others ready."""

    def __init__(self, artifacts: Path, threads: int, load_runtime: LoadRuntime = load_runtime):
        self._artifacts = artifacts
        self._threads = threads
        self._load_runtime = load_runtime
        self._slots = {name: Slot(variant) for name, variant in VARIANTS.items()}
        self._loaded = threading.Event()

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def start(self) -> None:
        """Begin to load every variant, the default one first, in a thread of its own."""
        threading.Thread(target=self.load, name="load-variants", daemon=True).start()

    def load(self) -> None:
        for name in sorted(self._slots, key=lambda name: name != DEFAULT_VARIANT):
            self._load(self._slots[name])
        # What is loaded now stays: the collector need not walk through it at every full collection.
        gc.collect()
        gc.freeze()
        self._loaded.set()

    @property
    def settled(self) -> bool:
        """Whether no variant is still loading."""
        return self._loaded.is_set()

    @property
    def ready(self) -> bool:
        """Whether loading has ended with at least one variant that can answer."""
        return self.settled and any(slot.status == "ready" for slot in self)

    def _load(self, slot: Slot) -> None:
        folder = self._artifacts / slot.variant.name
        memory = psutil.Process().memory_info().rss
        try:
            manifest = self._open(slot, folder)
            if read_manifest(folder).digest != manifest.digest:
                # Built again meanwhile: what was loaded may be of both.
                self._open(slot, folder)
        except ArtifactError as error:
            slot.status, slot.reason = "failed", str(error).replace(f"{self._artifacts}/", "")
            logger.error("%s cannot be served: %s", slot.variant.name, error)
        except Exception:
            slot.status, slot.reason = "failed", f"{folder.name} could not be loaded; the log says why"
            logger.exception("%s cannot be served", slot.variant.name)
        else:
            slot.resident_bytes = max(0, psutil.Process().memory_info().rss - memory)
            slot.status = "ready"
            logger.info("%s is ready", slot.variant.name)

    def _open(self, slot: Slot, folder: Path) -> Manifest:
        slot.manifest = manifest = read_manifest(folder)
        verify(folder, manifest)
        self._check(slot.variant, manifest, folder)
        slot.pipeline = Pipeline(
            self._load_runtime(manifest.runtime, folder, self._threads),
            Encoder.from_folder(folder, manifest.max_length, manifest.overlap),
            manifest.labels,
        )
        run_to_end(slot.pipeline.read_text(WARM_UP_TEXT, Timer()))
        return manifest

    @staticmethod
    def _check(variant: Variant, manifest: Manifest, folder: Path) -> None:
        if (manifest.variant, manifest.runtime) != (variant.name, variant.runtime):
            raise ArtifactError(
                f"{folder} holds {manifest.variant!r} for the runtime {manifest.runtime!r},"
                f" not {variant.name!r} for {variant.runtime!r}"
            )

    def get(self, name: str) -> Pipeline:
        """The pipeline of a variant. Raises ``UnknownVariant`` or ``VariantNotReady``."""
        slot = self._slots.get(name)
        if slot is None:
            raise UnknownVariant(name, list(self._slots))
        if slot.pipeline is None or slot.status != "ready":
            raise VariantNotReady(
                f"The variant {name} is not ready: {slot.reason or 'it is still loading'}.",
                {"variant": name, "status": slot.status, "reason": slot.reason},
                {"Retry-After": "5" if slot.status == "loading" else "60"},
            )
        return slot.pipeline
