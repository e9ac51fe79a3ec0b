"""Scores the variants of a build with the service's pipeline.

    .venv/bin/python scripts/measure/quality.py [--artifacts artifacts] [--masakhaner FOLDER --languages hau,swa,pcm]

The measures: the build's test split; forty hand-written sentences about well-known people and places
(tests/data/well_known.txt); a hundred further ones (tests/data/hundred.txt); and, if a MasakhaNER folder is given, its
dev and test sentences, the latter also in lower case and in capitals. The last line is one JSON record.
"""

import argparse
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from build_models.artifacts.scores import evaluate, open_artifact
from build_models.data.folders import read_sentences
from service.evaluation.noise import add
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus
from service.variants import VARIANTS

MARKED_TEXTS = {
    name: Path(__file__).parents[2] / "tests" / "data" / f"{name}.txt" for name in ("well_known", "hundred")
}
MARKED = re.compile(r"\[([A-Z]+) ([^\]]+)\]")

Span = tuple[str, int, int]


def unmark(marked: str) -> tuple[str, set[Span]]:
    """Split marked text such as ``[PER Wizkid] don come`` into text and spans."""
    text, spans, position = "", set(), 0
    for match in MARKED.finditer(marked):
        text += marked[position : match.start()]
        spans.add((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        position = match.end()
    return text + marked[position:], spans


def on_marked_text(pipeline: Pipeline, path: Path) -> tuple[int, int, int]:
    """The numbers of correct, predicted and gold entities."""
    correct = predicted = gold = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        text, spans = unmark(line.partition("\t")[2])
        found = {
            (entity.label, entity.start, entity.end)
            for entity in run_to_end(pipeline.read_text(text, Timer())).entities
        }
        correct, predicted, gold = correct + len(spans & found), predicted + len(found), gold + len(spans)
    return correct, predicted, gold


def counted(correct: int, predicted: int, gold: int) -> str:
    return f"{correct} of {gold} right, {predicted} predicted, F1 {2 * correct / max(1, predicted + gold):.3f}"


def on_masakhaner(pipeline: Pipeline, folder: Path, languages: Sequence[str]) -> dict[str, dict[str, float]]:
    """F1 of each language and their mean, on dev, test, and test with noise."""
    scores = {}
    for split, noise in (("dev", ""), ("test", ""), ("test", "lower"), ("test", "upper")):
        sentences = [
            sentence._replace(words=add(sentence.words, noise, random.Random(noise))) if noise else sentence
            for language in languages
            for sentence in read_sentences(folder / language / f"{split}.txt", language)
        ]
        title = f"{split} {noise}".strip()
        found = evaluate(pipeline, sentences, title).languages
        scores[title] = {key: round(f1, 4) for key, f1 in {**found, "mean": fmean(found.values())}.items()}
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--masakhaner", type=Path)
    parser.add_argument("--languages", default="hau,swa,pcm")
    arguments = parser.parse_args()
    record = {}
    for name in arguments.variants.split(","):
        manifest, pipeline = open_artifact(arguments.artifacts / name, available_cpus())
        record[name] = {
            "mb": round(manifest.artifact_bytes / 1e6, 2),
            "test_f1": round(manifest.metrics["test"].f1, 4),
            "test_f1_by_language": {key: round(f1, 4) for key, f1 in manifest.metrics["test"].languages.items()},
            **{text: counted(*on_marked_text(pipeline, path)) for text, path in MARKED_TEXTS.items()},
            "masakhaner": on_masakhaner(pipeline, arguments.masakhaner, arguments.languages.split(","))
            if arguments.masakhaner
            else None,
            "ms_per_text": round(1000 * manifest.seconds_per_text, 2),
        }
        print(f"{name}: {json.dumps(record[name])}", flush=True)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
