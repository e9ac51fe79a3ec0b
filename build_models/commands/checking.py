"""Checks the accuracy of built variants with the code behind the service's /accuracy."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from build_models.artifacts.scores import open_artifact
from build_models.data.folders import documents_to_check
from build_models.errors import BuildError, DataError, refuse_unknown
from build_models.progress import console, print_table, progress, say
from service.artifacts.manifest import MANIFEST, ArtifactError, Manifest
from service.artifacts.warm_up import not_finite
from service.errors import ServiceError
from service.evaluation.accuracy import Contender, check
from service.evaluation.conll import LabelledDataError
from service.evaluation.labelled import of_caller, read_test_split
from service.evaluation.reading import Reading, Rules, read
from service.ner.pipeline import run_to_end
from service.ner.schemes import iob2_labels
from service.schemas.accuracy import MISTAKES, AccuracyAnswer, Noise
from service.settings import Settings, available_cpus
from service.variants import DEFAULT_VARIANT, VARIANTS


def check_variants(
    artifacts: Path,
    names: Sequence[str] | None,
    data: Path | None,
    language: str | None,
    limit: int | None,
    rules: Rules,
    noise: Noise | None = None,
) -> list[AccuracyAnswer]:
    """The accuracy of each named variant in ``artifacts``, or of all that are there, and its difference from ``dense``.

    ``data`` is a labelled file or a folder with test splits; the default is the test split next to the variants. Raises
    ``BuildError`` for unknown or damaged variants and invalid data.
    """
    refuse_unknown(names or (), VARIANTS)
    answers = []
    reading = _read(data, language, rules) if data else None
    most = Settings().max_document_characters
    name = DEFAULT_VARIANT
    try:
        reference, of_dense = _open(artifacts, DEFAULT_VARIANT)
        for name in names or [name for name in VARIANTS if (artifacts / name / MANIFEST).is_file()]:
            contender, manifest = _open(artifacts, name)
            if made_from(manifest) != made_from(of_dense):
                say(
                    f"{name} is of {described(manifest)}, {DEFAULT_VARIANT} of {described(of_dense)}:"
                    " the difference is between two models"
                )
            if data and reading:
                labelled = of_caller(data.name, reading, iob2_labels(manifest.labels, manifest.scheme), most)
            else:
                labelled = read_test_split(artifacts, manifest.data.name if manifest.data else "no data")
            selected = replace(labelled.select(language, limit), noise=noise)
            with progress(name, len(selected.sentences)) as advance:
                answers.append(run_to_end(check(contender, reference, selected, advance)))
    except (ServiceError, ArtifactError) as error:
        raise BuildError(str(error)) from None
    except FloatingPointError:
        raise BuildError(str(not_finite(artifacts / name))) from None
    return answers


def made_from(manifest: Manifest) -> tuple[str, str | None, str | None]:
    return manifest.base_model, manifest.base_revision, manifest.data.digest if manifest.data else None


def described(manifest: Manifest) -> str:
    return f"{manifest.base_model} and {manifest.data.name if manifest.data else 'no data'}"


def _open(artifacts: Path, name: str) -> tuple[Contender, Manifest]:
    manifest, pipeline = open_artifact(artifacts / name, available_cpus())
    return Contender(name, pipeline), manifest


def _read(data: Path, language: str | None, rules: Rules) -> Reading:
    try:
        return read(documents_to_check(data, language), rules)
    except LabelledDataError as error:
        raise DataError(str(error)) from None


def show(answers: Sequence[AccuracyAnswer]) -> None:
    """Print the results as a table."""
    first = answers[0]
    for note in first.notes:
        console.print(f"data: {note}", highlight=False, soft_wrap=True, markup=False)
    table = Table(
        title=f"{first.data.name}{_named(first.noise)}: {first.examples:,} sentences, {first.entities:,} entities;"
        f" {first.mode}",
        caption=f"95% bootstrap intervals over sentences; paired differences from {DEFAULT_VARIANT}",
    )
    for column in ("variant", "precision", "recall", "F1", "95% CI", "difference", "95% CI", "identical sentences"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for answer in answers:
        table.add_row(
            answer.variant,
            f"{answer.precision:.4f}",
            f"{answer.recall:.4f}",
            f"{answer.f1:.4f}",
            "{:.4f} to {:.4f}".format(*answer.intervals.f1),
            f"{answer.difference.f1:+.4f}",
            "{:+.4f} to {:+.4f}".format(*answer.difference.interval),
            f"{answer.agreement.sentences:.1%}",
        )
    print_table(table)
    mistakes = Table(title="Mistakes", caption="calibration error: mean gap between scores and the share that is right")
    for column in ("variant", *(kind.replace("_", " ") for kind in MISTAKES), "calibration error"):
        mistakes.add_column(column, justify="left" if column == "variant" else "right")
    for answer in answers:
        error = answer.calibration.expected_error
        counts = (f"{getattr(answer.mistakes, kind):,}" for kind in MISTAKES)
        mistakes.add_row(answer.variant, *counts, "–" if error is None else f"{error:.4f}")
    print_table(mistakes)


def _named(noise: Noise | None) -> str:
    if noise is None:
        return ""
    return f" with noise {noise.name}" + (f" (seed {noise.seed})" if noise.name == "typos" else "")
