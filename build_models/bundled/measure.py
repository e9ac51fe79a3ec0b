"""Scores of the bundled model on a folder of CoNLL files that it was not trained on, clean and with noise."""

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from build_models.artifacts.scores import evaluate
from build_models.bundled.settings import LANGUAGES
from build_models.data.folders import read_sentences
from service.evaluation.noise import add
from service.ner.pipeline import Pipeline

NOISES = ("", "lower", "upper", "diacritics", "typos")


class Row(NamedTuple):
    """One language's scores."""

    language: str
    f1: float
    precision: float
    recall: float


def measure(pipeline: Pipeline, data: Path, split: str, noise: str = "") -> list[Row]:
    """Strict IOB2 scores of every language's ``<language>/<split>.txt``."""
    rows = []
    for language in LANGUAGES:
        sentences = read_sentences(data / language / f"{split}.txt", language)
        if noise:
            random_state = random.Random(noise)
            sentences = [sentence._replace(words=add(sentence.words, noise, random_state)) for sentence in sentences]
        scores = evaluate(pipeline, sentences, f"{language} {split} {noise}")
        rows.append(Row(language, scores.f1, scores.precision, scores.recall))
    return rows


def means(rows: Sequence[Row]) -> Row:
    """Over languages, each counting alike."""
    columns = ([row.f1 for row in rows], [row.precision for row in rows], [row.recall for row in rows])
    return Row("mean", *map(fmean, columns))


def table(pipeline: Pipeline, data: Path) -> str:
    """F1 on dev and test, and on test with each noise, as Markdown."""
    columns = {"dev": measure(pipeline, data, "dev")}
    columns |= {noise or "test": measure(pipeline, data, "test", noise) for noise in NOISES}
    lines = [
        f"| language | {' | '.join(columns)} | test precision | test recall |",
        f"|---|{'--:|' * (len(columns) + 2)}",
    ]
    columns = {name: [*rows, means(rows)] for name, rows in columns.items()}
    for number, row in enumerate(columns["test"]):
        figures = [f"{rows[number].f1:.3f}" for rows in columns.values()]
        lines.append(f"| {row.language} | {' | '.join(figures)} | {row.precision:.3f} | {row.recall:.3f} |")
    return "\n".join(lines)
