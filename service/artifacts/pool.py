"""Loads the variants, one after the other in the background, hands out those that are ready, and takes newer ones."""

import contextlib
import gc
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from service.artifacts.manifest import ArtifactError, Manifest, read_manifest, verify
from service.artifacts.transitions import read_transitions
from service.artifacts.warm_up import warm_up
from service.errors import UnknownVariant, VariantNotReady
from service.ner.encoder import Encoder
from service.ner.pipeline import Pipeline, Runtime
from service.runtimes import load_runtime
from service.variants import DEFAULT_VARIANT, KNOWN_VARIANTS, VARIANTS, Variant
from service.variants import Runtime as RuntimeName

logger = logging.getLogger("kidogo.pool")

LoadRuntime = Callable[[RuntimeName, Path, int], Runtime]
Signature = list[tuple[str, int, int, int]]

ATTEMPTS = 5
"""How often a folder is read again because a build replaced it meanwhile."""


@dataclass
class Slot:
    """One variant's place in the pool. ``seen`` is how its folder looked when it was last read.

    ``reason`` says why the variant is not ready, or why it still serves an older artefact than its folder holds.
    ``expected`` is whether it should be ready: not where the settings or the image leave it out.
    """

    variant: Variant
    status: Literal["loading", "ready", "failed"] = "loading"
    reason: str | None = None
    expected: bool = True
    manifest: Manifest | None = None
    pipeline: Pipeline | None = None
    resident_bytes: int | None = None
    seen: Signature | None = None
    warm_up_seconds: float | None = None


class VariantPool:
    """The variants of one artefact folder. One that fails to load leaves the others ready."""

    def __init__(
        self,
        artifacts: Path,
        threads: int,
        load_runtime: LoadRuntime = load_runtime,
        variants: Sequence[str] = tuple(VARIANTS),
    ):
        """``variants`` are those to load; the first is the default one.

        ``reference`` is the one that others are compared with: dense, or where that is not served the default one.
        """
        self.default = variants[0]
        self.reference = DEFAULT_VARIANT if DEFAULT_VARIANT in variants else self.default
        self._artifacts = artifacts
        self._threads = threads
        self._load_runtime = load_runtime
        self._slots = {name: Slot(KNOWN_VARIANTS[name]) for name in dict.fromkeys((*VARIANTS, *variants))}
        for name in set(VARIANTS).difference(variants):
            self._slots[name].status, self._slots[name].expected = "failed", False
            self._slots[name].reason = f"{name} is not served here, but {', '.join(variants)}"
        self._served = [self._slots[name] for name in variants]
        self._loaded = threading.Event()
        self._asked = threading.Event()

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def start(self, reload_seconds: float = 0.0) -> None:
        """Begin to load every variant, the default one first, in a thread of its own, which then watches for newer
        artefacts: every ``reload_seconds``, or only when asked if that is 0.
        """

        def work() -> None:
            self.load()
            while True:
                asked = self._asked.wait(reload_seconds or None)
                self._asked.clear()
                try:
                    self.refresh(everything=asked)
                except Exception:
                    logger.exception("looking for new artefacts failed; what serves goes on, and the next look comes")

        threading.Thread(target=work, name="load-variants", daemon=True).start()

    def ask_refresh(self) -> None:
        """Have the thread look at every artefact now."""
        self._asked.set()

    def load(self) -> None:
        for slot in self._served:
            self._load(slot)
        _freeze()
        self._loaded.set()

    def refresh(self, everything: bool = False) -> None:
        """Load what has changed on the disk, each artefact beside the one that serves, and swap.

        The files are compared by name, inode, size and time of change, or with ``everything`` read and verified.
        Requests in flight end on the pipeline that they began on; the next ones take the new one. An artefact that
        cannot be served leaves the old one serving.
        """
        changed = [slot for slot in self._served if everything or _signature(self._folder(slot)) != slot.seen]
        if changed:
            # What is frozen is never collected, and the pipelines that go are among it.
            gc.unfreeze()
            for slot in changed:
                self._load(slot)
            _freeze()

    @property
    def settled(self) -> bool:
        """Whether no variant is still loading."""
        return self._loaded.is_set()

    @property
    def ready(self) -> bool:
        """Whether loading has ended with at least one variant that can answer."""
        return self.settled and any(slot.status == "ready" for slot in self)

    def _folder(self, slot: Slot) -> Path:
        return self._artifacts / slot.variant.name

    def _load(self, slot: Slot) -> None:
        folder = self._folder(slot)
        memory = psutil.Process().memory_info().rss
        before = slot.pipeline
        try:
            self._open_settled(slot, folder)
        except ArtifactError as error:
            self._fail(slot, str(error).replace(f"{self._artifacts}/", ""))
            logger.error("%s cannot be served: %s", slot.variant.name, error)
        except ModuleNotFoundError as error:
            slot.expected = slot.pipeline is not None
            self._fail(slot, f"{slot.variant.name} is not in this image: the package {error.name} is not installed")
            logger.warning("%s", slot.reason)
        except Exception:
            # It may be memory or a disk that are short for a moment: the next look at the folder tries again.
            slot.seen = None
            self._fail(slot, f"{folder.name} could not be loaded; the log says why")
            logger.exception("%s cannot be served", slot.variant.name)
        else:
            if slot.pipeline is not before:
                slot.resident_bytes = max(0, psutil.Process().memory_info().rss - memory)
            slot.status, slot.reason, slot.expected = "ready", None, True
            logger.info("%s is ready", slot.variant.name, extra={"digest": slot.manifest and slot.manifest.digest})

    @staticmethod
    def _fail(slot: Slot, reason: str) -> None:
        if slot.pipeline is None:
            slot.status, slot.reason = "failed", reason
        else:
            slot.reason = f"{slot.pipeline.digest[:12]} goes on serving, for what replaced it cannot: {reason}"

    def _open_settled(self, slot: Slot, folder: Path) -> None:
        """Open the artefact; once more if it was built again meanwhile, for what was read may be of both."""
        for attempt in range(ATTEMPTS):
            slot.seen = _signature(folder)
            try:
                manifest, pipeline = self._open(slot, folder)
            except Exception:
                if attempt + 1 == ATTEMPTS or _signature(folder) == slot.seen:
                    raise
            else:
                if _signature(folder) == slot.seen:
                    break
        slot.manifest, slot.pipeline = manifest, pipeline

    def _open(self, slot: Slot, folder: Path) -> tuple[Manifest, Pipeline]:
        manifest = read_manifest(folder)
        if slot.pipeline is None:
            slot.manifest = manifest
        verify(folder, manifest)
        self._check(slot.variant, manifest, folder)
        if slot.pipeline is not None and slot.pipeline.digest == manifest.digest:
            return manifest, slot.pipeline
        pipeline = Pipeline(
            self._load_runtime(manifest.runtime, folder, self._threads),
            Encoder.from_folder(folder, manifest.max_length, manifest.overlap),
            manifest.labels,
            manifest.digest,
            read_transitions(folder, manifest.labels),
        )
        slot.warm_up_seconds = warm_up(pipeline, folder)
        return manifest, pipeline

    @staticmethod
    def _check(variant: Variant, manifest: Manifest, folder: Path) -> None:
        if (manifest.variant, manifest.runtime) != (variant.name, variant.runtime):
            raise ArtifactError(
                f"{folder} holds {manifest.variant!r} for the runtime {manifest.runtime!r},"
                f" not {variant.name!r} for {variant.runtime!r}"
            )

    def warm_up_seconds(self, name: str) -> float:
        """What a variant's first reading of a sentence took, once warm; 0 if it is not known."""
        return self._slots[name].warm_up_seconds or 0.0

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


def _freeze() -> None:
    """What is loaded now stays: the collector need not walk through it at every full collection."""
    gc.collect()
    gc.freeze()


def _signature(folder: Path) -> Signature:
    """How the folder's files look from outside: name, inode, size and time of change in nanoseconds."""
    found: Signature = []
    # A file may vanish between being listed and being looked at, and a folder while it is listed.
    with contextlib.suppress(OSError):
        for path in sorted(folder.rglob("*")):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((path.relative_to(folder).as_posix(), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found
