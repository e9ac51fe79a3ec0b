"""Counts label transitions in the training data.

A model that labels each word independently splits names that it does not know, such as B-PER B-PER for a first and a
last name. Weighting its probabilities by the transitions of a hidden Markov model fixes many of these errors. Their
weight is below 1, because the model already sees the context.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.artifacts.transitions import TRANSITIONS
from service.ner.transitions import Transitions

DECIMALS = 6


def count_transitions(sentences: Iterable[Sequence[str]], labels: Sequence[str], weight: float) -> Transitions:
    """Estimate transitions from label sequences, with add-one smoothing."""
    index = {label: number for number, label in enumerate(labels)}
    first = np.ones(len(labels))
    following = np.ones((len(labels), len(labels)))
    for sentence in sentences:
        numbers = [index[label] for label in sentence]
        if numbers:
            first[numbers[0]] += 1
        for before, after in pairwise(numbers):
            following[before, after] += 1
    return Transitions(labels=list(labels), weight=weight, first=_logarithms(first), following=_logarithms(following))


def _logarithms(counts: NDArray[np.float64]) -> Any:
    """Log probabilities along the last axis, as nested lists."""
    return np.log(counts / counts.sum(axis=-1, keepdims=True)).round(DECIMALS).tolist()


def write_transitions(folder: Path, transitions: Transitions) -> None:
    (folder / TRANSITIONS).write_text(transitions.model_dump_json() + "\n", encoding="utf-8")
