"""Training sentences as people type them: in lower case or capitals, without diacritics, with slips."""

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields

from service.evaluation.conll import Sentence

SLIPS = 0.1
"""Of the words of a sentence with slips."""


@dataclass(frozen=True)
class NoiseShares:
    """How many of the sentences are changed, and how."""

    lower: float = 0.15
    capitals: float = 0.1
    titles: float = 0.03
    bare: float = 0.05
    slips: float = 0.04


HOMOPHONES = (
    *("ሀሃሐሓኀኃ", "ሁሑኁ", "ሂሒኂ", "ሄሔኄ", "ህሕኅ", "ሆሖኆ", "ሰሠ", "ሱሡ", "ሲሢ", "ሳሣ", "ሴሤ", "ስሥ", "ሶሦ"),
    *("አኣዐዓ", "ኡዑ", "ኢዒ", "ኤዔ", "እዕ", "ኦዖ", "ጸፀ", "ጹፁ", "ጺፂ", "ጻፃ", "ጼፄ", "ጽፅ", "ጾፆ"),
)
"""Amharic letters of one sound: people write names with any of them."""

SAME_SOUND = {letter: group for group in HOMOPHONES for letter in group}

NO_NOISE = NoiseShares(0.0, 0.0, 0.0, 0.0, 0.0)


def add_noise(sentences: Sequence[Sentence], shares: NoiseShares, seed: int) -> list[Sentence]:
    """The sentences, each either as it is or changed in one way; labels stay.

    Where the change would be of case, Amharic, which has none, gets other letters of the same sound.
    """
    random_state = random.Random(f"noise/{seed}")
    names = [field.name for field in fields(shares)]
    weights = [getattr(shares, name) for name in names]
    chosen = random_state.choices([None, *names], [1 - sum(weights), *weights], k=len(sentences))
    return [
        sentence if name is None else sentence._replace(words=changed(sentence, name, random_state))
        for sentence, name in zip(sentences, chosen, strict=True)
    ]


def changed(sentence: Sentence, name: str, random_state: random.Random) -> list[str]:
    if sentence.language == "amh" and name != "slips":
        return [respelt(word, random_state) for word in sentence.words]
    return change(sentence.words, name, random_state)


def respelt(word: str, random_state: random.Random) -> str:
    """With about half of its letters that have others of the same sound exchanged for one of them."""
    return "".join(
        random_state.choice(SAME_SOUND[letter]) if letter in SAME_SOUND and random_state.random() < 0.5 else letter
        for letter in word
    )


def change(words: Sequence[str], name: str, random_state: random.Random) -> list[str]:
    """The words with the noise ``name``."""
    if name == "lower":
        return [word.lower() for word in words]
    if name == "capitals":
        return [word.upper() for word in words]
    if name == "titles":
        return [word[0].upper() + word[1:] for word in words]
    if name == "bare":
        return [without_marks(word) for word in words]
    return [slipped(word, random_state) if random_state.random() < SLIPS else word for word in words]


def without_marks(word: str) -> str:
    """Without diacritics, as many people type; a word of nothing but marks stays."""
    letters = (letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", "".join(letters)) or word


def slipped(word: str, random_state: random.Random) -> str:
    """Two neighbouring letters change places, or one is lost, or doubled; the first one stays."""
    if len(word) < 4:
        return word
    place = random_state.randrange(1, len(word) - 1)
    return random_state.choice(
        (
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + word[place + 1 :],
            word[: place + 1] + word[place:],
        )
    )
