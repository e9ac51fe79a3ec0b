"""What the models in one repository share: its ``tokenizer.json`` and ``config.json``, which every push replaces."""

import json
import re
from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from build_models.artifacts.transformers_js import with_rules_written_out

FOLDER = "onnx"
TRANSFORMERS_JS = "transformers.js_config"
OUTSIDE = "use_external_data_format"
"""Under ``TRANSFORMERS_JS``: the names of the ONNX files whose weights are in a file beside them."""

MODELS = re.compile(r".*\.onnx|(.*/)?(pytorch_)?model[^/]*\.(safetensors|bin)")
READING = ("added_tokens", "pre_tokenizer", "post_processor", "model")
"""The parts of a ``tokenizer.json`` that, beside the normalizer, turn a text into pieces."""

Json = dict[str, Any]


class Shared(NamedTuple):
    """The contents of both files; empty for a file that is not there."""

    tokenizer: Json
    config: Json

    @classmethod
    def of(cls, tokenizer: bytes, config: bytes) -> "Shared":
        return cls(json.loads(tokenizer, parse_float=_score), json.loads(config))


def _score(digits: str) -> float:
    """SentencePiece's scores have 32 bits; each time that tokenizers saves them, some of the last digits change."""
    return float(np.float32(digits))


def models_left(there: Iterable[str], pushed: Container[str]) -> list[str]:
    """The models in a repository that a push does not replace."""
    return sorted(name for name in there if MODELS.fullmatch(name) and name not in pushed)


def breaks(model: str, there: Shared, pushed: Shared) -> str | None:
    """What would go wrong with a model if the shared files were replaced; None if nothing."""
    if there.config.get("id2label") != pushed.config.get("id2label"):
        return "it would answer with wrong labels"
    # An ONNX file has its sizes in its graph.
    if not model.endswith(".onnx") and _laid_out_otherwise(there.config, pushed.config):
        return "its weights could not be read"
    if _reads_otherwise(there.tokenizer, pushed.tokenizer):
        return "it would get the ids of another vocabulary"
    return None


def _laid_out_otherwise(there: Json, pushed: Json) -> bool:
    """Whether weights are quantized otherwise or have other sizes. Defaults may be written in one file alone."""
    sizes = [key for key, value in there.items() if type(value) is int and key in pushed]
    return any(there.get(key) != pushed.get(key) for key in (*sizes, "quantization_config"))


def _reads_otherwise(there: Json, pushed: Json) -> bool:
    if any(there.get(part) != pushed.get(part) for part in READING):
        return True
    known, new = there.get("normalizer"), pushed.get("normalizer")
    # Written out, the rules of a table are the same to those that read the table.
    return new not in (known, with_rules_written_out(known))


def with_weights_outside(config: Json, there: Json, left: Sequence[str]) -> Json:
    """``config`` with what transformers.js needs to find the weights of the models that are left."""
    names = [name.removeprefix(f"{FOLDER}/") for name in left if name.startswith(f"{FOLDER}/")]
    known = there.get(TRANSFORMERS_JS, {}).get(OUTSIDE, {})
    if not isinstance(known, dict):
        # One answer for all files.
        known = dict.fromkeys(names, known)
    kept = {name: known[name] for name in names if name in known}
    if not kept:
        return config
    own = config.get(TRANSFORMERS_JS, {})
    return {**config, TRANSFORMERS_JS: {**own, OUTSIDE: {**kept, **own.get(OUTSIDE, {})}}}
