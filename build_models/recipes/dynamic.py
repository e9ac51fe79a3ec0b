"""Dynamic quantization by ONNX Runtime: 8-bit weights, and activations quantized at run time.

The best settings differ between models, so several candidates are built and measured on dev. All of them compute the
same sums on every CPU: signed weights use a reduced range of 7 bits, because full 8-bit ones saturate on CPUs without
VNNI. So the manifest requires no CPU features.
"""

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from build_models.artifacts.block_embeddings import NIBBLES, quantize_embeddings, unpacked
from build_models.artifacts.export import export_onnx, exported
from build_models.artifacts.onnx_files import onnx_bytes, settle
from build_models.artifacts.scores import evaluate, seconds_per_text, seconds_side_by_side
from build_models.progress import say
from build_models.recipes import dense
from build_models.recipes.context import Context, Made, Parent
from build_models.workspace.workspace import full_disk_named
from service.artifacts.manifest import Manifest
from service.artifacts.transitions import TRANSITIONS
from service.runtimes.onnx import MODEL

TOLERANCE = 0.005
"""Candidates whose dev F1 is this close to the best are equally good: on 600 sentences, less is chance."""

SPEED_TOLERANCE = 0.2
"""Of these, candidates within this share of the fastest are equally fast; the smallest file wins."""


@dataclass(frozen=True)
class Candidate:
    """Settings of ``quantize_dynamic``. Embeddings take 32, 8 or 4 bits; see ``artifacts.block_embeddings`` for 4."""

    fused: bool
    signed: bool
    per_channel: bool
    embedding_bits: int

    @property
    def name(self) -> str:
        return ", ".join(
            (
                "fused" if self.fused else "plain",
                "signed 7-bit" if self.signed else "unsigned 8-bit",
                "per channel" if self.per_channel else "per tensor",
                "embeddings in float" if self.embedding_bits == 32 else f"embeddings in {self.embedding_bits} bits",
            )
        )


CANDIDATES = [
    Candidate(fused=True, signed=True, per_channel=True, embedding_bits=8),
    Candidate(fused=True, signed=True, per_channel=True, embedding_bits=32),
    Candidate(fused=True, signed=True, per_channel=False, embedding_bits=8),
    Candidate(fused=True, signed=False, per_channel=False, embedding_bits=8),
    Candidate(fused=False, signed=True, per_channel=True, embedding_bits=8),
    Candidate(fused=False, signed=False, per_channel=False, embedding_bits=8),
]
"""Settings to try. The first is taken if nothing can be measured. A new kind of setting is a field of ``Candidate``."""


class Measured(NamedTuple):
    """Measurements of a candidate: its index, dev F1, seconds per text and file size."""

    number: int
    f1: float
    seconds: float
    bytes: int


def choose(measured: Sequence[Measured]) -> int:
    """The index of the smallest among the fastest of the best candidates."""
    best = max(entry.f1 for entry in measured)
    good = [entry for entry in measured if entry.f1 >= best - TOLERANCE]
    fastest = min(entry.seconds for entry in good)
    fast = [entry for entry in good if entry.seconds <= fastest * (1 + SPEED_TOLERANCE)]
    return min(fast, key=lambda entry: (entry.bytes, entry.seconds)).number


def quantize(source: Path, target: Path, candidate: Candidate) -> None:
    """Write the quantized model. Products of two activations, as in attention, stay in float."""
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=None if candidate.embedding_bits == 8 else ["MatMul", "Attention", "Gemm"],
            per_channel=candidate.per_channel,
            reduce_range=candidate.signed,
            weight_type=QuantType.QInt8 if candidate.signed else QuantType.QUInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT, "MatMulConstBOnly": True},
        )
        if candidate.embedding_bits == 4:
            quantize_embeddings(target)
    finally:
        logging.disable(logging.NOTSET)


def count_weights(path: Path) -> tuple[int, int]:
    """The number of all and of non-zero parameters in an ONNX file, quantized ones included."""
    tensors = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    total = nonzero = 0
    for name, tensor in tensors.items():
        if name.endswith(("_scale", "_scales", "_zero_point")) or tensor.data_type in (
            TensorProto.INT64,
            TensorProto.INT32,
        ):
            continue
        values = numpy_helper.to_array(tensor)
        if name.endswith(NIBBLES):
            values = unpacked(values)
        total += values.size
        zero = np.zeros(1, values.dtype)
        if name.endswith("_quantized"):
            zero = numpy_helper.to_array(tensors[f"{name.removesuffix('_quantized')}_zero_point"])
            # Per-channel zero points are along the last axis; signed ones are all zero.
            zero = zero.ravel()[0] if not zero.any() or zero.size == 1 else zero
        nonzero += int(np.count_nonzero(values != zero))
    return total, nonzero


def build(context: Context) -> Manifest:
    checkpoint = dense.checkpoint(context)
    return quantized(context, "dynamic", "dense", checkpoint, context.parent("dense", checkpoint))


def quantized(
    context: Context,
    name: str,
    stage: str,
    checkpoint: Path,
    parent: Parent,
    candidates: Sequence[Candidate] | None = None,
    more: Mapping[str, object] | None = None,
    notes: Mapping[str, object] | None = None,
) -> Manifest:
    """Write the artefact ``name`` from a checkpoint, which ``stage`` made. ``candidates`` default to ``CANDIDATES``.

    ``more`` are parameters for the manifest; ``notes`` go there, too, but do not say whether the artefact is current.
    """
    settings = context.settings
    candidates = candidates or CANDIDATES
    # Without anything to measure by, the settings that most often win.
    candidates = candidates if context.supervision.measured else candidates[:1]
    figure = "F1" if context.supervision.gold else "agreement"
    parameters = {
        **(more or {}),
        "tolerance": TOLERANCE,
        "speed_tolerance": SPEED_TOLERANCE,
        "candidates": [asdict(candidate) for candidate in candidates],
    }

    def fill(folder: Path) -> Made:
        with tempfile.TemporaryDirectory(dir=folder) as temporary, full_disk_named(folder):
            work = Path(temporary)
            sources = {True: exported(context.workspace, stage, checkpoint) / MODEL}
            if any(not candidate.fused for candidate in candidates):
                sources[False] = work / "plain.onnx"
                export_onnx(checkpoint, sources[False], fused=False)
            measured: list[Measured] = []
            for number, candidate in enumerate(candidates):
                place = work / str(number)
                place.mkdir()
                for beside in ("tokenizer.json", "config.json", TRANSITIONS):
                    if (folder / beside).exists():
                        shutil.copy(folder / beside, place)
                quantize(sources[candidate.fused], place / "quantized.onnx", candidate)
                settle(place / "quantized.onnx", place / MODEL)
                if not context.supervision.measured:
                    continue
                pipeline = context.open_pipeline(place, "onnx")
                f1 = evaluate(pipeline, context.dataset.dev, f"{name}: {candidate.name}").f1
                if not settings.dynamic_timed:
                    seconds = 0.0
                elif not measured:
                    seconds = seconds_per_text(pipeline, context.dataset.dev)
                else:
                    # Beside the first one, because how busy the machine is changes from candidate to candidate.
                    mine, its = seconds_side_by_side(
                        [pipeline, context.open_pipeline(work / "0", "onnx")], context.dataset.dev
                    )
                    seconds = measured[0].seconds * mine / its
                measured.append(Measured(number, f1, seconds, onnx_bytes(place / MODEL)))
                say(f"{name}: {candidate.name}: dev {figure} {f1:.4f}, {1000 * seconds:.2f} ms per text")
            chosen = choose(measured) if measured else 0
            say(f"{name}: {'chose' if measured else 'took, unmeasured,'} {candidates[chosen].name}")
            settle(work / str(chosen) / MODEL, folder / MODEL)
        return Made(
            *count_weights(folder / MODEL),
            notes={
                **(notes or {}),
                "chosen": asdict(candidates[chosen]),
                "measured": [
                    {
                        **asdict(candidates[entry.number]),
                        f"dev_{figure.lower()}": round(entry.f1, 4),
                        "seconds_per_text": round(entry.seconds, 6),
                        "bytes": entry.bytes,
                    }
                    for entry in measured
                ],
            },
        )

    return context.artifact(name, checkpoint, parent, parameters, fill)
