"""Text as people type it: in another letter case, without diacritics, with typos. Words stay words, so labels hold."""

import random
import unicodedata
from collections.abc import Callable, Sequence

TYPO_SHARE = 0.2
"""Share of words with a typo."""


def without_diacritics(word: str) -> str:
    """A word that consists only of combining marks stays."""
    letters = (letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", "".join(letters)) or word


def with_typo(word: str, random_state: random.Random) -> str:
    """Swap, drop or double a letter; the first one stays."""
    place = random_state.randrange(1, len(word) - 1)
    return random_state.choice(
        (
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + word[place + 1 :],
            word[: place + 1] + word[place:],
        )
    )


def _perhaps_with_typo(word: str, random_state: random.Random) -> str:
    if len(word) < 3 or random_state.random() >= TYPO_SHARE:
        return word
    return with_typo(word, random_state)


_CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "lower": lambda word, _: word.lower(),
    "upper": lambda word, _: word.upper(),
    "title": lambda word, _: word[:1].upper() + word[1:],
    "diacritics": lambda word, _: without_diacritics(word),
    "typos": _perhaps_with_typo,
}

NOISES = tuple(_CHANGES)


def add(words: Sequence[str], noise: str, random_state: random.Random) -> list[str]:
    """The words with the noise of this name; only ``typos`` draws from ``random_state``."""
    change = _CHANGES[noise]
    return [change(word, random_state) for word in words]
