"""Measures what `pocket` or `distilled` loses against `dense`, taught with labels and with unlabelled texts alone.

    .venv/bin/python scripts/measure/student_quality.py MODEL... --data FOLDER --languages hau,pcm,swa \
        [--texts FOLDER] [--variant distilled] [--pocket LAYERSxWIDTH] [--pieces N] \
        [--hidden-epochs 2] [--epochs 4] [--work FOLDER] [--threads 1]

The models are token classifiers, such as one fine-tuned with several seeds. Each is built twice, as `python -m
build_models --model MODEL --variants dense,pocket` does: with `--data`, and with `--texts` and no labels. Both are
scored on the test split of the data, by its labels and by agreement with `dense`. A difference is the mean over the
languages of a model; its interval is 95% by Student's t over the models. Builds in `--work` are kept, so that a second
run resumes. The last line is one JSON record.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from build_models.artifacts.scores import open_artifact
from build_models.build import build
from build_models.data.loading import load_data
from build_models.experiments.report.inference import estimate
from build_models.settings import BuildSettings, DistillationSettings, FinetuneSettings, PocketSettings
from service.evaluation.accuracy import Contender, check
from service.evaluation.labelled import LabelledData
from service.ner.pipeline import run_to_end
from service.schemas.accuracy import AccuracyAnswer


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
    parser.add_argument("--work", type=Path, default=Path("student-quality"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    languages, student = options.languages.split(","), options.variant
    variants = ("dense", student)
    layers, width = map(int, options.pocket.split("x")) if options.pocket else (None, None)
    settings = BuildSettings(
        finetune=FinetuneSettings.of_given(),
        distillation=DistillationSettings.of_given(sample=False),
        pocket=PocketSettings(
            layers=layers,
            width=width,
            pieces=options.pieces,
            hidden_epochs=options.hidden_epochs,
            epochs=options.epochs,
        ),
        threads=options.threads,
    )
    dataset = load_data(options.data, languages, None, settings.seed, 0)
    test = LabelledData(dataset.name, dataset.digest, dataset.test)
    ways = {"data": replace(settings, data=options.data, languages=tuple(languages))}
    if options.texts is not None:
        ways["texts"] = replace(settings, texts=options.texts)
    record = {}
    for way, of_way in ways.items():
        answers: list[AccuracyAnswer] = []
        megabytes: dict[str, list[float]] = {name: [] for name in variants}
        for number, model in enumerate(options.models, 1):
            folder = options.work / f"{way}-{number}"
            build(replace(of_way, out=folder, model=model), variants)
            contenders = {}
            for name in variants:
                manifest, pipeline = open_artifact(folder / name, options.threads)
                megabytes[name].append(manifest.artifact_bytes / 1e6)
                contenders[name] = Contender(name, pipeline)
            answers.append(run_to_end(check(contenders[student], contenders["dense"], test, lambda: None)))
        points = [100 * fmean(part.f1 for part in answer.difference.languages.values()) for answer in answers]
        difference = estimate(points)
        record[way] = {
            "dense": round(fmean(answer.reference.f1 for answer in answers), 4),
            student: round(fmean(answer.f1 for answer in answers), 4),
            **{f"{name}_mb": round(fmean(sizes), 3) for name, sizes in megabytes.items()},
            "times_smaller": round(fmean(megabytes["dense"]) / fmean(megabytes[student]), 2),
            "difference": round(difference.mean, 2),
            "differences": [round(of_model, 2) for of_model in points],
            "interval": [round(difference.low, 2), round(difference.high, 2)] if len(answers) > 1 else None,
            "agreement": round(fmean(answer.agreement.f1 for answer in answers), 4),
        }
        print(f"{way}: {record[way]}", flush=True)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
