"""Compares word splitting at serving time with the words of a data set: sentences are joined to text and split
again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import regex

from service.evaluation.conll import Sentence
from service.ner.words import ESCAPED_QUOTE, split_words

_CLOSES = frozenset(",.;:!?%)]}»”’…°،؛؟።፣፤፥፦፧")
_OPENS = frozenset("([{«“‘$£€#@¿¡")
_JOINS = frozenset("-/")
_QUOTES = frozenset({'"', ESCAPED_QUOTE, "″"})
_CLITIC = regex.compile(r"n['’]t|['’](?:s|m|d|re|ve|ll)", regex.IGNORECASE)
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\u3000-\u303f\uff00-\uff65—…·“”‘’]")


def join(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text of a sentence as people would write it, and the span of each word.

    Punctuation is attached to its word, hyphens, slashes and decimal points have no spaces, and straight quotation
    marks open and close alternately.
    """
    text, spans = "", []
    unspaced = sum(bool(_UNSPACED.match(word)) for word in words) > len(words) / 2
    quoted = glued = False
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        quote = word in _QUOTES
        closes = (quoted if quote else word in _CLOSES) or bool(_CLITIC.fullmatch(word))
        between = text[-1:].isalnum() and following[:1].isalnum()
        joins = word in _JOINS and between
        if not (glued or closes or joins or unspaced or not text):
            text += " "
        spans.append((len(text), len(text) + len(word)))
        text += word
        number = word in ".,:" and words[place - 1][-1:].isdigit() and following[:1].isdigit() if place else False
        glued = joins or number or word in _OPENS or (quote and not quoted)
        quoted ^= quote
    return text, spans


@dataclass
class Returned:
    """For one language: the numbers of words and entities, how many of each are recovered, and the lost ones."""

    words: int = 0
    same: int = 0
    entity_words: int = 0
    same_in_entities: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        return self.same / self.words if self.words else 1.0

    @property
    def share_in_entities(self) -> float:
        return self.same_in_entities / self.entity_words if self.entity_words else 1.0


def compare(sentences: Iterable[Sentence]) -> Returned:
    """Join every sentence to text, split it as the service does, and compare."""
    returned = Returned()
    for sentence in sentences:
        text, spans = join(sentence.words)
        found = {(word.start, word.end) for word in split_words(text)}
        for word, label, span in zip(sentence.words, sentence.labels, spans, strict=True):
            same, entity = span in found, label != "O"
            returned.words += 1
            returned.same += same
            returned.entity_words += entity
            returned.same_in_entities += same and entity
            if not same:
                returned.lost[word] += 1
    return returned
