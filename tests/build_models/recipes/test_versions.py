"""Each artefact is read alike by the oldest and the newest versions of the ecosystem's libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.variants import VARIANTS
from tests.build_models.conftest import Built

READER = Path(__file__).parent / "reading_elsewhere.py"
TOLERANCE = {"int8": 0.01}
"""Of logits. The same 8-bit weights are multiplied; the rest is in 16 bits, and both versions may order it anew."""


def read_elsewhere(folder: Path, path: Path | None = None) -> dict[str, Any]:
    """What a process of its own reads, with the packages in ``path`` before those that are installed."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(path or "")}
    done = subprocess.run(
        [sys.executable, str(READER), str(folder), *VARIANTS],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_configuration_leaves_nothing_to_a_default(built: Built, variant: str) -> None:
    config = json.loads((built.folder / variant / "config.json").read_text(encoding="utf-8"))
    for name in ("hidden_act", "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id", "type_vocab_size",
                 "classifier_dropout", "is_decoder", "chunk_size_feed_forward", "tie_word_embeddings", "torch_dtype",
                 "vocab_size", "max_position_embeddings", "initializer_range", "id2label", "label2id"):  # fmt: skip
        assert name in config


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest transformers with what it needs, from the index; PyTorch and the runtimes are the installed ones."""
    folder = tmp_path_factory.mktemp("newest")
    command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", folder, "transformers>=5"]
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, timeout=300)
    return folder


@pytest.mark.slow
def test_the_oldest_and_the_newest_read_the_same(built: Built, newest: Path) -> None:
    old, new = read_elsewhere(built.folder), read_elsewhere(built.folder, newest)
    assert old["transformers"].startswith("4.55.")
    assert int(new["transformers"].partition(".")[0]) >= 5
    for variant in VARIANTS:
        first, second = old["variants"][variant], new["variants"][variant]
        for name in first.keys() - {"logits"}:
            assert first[name] == second[name], (variant, name)
        for ours, theirs in zip(first["logits"], second["logits"], strict=True):
            assert np.abs(np.array(ours) - np.array(theirs)).max() < TOLERANCE.get(variant, 1e-4), variant
