"""Amharic letters of one sound, which people write names with at will, read as one letter.

The rule is part of the tokenizer's own normalization, so everything that reads text with it follows.
"""

from pathlib import Path

from sentencepiece import SentencePieceNormalizer

XLM_R = "nmt_nfkc"
"""SentencePiece's name of the normalization that is added to."""

ROWS = {"ሐ": "ሀ", "ኀ": "ሀ", "ሠ": "ሰ", "ዐ": "አ", "ፀ": "ጸ"}
"""Each row of letters, by its first one, and the row that is read for it."""

ORDERS = 7
"""Of vowels; a row is consecutive in Unicode."""

SAME_LETTER = {
    **{chr(ord(row) + order): chr(ord(read) + order) for row, read in ROWS.items() for order in range(ORDERS)},
    # With the first vowel and the fourth, these consonants sound alike.
    **dict.fromkeys("ሃሓኃ", "ሀ"),
    **dict.fromkeys("ኣዓ", "አ"),
}


def write_rules(path: Path) -> None:
    """Write XLM-R's normalization with the letters of one sound added, in the format that SentencePiece trains with."""
    rules = [*SentencePieceNormalizer(rule_name=XLM_R).decompile(), *SAME_LETTER.items()]
    path.write_text("".join(f"{_numbers(before)}\t{_numbers(after)}\n" for before, after in rules), encoding="ascii")


def _numbers(text: str) -> str:
    return " ".join(f"{ord(letter):X}" for letter in text)
