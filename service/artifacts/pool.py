"""Loads variants in the background, provides those that are ready, and reloads new artefacts."""

import contextlib
import gc
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Literal

import psutil

from service.artifacts.building import being_built
from service.artifacts.manifest import ArtifactError, Manifest, check_variant, read_manifest, verify
from service.artifacts.memory import give_back
from service.artifacts.opening import EXTRA, LoadRuntime, open_pipeline
from service.artifacts.warm_up import warm_up
from service.errors import UnknownVariant, VariantNotReady
from service.ner.pipeline import Pipeline
from service.runtimes import load_runtime
from service.variants import DEFAULT_VARIANT, KNOWN_VARIANTS, VARIANTS, Variant

logger = logging.getLogger("kidogo.pool")

Signature = list[tuple[str, int, int, int]]

ATTEMPTS = 5
"""Maximum number of attempts to load a folder that a build keeps replacing."""


@dataclass
class Slot:
    """The state of a variant. ``seen`` is the signature of its folder when it was last read.

    ``reason`` says why the variant is not ready, or why an older artefact than the one on disk is served. ``expected``
    is False if the settings or the image exclude the variant.
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
    """The variants in an artefact folder. If one fails to load, the others stay available."""

    def __init__(
        self,
        artifacts: Path,
        threads: int,
        load_runtime: LoadRuntime = load_runtime,
        variants: Sequence[str] = tuple(VARIANTS),
    ):
        """Loads ``variants``, of which the first is the default and dense (or else the default) the ``reference``."""
        self.default = variants[0]
        self.reference = DEFAULT_VARIANT if DEFAULT_VARIANT in variants else self.default
        self._artifacts = artifacts
        self._threads = threads
        self._load_runtime = load_runtime
        self._slots = {name: Slot(KNOWN_VARIANTS[name]) for name in dict.fromkeys((*VARIANTS, *variants))}
        for name in set(VARIANTS).difference(variants):
            self._slots[name].status, self._slots[name].expected = "failed", False
            self._slots[name].reason = f"{name} is not served here; served are {', '.join(variants)}"
        self._served = [self._slots[name] for name in variants]
        self._loaded = threading.Event()
        # Unlike an event, it can be used in a signal handler that interrupts itself.
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def start(self, reload_seconds: float = 0.0) -> None:
        """Load all variants in a thread, the default first. The thread then checks for new artefacts every
        ``reload_seconds``, or only on request if that is 0.
        """

        def work() -> None:
            self.load()
            while True:
                asked = self._was_asked(reload_seconds or None)
                try:
                    self.refresh(everything=asked)
                except Exception:
                    logger.exception(
                        "checking for new artefacts failed; the loaded ones stay, and the check is retried"
                    )

        threading.Thread(target=work, name="load-variants", daemon=True).start()

    def ask_refresh(self) -> None:
        """Ask the thread to check all artefacts now."""
        self._asked.put(None)

    def _was_asked(self, seconds: float | None) -> bool:
        """Wait up to ``seconds`` for a request to check; one check serves all requests made until it starts."""
        try:
            self._asked.get(timeout=seconds)
        except queue.Empty:
            return False
        with contextlib.suppress(queue.Empty):
            while True:
                self._asked.get_nowait()
        return True

    def load(self) -> None:
        for slot in self._served:
            self._load(slot)
        _freeze()
        self._loaded.set()

    def refresh(self, everything: bool = False) -> None:
        """Load artefacts that changed on disk and swap them in.

        Changes are detected by name, inode, size and modification time; with ``everything``, all files are verified.
        Requests in flight finish on the old pipeline. If an artefact cannot be loaded, the old one stays.
        """
        changed = [slot for slot in self._served if everything or self._changed(slot)]
        if changed:
            # Frozen objects are never collected, and the old pipelines are among them.
            gc.unfreeze()
            for slot in changed:
                self._load(slot)
            _freeze()

    @property
    def settled(self) -> bool:
        """Whether initial loading has finished."""
        return self._loaded.is_set()

    @property
    def ready(self) -> bool:
        """Whether loading has finished and at least one variant is ready."""
        return self.settled and any(slot.status == "ready" for slot in self)

    def _folder(self, slot: Slot) -> Path:
        return self._artifacts / slot.variant.name

    def _changed(self, slot: Slot) -> bool:
        """Whether the folder is another than when it was last read, or a build that may make it has begun or ended."""
        if _signature(self._folder(slot)) != slot.seen:
            return True
        if slot.status == "failed" and not slot.seen:
            return being_built(self._artifacts)
        return slot.status == "loading" and not being_built(self._artifacts)

    def _load(self, slot: Slot) -> None:
        folder = self._folder(slot)
        memory = psutil.Process().memory_info().rss
        before = slot.pipeline
        try:
            self._open_settled(slot, folder)
        except ArtifactError as error:
            if slot.pipeline is None and not slot.seen and being_built(self._artifacts):
                slot.status, slot.reason = "loading", f"{slot.variant.name} is being built"
                return
            self._fail(slot, str(error).replace(f"{self._artifacts}/", ""))
            logger.error("%s cannot be loaded: %s", slot.variant.name, error)
        except ModuleNotFoundError as error:
            slot.expected = slot.pipeline is not None
            self._fail(
                slot,
                f"{slot.variant.name} needs the package {error.name}, which is not installed here:"
                f" pip install 'kidogo[{EXTRA}]'",
            )
            logger.warning("%s", slot.reason)
        except Exception:
            # Memory or disk may be short only temporarily, so the next check retries.
            slot.seen = None
            self._fail(slot, f"{folder.name} could not be loaded; see the server's log")
            logger.exception("%s cannot be loaded", slot.variant.name)
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
            slot.reason = f"still serving {slot.pipeline.digest[:12]}, because its replacement failed: {reason}"

    def _open_settled(self, slot: Slot, folder: Path) -> None:
        """Open the artefact; retry if it changed while being read."""
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
        check_variant(slot.variant, manifest, folder)
        if slot.pipeline is not None and slot.manifest is not None and _read_alike(slot.manifest, manifest):
            return manifest, slot.pipeline
        pipeline = open_pipeline(folder, manifest, self._threads, self._load_runtime)
        slot.warm_up_seconds = warm_up(pipeline, folder)
        return manifest, pipeline

    def warm_up_seconds(self, name: str) -> float:
        """Seconds that a variant took for the warm-up sentence; 0 if unknown."""
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
    """Exclude loaded objects from garbage collection, and give back the memory of replaced ones."""
    gc.collect()
    gc.freeze()
    give_back()


def _signature(folder: Path) -> Signature:
    """Name, inode, size and modification time (ns) of the folder's files."""
    found: Signature = []
    # Files and folders may disappear while they are listed.
    with contextlib.suppress(OSError):
        for path in sorted(folder.rglob("*")):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((path.relative_to(folder).as_posix(), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return found


def _read_alike(one: Manifest, other: Manifest) -> bool:
    """Whether two artefacts give the same answers: besides the files, the manifest says how texts are read."""
    decide = attrgetter("digest", "max_length", "overlap", "labels", "scheme")
    return bool(decide(one) == decide(other))
