"""Measures size and speed of `pocket` shapes of a model of AfriBERTa-base's dimensions, with random weights.

    .venv/bin/python scripts/measure/pocket.py [--pieces 30000,8000] [--threads 1] [--rounds 3] [--work FOLDER]

Size and speed do not depend on what a model has learnt. AfriBERTa's vocabulary has 70,006 pieces; a shape is measured
with as many as the texts at hand would leave. Every model is exported, fused and quantized by the build's own code. The
models take turns at each sentence; the figures are medians over sentence lengths around 42 pieces, of each round. With
one thread, its CPU time counts, so that other work on the machine is left out. The last line is one JSON record.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import XLMRobertaForTokenClassification

from build_models.artifacts.export import export_onnx
from build_models.bases.base import train_tokenizer
from build_models.bases.masked import model_config
from build_models.bases.shapes import AFRIBERTA_PIECES, SHAPES, Shape
from build_models.data.loading import load_data
from build_models.recipes.dynamic import CANDIDATES, quantize
from service.runtimes.onnx import MODEL, OnnxRuntime

LENGTHS = [16, 24, 30, 36, 42, 42, 48, 54, 64, 84]
STUDENTS = [Shape(256, 4, 2, 1024), Shape(384, 4, 3, 1536), Shape(192, 4, 3, 768), Shape(192, 3, 3, 768)]


def make(folder: Path, shape: Shape, pieces: int, tokenizer: Path) -> Path:
    """The fused export of a model with random weights."""
    if (folder / MODEL).exists():
        return folder
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    torch.manual_seed(1)
    config = model_config(shape, pieces, 512, 0.0)
    config.num_labels = 9
    XLMRobertaForTokenClassification(config).save_pretrained(checkpoint)
    for path in tokenizer.iterdir():
        (checkpoint / path.name).write_bytes(path.read_bytes())
    export_onnx(checkpoint, folder / MODEL)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pieces", default="30000,8000")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        tokenizer = work / "tokenizer"
        if not tokenizer.exists():
            tokenizer.mkdir(parents=True)
            texts = [" ".join(sentence.words) for sentence in load_data(None, None, None, 1, 100).train]
            train_tokenizer(texts, 2000, tokenizer)
        models = {"dense": make(work / "dense", SHAPES["base"], AFRIBERTA_PIECES, tokenizer) / MODEL}
        models["dynamic"] = work / "dynamic.onnx"
        if not models["dynamic"].exists():
            quantize(models["dense"], models["dynamic"], CANDIDATES[0])
        for shape in STUDENTS:
            for pieces in map(int, options.pieces.split(",")):
                name = f"{shape.layers} x {shape.width} / {shape.feed_forward}, {pieces} pieces"
                folder = make(work / name.replace("/", "").replace(" ", ""), shape, pieces, tokenizer)
                for bits in (8, 4):
                    models[f"{name}, {bits} bits"] = folder / f"{bits}.onnx"
                    if not (folder / f"{bits}.onnx").exists():
                        quantize(folder / MODEL, folder / f"{bits}.onnx", replace(CANDIDATES[0], embedding_bits=bits))
        report(models, options.threads, options.rounds)


def report(models: dict[str, Path], threads: int, rounds: int) -> None:
    sessions = {name: OnnxRuntime(path, threads) for name, path in models.items()}
    random = np.random.default_rng(1)
    windows = [random.integers(4, 2000, length) for length in LENGTHS]
    medians: dict[str, list[float]] = {name: [] for name in models}
    clock = time.thread_time if threads == 1 else time.perf_counter
    for number in range(rounds + 1):
        seconds: dict[str, list[float]] = {name: [] for name in models}
        for pieces in windows:
            for name, session in sessions.items():
                started = clock()
                session.logits(pieces)
                seconds[name].append(clock() - started)
        if number:  # the first warms up
            for name in models:
                medians[name].append(1000 * statistics.median(seconds[name]))
    milliseconds = {name: statistics.median(found) for name, found in medians.items()}
    record = {}
    for name, path in models.items():
        megabytes, taken = path.stat().st_size / 1e6, milliseconds[name]
        record[name] = {"MB": round(megabytes, 1), "ms": round(taken, 2)}
        print(
            f"{name:44} {megabytes:7.1f} MB {taken:7.2f} ms  {milliseconds['dense'] / taken:5.1f} times dense"
            f"  {milliseconds['dynamic'] / taken:5.1f} times dynamic"
        )
    print(json.dumps({"threads": threads, "rounds": rounds, "models": record}))


if __name__ == "__main__":
    main()
