"""Label-preserving noise for test sentences."""

import random
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

from service.evaluation.conll import Sentence
from service.ner.decoding import entity_spans

TYPO_SHARE = 0.2
"""Share of words with a typo."""


def typos(sentences: Sequence[Sentence], random_state: random.Random) -> list[Sentence]:
    """Swap, drop or double a letter in some words."""

    def noisy(word: str) -> str:
        if len(word) < 3 or random_state.random() >= TYPO_SHARE:
            return word
        place = random_state.randrange(1, len(word) - 1)
        return random_state.choice(
            (
                word[:place] + word[place + 1] + word[place] + word[place + 2 :],
                word[:place] + word[place + 1 :],
                word[: place + 1] + word[place:],
            )
        )

    return [sentence._replace(words=[noisy(word) for word in sentence.words]) for sentence in sentences]


def lower_case(sentences: Sequence[Sentence], _: random.Random) -> list[Sentence]:
    return [sentence._replace(words=[word.lower() for word in sentence.words]) for sentence in sentences]


def upper_case(sentences: Sequence[Sentence], _: random.Random) -> list[Sentence]:
    return [sentence._replace(words=[word.upper() for word in sentence.words]) for sentence in sentences]


def no_diacritics(sentences: Sequence[Sentence], _: random.Random) -> list[Sentence]:
    """Remove diacritics. A word that consists only of combining marks stays."""

    def bare(word: str) -> str:
        letters = (letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
        return unicodedata.normalize("NFC", "".join(letters)) or word

    return [sentence._replace(words=[bare(word) for word in sentence.words]) for sentence in sentences]


def swapped_entities(sentences: Sequence[Sentence], random_state: random.Random) -> list[Sentence]:
    """Replace each entity by a random one of the same type from the sentences."""
    pool: dict[str, list[list[str]]] = defaultdict(list)
    for sentence in sentences:
        for span in entity_spans(sentence.labels):
            pool[span.label].append(sentence.words[span.first : span.last + 1])
    swapped = []
    for sentence in sentences:
        words, labels, end = [], [], 0
        for span in entity_spans(sentence.labels):
            words += sentence.words[end : span.first]
            labels += sentence.labels[end : span.first]
            entity = random_state.choice(pool[span.label])
            words += entity
            labels += [f"B-{span.label}", *[f"I-{span.label}"] * (len(entity) - 1)]
            end = span.last + 1
        swapped.append(Sentence(sentence.language, words + sentence.words[end:], labels + sentence.labels[end:]))
    return swapped


NOISES: dict[str, Callable[[Sequence[Sentence], random.Random], list[Sentence]]] = {
    "typos": typos,
    "lower case": lower_case,
    "upper case": upper_case,
    "no diacritics": no_diacritics,
    "swapped entities": swapped_entities,
}
