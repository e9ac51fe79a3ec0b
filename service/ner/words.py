"""Splits raw text into words, the unit that the models label.

The rule follows the tokenization of the MasakhaNER files, so that a model sees at serving time what it saw in
training (``python -m build_models words`` measures it): letters, marks and digits stay together, and with them the
apostrophes between, before and behind them ("n'ụlọ", "‘yan", "Ochieng'"). Every other visible character is a word of
its own. Because labels belong to words and words are spans of the text as it was sent, entity offsets never pass
through the tokenizer's normalization.
"""

from collections.abc import Iterator
from typing import NamedTuple

import regex

WORDS_AT_ONCE = 512
"""Words that are worked on in one step, so that a long document does not hold up a short one."""

MAX_WORD_CHARACTERS = 64
"""Longer runs are read as several words, so that nothing of a text without spaces is cut away."""

ESCAPED_QUOTE = '""""'
"""A quotation mark as MasakhaNER has it, escaped twice; the encoder takes one for the other."""


class Word(NamedTuple):
    """A span of the text in Unicode code points, end exclusive."""

    start: int
    end: int


# Han, kana and full-width letters and digits are written without spaces and labelled one character at a time in the
# data sets; U+1361 is the Ethiopic word space. Format characters (zero-width joiners, soft hyphens, byte-order marks)
# hold words together but are never a word by themselves; neither are control characters. A word has at most two
# apostrophes at each edge. Repetitions are bounded and possessive, so that splitting is always linear.
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
    """Return the words of ``text`` from left to right; they do not overlap and hold no white space at their edges."""
    return list(iterate_words(text))


def iterate_words(text: str) -> Iterator[Word]:
    """Like ``split_words``, but lazy, because a long text takes a while."""
    return (Word(*match.span()) for match in _WORD.finditer(text))
