"""Makes the bundled model in cached, resumable stages."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from build_models.artifacts.export import exported
from build_models.bundled.annotations import (
    LABELS,
    annotated,
    digest_of_words,
    read_annotations,
    read_excluded,
)
from build_models.bundled.card import COUNTS, NOT_MEASURED, write_card
from build_models.bundled.export import finish, served
from build_models.bundled.labelling import Teachers, agreed_sentences
from build_models.bundled.licences import SOURCES, TEXT, check_corpus, count_sources, licensed_lines
from build_models.bundled.measure import table
from build_models.bundled.settings import CLOSE_LANGUAGES, LANGUAGES, OPEN_LANGUAGES, BundledSettings
from build_models.bundled.teaching import Lesson, average, teach
from build_models.data.folders import read_sentences
from build_models.data.sample.generate import generate_sample
from build_models.errors import DataError
from build_models.progress import say
from build_models.workspace.workspace import Workspace, result_digest
from service.artifacts.building import WORKSPACE
from service.artifacts.manifest import file_sha256
from service.evaluation.conll import Sentence, to_conll
from service.ner.words import split_words

ALL = LANGUAGES + CLOSE_LANGUAGES


def make(settings: BundledSettings, masakhaner: Path | None = None) -> Path:
    """Make the model and return its folder, ``<out>/model``; with ``masakhaner`` its card has scores.

    Raises ``BuildError`` for text that cannot be used.
    """
    check_corpus(settings.corpus, ALL)
    check_open(settings.open)
    torch.set_num_threads(settings.threads)
    workspace = Workspace(settings.out / WORKSPACE)
    with workspace.locked():
        lines = workspace.stage("lines", corpus_inputs(settings.corpus), lambda result, _: keep_lines(settings, result))
        labelled = {"lines": result_digest(lines), "labels": result_digest(LABELS), "open": open_inputs(settings.open)}
        teachers = [
            workspace.stage(
                f"teacher-{number}",
                {**labelled, "lesson": asdict(lesson), "piece_lines": settings.piece_lines},
                teaching(f"teacher {number}", settings, lesson, lines),
            )
            for number, lesson in enumerate(settings.teachers, 1)
        ]
        exports = [exported(workspace, teacher.name, teacher) for teacher in teachers]
        asked = {"teachers": [result_digest(teacher) for teacher in teachers], "agreement": asdict(settings.agreement)}
        agreed = workspace.stage(
            "agreed",
            {**labelled, **asked, "seed": settings.seed},
            lambda result, state: label_lines(settings, lines, exports, result, state),
        )
        students = [
            workspace.stage(
                f"student-{number}",
                {
                    **labelled,
                    "agreed": result_digest(agreed),
                    "start": result_digest(teachers[0]),
                    "lesson": asdict(lesson),
                },
                teaching(f"student {number}", settings, lesson, lines, agreed, teachers[0]),
            )
            for number, lesson in enumerate(settings.students, 1)
        ]
        student = workspace.stage(
            "student",
            {"students": [result_digest(each) for each in students], "outside_bias": settings.outside_bias},
            lambda result, _: average(students, settings.outside_bias, result),
        )
        scores = table(served(exported(workspace, "student", student)), masakhaner) if masakhaner else NOT_MEASURED
    return finish(student, settings.out / "model", lambda folder: write_card(folder, lines, agreed, scores))


def corpus_inputs(corpus: Path) -> dict[str, str]:
    names = [name.format(language=language) for language in ALL for name in (TEXT, SOURCES)]
    return {name: file_sha256(corpus / name) for name in names}


def check_open(folder: Path) -> None:
    """Raise ``DataError`` if the labelled data under open licences is not there."""
    missing = [language for language in OPEN_LANGUAGES if not (folder / language / "train.txt").is_file()]
    if missing:
        raise DataError(f"{folder} has no {', '.join(missing)}/train.txt: give the labelled data's folder by --open")


def open_inputs(folder: Path) -> dict[str, str]:
    return {f"{path.parent.name}/{path.name}": file_sha256(path) for path in open_files(folder)}


def open_files(folder: Path) -> list[Path]:
    return [
        path
        for language in OPEN_LANGUAGES
        for split in ("train", "dev")
        if (path := folder / language / f"{split}.txt").is_file()
    ]


def keep_lines(settings: BundledSettings, result: Path) -> None:
    """The licensed lines of each language, in words, each once, and how many are from each source.

    Without those that stand in data that only measures.
    """
    counts, excluded = {}, read_excluded()
    for language in ALL:
        lines = licensed_lines(settings.corpus, language)
        counts[language] = count_sources(lines)
        texts = (" ".join(line.text[word.start : word.end] for word in split_words(line.text)) for line in lines)
        kept = [text for text in dict.fromkeys(texts) if text and digest_of_words(text.split(" ")) not in excluded]
        (result / f"{language}.txt").write_text("\n".join(kept), encoding="utf-8")
        say(f"{language}: {len(lines):,} licensed lines")
    (result / COUNTS).write_text(json.dumps(counts, indent=1), encoding="utf-8")


def read_lines(folder: Path, language: str) -> list[str]:
    return (folder / f"{language}.txt").read_text(encoding="utf-8").split("\n")


def real_sentences(settings: BundledSettings, lines: Path) -> list[Sentence]:
    """Labelled real text: the open data sets, and the labelled lines of the corpus."""
    found = [sentence for path in open_files(settings.open) for sentence in read_sentences(path, path.parent.name)]
    for language in ALL:
        entities = read_annotations(language)
        texts = (line.split(" ") for line in read_lines(lines, language))
        labelled = annotated(texts, language, entities)
        if len(labelled) < len(entities):
            say(f"{language}: {len(entities) - len(labelled)} labelled sentences are not in this corpus")
        found += labelled
    return found


def teaching(
    title: str,
    settings: BundledSettings,
    lesson: Lesson,
    lines: Path,
    agreed: Path | None = None,
    start: Path | None = None,
) -> Callable[[Path, Path], None]:
    """A stage that trains on the sample, labelled real text and, for a student, the sentences on which the teachers
    agree.
    """

    def run(result: Path, state: Path) -> None:
        made = generate_sample(None, lesson.seed, lesson.sample).train
        sentences = made + lesson.real_copies * real_sentences(settings, lines)
        if agreed is not None:
            sentences += [
                sentence for language in ALL for sentence in read_agreed(agreed / f"{language}.txt", language)
            ]
        texts = texts_for_pieces(made, lines, settings.piece_lines, lesson.seed)
        teach(title, lesson, sentences, texts, result, state, start)

    return run


def read_agreed(path: Path, language: str) -> list[Sentence]:
    return read_sentences(path, language) if path.stat().st_size else []


def texts_for_pieces(made: Sequence[Sentence], lines: Path, most: int, seed: int) -> list[str]:
    """Lines of every language and sentences of the sample, shuffled."""
    random_state = random.Random(seed)
    texts = [" ".join(sentence.words) for sentence in random_state.sample(made, min(len(made), 2 * most))]
    for language in ALL:
        own = read_lines(lines, language)
        texts += random_state.sample(own, min(len(own), most))
    random_state.shuffle(texts)
    return texts


def label_lines(settings: BundledSettings, lines: Path, exports: Sequence[Path], result: Path, state: Path) -> None:
    """Write the sentences on which the teachers agree, one file per language; finished languages are skipped.

    ``exports`` are the folders of the teachers' ONNX files.
    """
    pipelines = [served(export, settings.threads) for export in exports]
    asked = Teachers(pipelines)
    agreement = settings.agreement
    labelled = real_sentences(settings, lines)
    counts = {}
    for language in ALL:
        path, counted = state / f"{language}.txt", state / f"{language}.json"
        if not counted.exists():
            own = [sentence for sentence in labelled if sentence.language == language]
            known = {tuple(sentence.words) for sentence in own}
            split = (line.split(" ") for line in read_lines(lines, language) if tuple(line.split(" ")) not in known)
            some = [words for words in split if agreement.shortest <= len(words) <= agreement.longest]
            kept, numbers = agreed_sentences(asked, language, some, agreement, settings.seed, own)
            path.write_text(to_conll(kept), encoding="utf-8")
            counted.write_text(json.dumps(numbers), encoding="utf-8")
        counts[language] = json.loads(counted.read_text(encoding="utf-8"))
        say(f"{language}: {counts[language]}")
        (result / path.name).write_bytes(path.read_bytes())
    (result / COUNTS).write_text(json.dumps(counts, indent=1), encoding="utf-8")
