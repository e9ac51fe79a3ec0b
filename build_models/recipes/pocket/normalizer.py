"""SentencePiece's table of normalizations, with only those rules that can make a piece that is known.

The table covers all of Unicode: 320 kB in a tokenizer.json. A rule from characters that no piece has to others that
none has does nothing: either is unknown.
"""

import base64
import struct
import tempfile
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as sentencepiece_model

SPACE = " "


def trim_normalizer(normalizer: Any, known: Set[str]) -> Any:
    """A normalizer of a ``tokenizer.json`` whose pieces are made of the characters ``known``."""
    if not isinstance(normalizer, dict):
        return normalizer
    normalizer = dict(normalizer)
    if "normalizers" in normalizer:
        normalizer["normalizers"] = [trim_normalizer(part, known) for part in normalizer["normalizers"]]
    if normalizer["type"] == "Precompiled":
        table = base64.b64decode(normalizer["precompiled_charsmap"])
        normalizer["precompiled_charsmap"] = base64.b64encode(trim_table(table, known | {SPACE})).decode()
    return normalizer


def trim_table(table: bytes, known: Set[str]) -> bytes:
    rules = dict(rules_of(table))
    # Without the rule of a sequence, its characters would be normalized one by one.
    alone = {start: "".join(rules.get(character, character) for character in start) for start in rules}
    useful = {start for start, end in rules.items() if not end or not known.isdisjoint(start + end + alone[start])}
    # Readers take the shortest rule that fits.
    useful |= {start[:length] for start in useful for length in range(1, len(start)) if start[:length] in rules}
    return compiled({start: rules[start] for start in useful})


def rules_of(table: bytes) -> Iterator[tuple[str, str]]:
    """The rules of a compiled table: a double-array trie of Darts-clone over UTF-8, and the results."""
    (size,) = struct.unpack_from("<I", table)
    units = struct.unpack_from(f"<{size // 4}I", table, 4)
    results = table[4 + size :]

    def children(unit: int) -> int:
        return (unit >> 10) << ((unit & 512) >> 6)

    pending = [(children(units[0]), b"")]
    while pending:
        place, start = pending.pop()
        for byte in range(1, 256):
            # A unit belongs to this parent if it carries the byte that leads to it.
            if place ^ byte >= len(units) or units[place ^ byte] & 0x800000FF != byte:
                continue
            unit = units[place ^ byte]
            below = place ^ byte ^ children(unit)
            if unit >> 8 & 1:
                begin = units[below] & 0x7FFFFFFF
                yield (start + bytes([byte])).decode(), results[begin : results.index(0, begin)].decode()
            pending.append((below, start + bytes([byte])))


def compiled(rules: dict[str, str]) -> bytes:
    """The table of these rules, by SentencePiece's own compiler, which only comes with its training."""

    def numbers(text: str) -> str:
        return " ".join(f"{ord(character):X}" for character in text)

    with tempfile.TemporaryDirectory() as temporary:
        written = Path(temporary) / "rules.tsv"
        lines = [f"{numbers(start)}\t{numbers(result)}\n" for start, result in sorted(rules.items())]
        written.write_text("".join(lines), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"]),
            model_prefix=str(Path(temporary) / "toy"),
            vocab_size=8,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(written),
            num_threads=1,
            minloglevel=2,
        )
        model = sentencepiece_model.ModelProto()
        model.ParseFromString((Path(temporary) / "toy.model").read_bytes())
    table: bytes = model.normalizer_spec.precompiled_charsmap
    return table
