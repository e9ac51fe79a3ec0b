"""Writes into an artefact what readers would otherwise take from the defaults of the library that wrote it."""

import inspect
import json
from pathlib import Path

from transformers import AutoConfig

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SHARED = ("add_cross_attention", "chunk_size_feed_forward", "is_decoder", "tie_word_embeddings", "use_cache")
"""What every architecture's configuration has, and saving leaves out where it is the writing version's default."""


def write_portable(folder: Path) -> None:
    """Complete the files of the model and tokenizer in ``folder``."""
    write_whole_config(folder)
    write_exact_tokenizer(folder)
    compact_json(folder / "tokenizer.json")


def write_exact_tokenizer(folder: Path) -> None:
    """Make readers use ``tokenizer.json`` unchanged.

    If the configuration names an architecture's class, transformers 5 derives its own rules from the vocabulary, and
    reads white space before a literal <mask> differently.
    """
    path = folder / TOKENIZER_CONFIG
    written = json.loads(path.read_text(encoding="utf-8"))
    written |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_whole_config(folder: Path) -> None:
    """Write every parameter of the configuration of the model in ``folder`` into its file; what it says stays."""
    path = folder / CONFIG
    written = json.loads(path.read_text(encoding="utf-8"))
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    parameters = inspect.signature(type(config).__init__).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    for name in sorted({*names[1:], *SHARED}):
        if name not in written and hasattr(config, name):
            written[name] = getattr(config, name)
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def compact_json(path: Path) -> None:
    """Write a JSON file without the white space between its parts, which is a third of a tokenizer."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
