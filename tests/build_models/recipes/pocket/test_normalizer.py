"""A trimmed table of normalizations gives the same pieces."""

import base64
import json
import unicodedata
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from build_models.recipes.pocket.normalizer import rules_of, trim_normalizer, trim_table
from tests.service.conftest import TEXTS

EVERY = 20
"""Of 225,000 rules, one in so many is looked at."""


@pytest.fixture(scope="module")
def before(tokenizer_file: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(tokenizer_file.read_text(encoding="utf-8"))
    return content


def table_of(normalizer: object) -> bytes:
    assert isinstance(normalizer, dict)
    parts = [normalizer, *normalizer.get("normalizers", [])]
    (found,) = (part["precompiled_charsmap"] for part in parts if "precompiled_charsmap" in part)
    return base64.b64decode(found)


def known(content: dict[str, object]) -> set[str]:
    return {character for piece, _ in content["model"]["vocab"] for character in piece}  # type: ignore[index]


def test_whatever_is_normalized_gives_the_same_pieces(before: dict[str, object]) -> None:
    after = {**before, "normalizer": trim_normalizer(before["normalizer"], known(before))}
    first, second = (Tokenizer.from_str(json.dumps(content)) for content in (before, after))
    starts = [start for start, _ in rules_of(table_of(before["normalizer"]))][::EVERY]
    marked = [f"{letter}{mark}" for letter in "aeioungO" for mark in map(chr, range(0x300, 0x370))]
    texts = [unicodedata.normalize(form, text) for text in TEXTS for form in ("NFC", "NFD", "NFKD")]
    words = [*(f"a{start}b" for start in starts), *marked, *texts]
    pieces = [[encoding.ids for encoding in tokenizer.encode_batch(words)] for tokenizer in (first, second)]
    assert pieces[0] == pieces[1]
    assert len(table_of(after["normalizer"])) < len(table_of(before["normalizer"])) / 4


def test_the_rules_are_those_of_the_table(before: dict[str, object]) -> None:
    table = table_of(before["normalizer"])
    rules = dict(rules_of(table))
    assert (rules["ﬁ"], rules["Ａ"], rules["\u3000"], rules["\u200b"]) == ("fi", "A", " ", " ")
    trimmed = dict(rules_of(trim_table(table, {"f", "i"})))
    assert trimmed["ﬁ"] == "fi"
    assert "Ａ" not in trimmed
    assert trimmed.items() <= rules.items()
