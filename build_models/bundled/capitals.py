"""What capital letters tell of words: one that is capitalised inside of sentences and hardly ever small is a name."""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.evaluation.conll import Sentence

BEGINS_AFTER = frozenset(".!?:;\"“”‘'’«»()[]-–—/|#@…*")
"""Behind these a sentence or a title may begin, so a capital tells nothing."""

NAME_SHARE = 0.7
"""A word that has a capital in so many of its places is probably a name."""


class Capitals:
    """How often each word of a text is capitalised where no sentence begins."""

    def __init__(self, sentences: Iterable[Sequence[str]], labelled: Iterable[Sentence] = ()):
        """In ``labelled`` sentences stand titles and other words that are capitalised and no names."""
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
        """Whether a word is labelled as nothing that is probably a name. Text without small letters tells nothing."""
        return any(labels[place] == "O" and self.probably_name(words[place]) for place in inner_capitals(words))


def inner_capitals(words: Sequence[str]) -> list[int]:
    """Places of capitalised words behind ordinary ones."""
    return [
        place
        for place in range(1, len(words))
        if len(words[place]) > 2
        and words[place][0].isupper()
        and words[place][1:].islower()
        and words[place - 1] not in BEGINS_AFTER
    ]
