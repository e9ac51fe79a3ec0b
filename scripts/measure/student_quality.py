"""Measures what `pocket` or `distilled` loses against `dense`, taught with labels and with unlabelled texts alone.

    .venv/bin/python scripts/measure/student_quality.py MODEL... --data FOLDER --languages hau,pcm,swa \
        [--texts FOLDER] [--variant distilled] [--pocket LAYERSxWIDTH] [--pieces N] \
        [--hidden-epochs 2] [--epochs 4] [--work FOLDER] [--threads 1]

The models are token classifiers, such as one fine-tuned with several seeds. Each is built twice, as `python -m
build_models --model MODEL --variants dense,pocket` does: with `--data`, and with `--texts` and no labels. Both are
scored on the test split of the data, by its labels and by agreement with `dense`. Intervals are 95% by Student's t over
the pairs of model and language. Builds in `--work` are kept, so that a second run resumes. The last line is one JSON
record.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from build_models.artifacts.scores import evaluate, open_artifact
from build_models.build import build
from build_models.data.loading import load_data
from build_models.experiments.report.inference import estimate
from build_models.settings import BuildSettings, FinetuneSettings, PocketSettings
from service.artifacts.manifest import Scores
from service.ner.pipeline import label_sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--languages", required=True)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--variant", default="pocket", choices=("pocket", "distilled"))
    parser.add_argument("--pocket", help="the shape, for example 4x128; default as for the build")
    parser.add_argument("--pieces", type=int)
    parser.add_argument("--hidden-epochs", type=int, default=PocketSettings.hidden_epochs)
    parser.add_argument("--epochs", type=int, default=PocketSettings.epochs)
    parser.add_argument("--work", type=Path, default=Path("pocket-quality"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    languages, student = options.languages.split(","), options.variant
    variants = ("dense", student)
    layers, width = map(int, options.pocket.split("x")) if options.pocket else (None, None)
    settings = BuildSettings(
        finetune=FinetuneSettings.of_given(),
        pocket=PocketSettings(
            layers=layers,
            width=width,
            pieces=options.pieces,
            hidden_epochs=options.hidden_epochs,
            epochs=options.epochs,
        ),
        threads=options.threads,
    )
    test = load_data(options.data, languages, None, settings.seed, 0).test
    ways = {"data": replace(settings, data=options.data, languages=tuple(languages))}
    if options.texts is not None:
        ways["texts"] = replace(settings, texts=options.texts)
    record = {}
    for way, of_way in ways.items():
        rows: list[dict[str, Scores]] = []
        agreements: list[Scores] = []
        megabytes: dict[str, list[float]] = {name: [] for name in variants}
        for number, model in enumerate(options.models, 1):
            folder = options.work / f"{way}-{number}"
            build(replace(of_way, out=folder, model=model), variants)
            row = {}
            for name in variants:
                manifest, pipeline = open_artifact(folder / name, options.threads)
                megabytes[name].append(manifest.artifact_bytes / 1e6)
                row[name] = evaluate(pipeline, test, f"{way}: {model}: {name}")
                if name == "dense":
                    labelled = list(label_sentences(pipeline, (sentence.words for sentence in test)))
                    answers = [
                        sentence._replace(labels=labels) for sentence, labels in zip(test, labelled, strict=True)
                    ]
                else:
                    agreements.append(evaluate(pipeline, answers, f"{way}: {model}: agreement"))
            rows.append(row)
        difference = estimate(
            [
                100 * (row[student].languages[language] - row["dense"].languages[language])
                for row in rows
                for language in languages
            ]
        )
        record[way] = {
            **{name: round(fmean(row[name].f1 for row in rows), 4) for name in variants},
            **{f"{name}_mb": round(fmean(sizes), 3) for name, sizes in megabytes.items()},
            "times_smaller": round(fmean(megabytes["dense"]) / fmean(megabytes[student]), 2),
            "difference": round(difference.mean, 2),
            "agreement": round(fmean(scores.f1 for scores in agreements), 4),
            "agreements": [scores.languages for scores in agreements],
            "interval": [round(difference.low, 2), round(difference.high, 2)],
            "languages": [{name: row[name].languages for name in variants} for row in rows],
        }
        print(f"{way}: {record[way]}", flush=True)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
