"""Finds probable names by capitalization: words that are almost always capitalised inside sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.evaluation.conll import Sentence

BEGINS_AFTER = frozenset(".!?:;\"“”‘'’«»()[]-–—/|#@…*")
"""A sentence or title may begin after these, so a capital there is no evidence."""

NAME_SHARE = 0.7
"""A word is probably a name if this share of its occurrences is capitalised."""


class Capitals:
    """Counts how often each word is capitalised inside sentences."""

    def __init__(self, sentences: Iterable[Sequence[str]], labelled: Iterable[Sentence] = ()):
        """``labelled`` sentences show which capitalised words, such as titles, are not names."""
        self._titles: Counter[str] = Counter()
        for sentence in labelled:
            for place in inner_capitals(sentence.words):
                self._titles[sentence.words[place].lower()] += 1 if sentence.labels[place] == "O" else -1
        self._small: Counter[str] = Counter()
        self._capitalised: Counter[str] = Counter()
        for words in sentences:
            self._small.update(word for word in words if word.islower())
            self._capitalised.update(words[place].lower() for place in inner_capitals(words))

    def probably_name(self, word: str) -> bool:
        capitalised, small = self._capitalised[word.lower()], self._small[word.lower()]
        return self._titles[word.lower()] <= 0 and capitalised > NAME_SHARE * (capitalised + small)

    def overlooked(self, words: Sequence[str], labels: Sequence[str]) -> bool:
        """Whether a probable name is labelled O. Text without lower-case letters is no evidence."""
        return any(labels[place] == "O" and self.probably_name(words[place]) for place in inner_capitals(words))


def inner_capitals(words: Sequence[str]) -> list[int]:
    """Indices of capitalised words that do not begin a sentence."""
    return [
        place
        for place in range(1, len(words))
        if len(words[place]) > 2
        and words[place][0].isupper()
        and words[place][1:].islower()
        and words[place - 1] not in BEGINS_AFTER
    ]
