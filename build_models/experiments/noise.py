"""Label-preserving noise for test sentences."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence

from service.evaluation.conll import Sentence
from service.evaluation.noise import add
from service.ner.decoding import entity_spans

Noise = Callable[[Sequence[Sentence], random.Random], list[Sentence]]


def in_words(name: str) -> Noise:
    """The noise of this name in each word of the sentences."""

    def noisy(sentences: Sequence[Sentence], random_state: random.Random) -> list[Sentence]:
        return [sentence._replace(words=add(sentence.words, name, random_state)) for sentence in sentences]

    return noisy


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


NOISES: dict[str, Noise] = {
    "typos": in_words("typos"),
    "lower case": in_words("lower"),
    "upper case": in_words("upper"),
    "no diacritics": in_words("diacritics"),
    "swapped entities": swapped_entities,
}
