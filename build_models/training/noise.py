"""Adds noise to training sentences."""

import random
from collections.abc import Sequence
from dataclasses import asdict

from build_models.settings import ALL_NOISE, NoiseShares
from service.evaluation.conll import Sentence
from service.evaluation.noise import add


def add_noise(sentences: Sequence[Sentence], shares: NoiseShares, seed: int) -> list[Sentence]:
    """The sentences, each either as it is or changed in one way; labels stay."""
    random_state = random.Random(f"noise/{seed}")
    weights = asdict(shares)
    chosen = random_state.choices([None, *weights], [1 - sum(weights.values()), *weights.values()], k=len(sentences))
    return [
        sentence if noise is None else sentence._replace(words=add(sentence.words, noise, random_state))
        for sentence, noise in zip(sentences, chosen, strict=True)
    ]


def with_noise(sentences: Sequence[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[float]]:
    """The sentences and a form with noise of each, and the shares of the epochs that they are part of."""
    if not share:
        return list(sentences), [1.0] * len(sentences)
    noisy = add_noise(sentences, ALL_NOISE, seed)
    return [*sentences, *noisy], [1 - share] * len(sentences) + [share] * len(noisy)
