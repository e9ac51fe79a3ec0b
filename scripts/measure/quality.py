"""Scores the variants of a build with the service's pipeline.

    .venv/bin/python scripts/measure/quality.py [--artifacts artifacts] [--masakhaner FOLDER --languages hau,swa,pcm]

Three measures: the build's test split, forty hand-written sentences about well-known people and places
(tests/data/well_known.txt), and the dev sentences of a MasakhaNER folder if one is given. The last line is one JSON
record.
"""

import argparse
import json
import re
from pathlib import Path

from build_models.artifacts.scores import evaluate, open_artifact
from build_models.data.folders import read_sentences
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from service.settings import available_cpus
from service.variants import VARIANTS

WELL_KNOWN = Path(__file__).parents[2] / "tests" / "data" / "well_known.txt"
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


def well_known(pipeline: Pipeline) -> tuple[int, int, int]:
    """The numbers of correct, predicted and gold entities."""
    correct = predicted = gold = 0
    for line in WELL_KNOWN.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        text, spans = unmark(line.partition("\t")[2])
        found = {
            (entity.label, entity.start, entity.end)
            for entity in run_to_end(pipeline.read_text(text, Timer())).entities
        }
        correct, predicted, gold = correct + len(spans & found), predicted + len(found), gold + len(spans)
    return correct, predicted, gold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    parser.add_argument("--masakhaner", type=Path)
    parser.add_argument("--languages", default="hau,swa,pcm")
    arguments = parser.parse_args()
    dev: list[Sentence] = []
    if arguments.masakhaner:
        for language in arguments.languages.split(","):
            dev += read_sentences(arguments.masakhaner / language / "dev.txt", language)
    record = {}
    for name in VARIANTS:
        manifest, pipeline = open_artifact(arguments.artifacts / name, available_cpus())
        correct, predicted, gold = well_known(pipeline)
        scores = evaluate(pipeline, dev, name) if dev else None
        record[name] = {
            "mb": round(manifest.artifact_bytes / 1e6, 2),
            "test_f1": round(manifest.metrics["test"].f1, 4),
            "test_f1_by_language": {key: round(f1, 4) for key, f1 in manifest.metrics["test"].languages.items()},
            "well_known": f"{correct} of {gold} right, {predicted} predicted",
            "masakhaner_dev_f1": {key: round(f1, 4) for key, f1 in scores.languages.items()} if scores else None,
            "ms_per_text": round(1000 * manifest.seconds_per_text, 2),
        }
        print(f"{name}: {json.dumps(record[name])}", flush=True)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
