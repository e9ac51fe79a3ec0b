"""Tokenizers that transformers.js reads as the service does."""

import base64
import re
import sys
import unicodedata
from typing import Any

from tokenizers import normalizers

REMOVED = re.compile("[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]")
SPACES = re.compile("[\t\n\u000c\r\u00a0\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2581\u3000\ufeff\ufffd]")
WIDE_TILDE = "\uff5e"

IGNORED = {"\u061c"}
"""The Arabic letter mark, the one character that XLM-R's own table maps differently."""

NO_TEXT = {"Cn", "Co", "Cs"}
"""Categories of characters that are unassigned, private or half of one. JavaScript may know newer ones than Python."""


def for_transformers_js(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """The content of a ``tokenizer.json`` with which transformers.js splits a text into the same pieces as the service
    does its words, if the words are separated by spaces; equal to the given content if it does so already.
    """
    return {
        **tokenizer,
        "normalizer": with_rules_written_out(tokenizer["normalizer"]),
        "pre_tokenizer": _by_words(tokenizer["pre_tokenizer"]),
    }


def with_rules_written_out(normalizer: Any) -> Any:
    """transformers.js does not read SentencePiece's normalization tables; it applies XLM-R's rules instead, which are
    nearly NFKC. Characters that a table maps differently, such as Amharic letters of the same sound, are replaced
    first.
    """
    if not isinstance(normalizer, dict):
        return normalizer
    parts = normalizer["normalizers"] if normalizer["type"] == "Sequence" else [normalizer]
    tables = [base64.b64decode(part["precompiled_charsmap"]) for part in parts if part["type"] == "Precompiled"]
    written = [
        {"type": "Replace", "pattern": {"String": character}, "content": read}
        for table in tables
        for character, read in own_rules(table).items()
    ]
    return {"type": "Sequence", "normalizers": [*written, *parts]} if written else normalizer


def _by_words(pre_tokenizer: Any) -> Any:
    """The pipeline of transformers.js takes only whole texts. Byte-level tokenizers without a space before the first
    word, such as ModernBERT's, would put one before each of the others, which they do not if they are given words.
    """
    if not isinstance(pre_tokenizer, dict) or pre_tokenizer["type"] != "ByteLevel" or pre_tokenizer["add_prefix_space"]:
        return pre_tokenizer
    return {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, pre_tokenizer]}


def own_rules(table: bytes) -> dict[str, str]:
    """The characters that a compiled table maps differently from transformers.js, and what it maps them to."""
    normalize = normalizers.Precompiled(table).normalize_str
    own = {}
    for character in map(chr, range(1, sys.maxunicode + 1)):
        if unicodedata.category(character) in NO_TEXT or character in IGNORED:
            continue
        read = normalize(character)
        # Nothing stops transformers.js from changing a character that the table leaves alone.
        if read not in (character, _in_transformers_js(character)):
            own[character] = read
    return own


def _in_transformers_js(text: str) -> str:
    """As in @huggingface/tokenizers 0.2, which transformers.js 4.3 uses."""
    text = SPACES.sub(" ", REMOVED.sub("", text))
    return WIDE_TILDE.join(unicodedata.normalize("NFKC", part) for part in text.split(WIDE_TILDE))
