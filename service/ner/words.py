"""Splits text into words, the units that models label.

The rules follow the tokenization of MasakhaNER, so that a model sees the same words at serving time as in training
(``python -m build_models words`` measures this): letters, marks and digits form words, together with apostrophes
between, before and after them ("n'ụlọ", "‘yan", "Ochieng'"). Every other visible character is a word of its own. Words
are spans of the original text, so entity offsets never pass through the tokenizer's normalization.
"""

from collections.abc import Iterator
from typing import NamedTuple

import regex

WORDS_AT_ONCE = 512
"""Words per step, so that a long document does not delay short ones."""

MAX_WORD_CHARACTERS = 64
"""Longer runs of letters are split, so that no part of a text without spaces is ignored."""

ESCAPED_QUOTE = '""""'
"""MasakhaNER's doubly escaped quotation mark; the encoder treats it as a quotation mark."""


class Word(NamedTuple):
    """A span of the text in Unicode code points, end exclusive."""

    start: int
    end: int


# Han, kana and full-width characters have no spaces between words, and data sets label each character. U+1361 is the
# Ethiopic word space. Format characters (zero-width joiners, soft hyphens, byte-order marks) may be part of a word but
# never form one alone, and neither do control characters. A word has at most two apostrophes at each edge. Repetitions
# are bounded and possessive, so that splitting takes linear time.
_WORD = regex.compile(
    r"""
      [SINGLE]\p{M}*
    | ['’‘]{0,2}+ LETTER
      (?: \p{Cf}* (?:['’‘ʼ´`]\p{Cf}*)? LETTER ){0,MAXIMUM}+
      ['’‘]{0,2}+
    | QUOTE
    # \X alone would look back over a whole run of flags at each of them.
    | [\U0001F1E6-\U0001F1FF]{2}\p{M}*+
    | (?![\s\p{C}\u1361]) \X
    | [\p{Co}\p{Cn}]
    """.replace("LETTER", r"[\p{L}\p{M}\p{N}_--[SINGLE]]")
    .replace("SINGLE", r"\p{Han}\p{Hiragana}\p{Katakana}\uff10-\uff19\uff21-\uff3a\uff41-\uff5a")
    .replace("MAXIMUM", str(MAX_WORD_CHARACTERS - 1))
    .replace("QUOTE", ESCAPED_QUOTE),
    regex.VERBOSE | regex.VERSION1,
)


def split_words(text: str) -> list[Word]:
    """Return the words of ``text`` in order. They do not overlap and have no white space at their edges."""
    return list(iterate_words(text))


def iterate_words(text: str) -> Iterator[Word]:
    """Like ``split_words``, but lazy, because a long text takes a while."""
    return (Word(*match.span()) for match in _WORD.finditer(text))
