"""Counts which label follows which in the training data.

A model that labels each word by itself splits names that it does not know: B-PER B-PER for a given and a family name.
Multiplied with the probabilities that the model gives (a hidden Markov model's transitions, their weight below that of
one full count because the model has seen the neighbours too), they mend much of that.
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
    """From labelled sentences. One is added to every count, so that nothing unseen is impossible."""
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
    """Of the shares of the last axis, as nested lists."""
    return np.log(counts / counts.sum(axis=-1, keepdims=True)).round(DECIMALS).tolist()


def write_transitions(folder: Path, transitions: Transitions) -> None:
    (folder / TRANSITIONS).write_text(transitions.model_dump_json() + "\n", encoding="utf-8")
