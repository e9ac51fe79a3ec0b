"""Tokenizers written for transformers.js; tests/hub/test_transformers_js.py reads them there."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from build_models.artifacts.transformers_js import for_transformers_js
from tests import ROOT
from tests.build_models.classifiers import TOKENIZERS

BUNDLED = ROOT / "build_models" / "bundled" / "model" / "tokenizer.json"


def test_a_table_s_own_rules_are_written_out() -> None:
    given = json.loads(BUNDLED.read_text(encoding="utf-8"))
    written = for_transformers_js(given)
    before, after = (Tokenizer.from_str(json.dumps(content)) for content in (given, written))
    replaced = {
        part["pattern"]["String"]: part["content"]
        for part in written["normalizer"]["normalizers"]
        if part["type"] == "Replace" and "String" in part["pattern"]
    }
    assert (replaced["ኃ"], replaced["ሥ"], len(replaced)) == ("ሀ", "ስ", 37)
    for text in ("ኃይለ ሥላሴ ፀሐይ", "Bọ́lá ﬁ …", "Bo\u0323\u0301la\u0301"):
        assert after.encode(text).ids == before.encode(text).ids
    # No table any more, as in transformers.js: the letters are read as one all the same.
    for part in written["normalizer"]["normalizers"]:
        if part["type"] == "Precompiled":
            part.clear()
            part["type"] = "NFKC"
    assert Tokenizer.from_str(json.dumps(written)).encode("ኃይለ ሥላሴ").ids == before.encode("ኃይለ ሥላሴ").ids


@pytest.mark.parametrize("architecture", ["bert", "camembert", "deberta-v2", "xlm-roberta"])
def test_others_stay_as_they_are(architecture: str, tmp_path: Path) -> None:
    content = json.loads(TOKENIZERS[architecture](tmp_path).backend_tokenizer.to_str())
    assert for_transformers_js(content) == content


def test_a_text_is_read_as_its_words_are(tmp_path: Path) -> None:
    """By a tokenizer that puts no space before a word."""
    tokenizer = TOKENIZERS["modernbert"](tmp_path).backend_tokenizer
    written = Tokenizer.from_str(json.dumps(for_transformers_js(json.loads(tokenizer.to_str()))))
    text = "Rais Uhuru Kenyatta alitembelea Nairobi ."
    words = tokenizer.encode(text.split(), is_pretokenized=True).ids
    assert written.encode(text).ids == words
    assert written.encode(text.split(), is_pretokenized=True).ids == words
    assert tokenizer.encode(text).ids != words
