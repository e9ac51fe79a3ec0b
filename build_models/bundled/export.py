"""Reads a trained folder as it will be served, and measures it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from build_models.bundled.teaching import LABEL_LIST, MAX_LENGTH, OVERLAP
from build_models.evaluate import open_pipeline
from build_models.export import export_onnx
from service.pipeline import Pipeline
from service.runtimes.onnx import MODEL
from service.transitions import TRANSITIONS


def served(model: Path, folder: Path, labels: Sequence[str] = LABEL_LIST, threads: int = 1) -> Pipeline:
    """The model as the service runs it, exported into ``folder`` unless it is there already."""
    if not (folder / MODEL).exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("tokenizer.json", "config.json", TRANSITIONS):
            if (model / name).exists():
                shutil.copy(model / name, folder / name)
        export_onnx(model, folder / MODEL)
    return open_pipeline(folder, "onnx", labels, MAX_LENGTH, OVERLAP, threads)


def compact_json(path: Path) -> None:
    """Write a JSON file without the white space between its parts: of a tokenizer, half its size."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
