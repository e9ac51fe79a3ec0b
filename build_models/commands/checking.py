"""Checks built variants against labelled data, from the command line as over HTTP."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from build_models.artifacts.scores import open_artifact
from build_models.errors import BuildError, DataError, refuse_unknown
from build_models.progress import print_table, progress
from service.artifacts.manifest import ArtifactError, Manifest
from service.artifacts.warm_up import not_finite
from service.errors import ServiceError
from service.evaluation.accuracy import Contender, check
from service.evaluation.labelled import LabelledData, read_request, read_test_split
from service.ner.pipeline import run_to_end
from service.schemas.accuracy import AccuracyAnswer, AccuracyRequest
from service.settings import Settings, available_cpus
from service.variants import DEFAULT_VARIANT, VARIANTS


def check_variants(
    artifacts: Path, names: Sequence[str], data: Path | None, language: str | None, limit: int | None
) -> list[AccuracyAnswer]:
    """The accuracy of each named variant in ``artifacts``, and its difference from the reference.

    ``data`` is a CoNLL file, by default the test split beside the variants. Raises ``BuildError``.
    """
    refuse_unknown(names, VARIANTS)
    answers = []
    name = DEFAULT_VARIANT
    try:
        reference, _ = _open(artifacts, DEFAULT_VARIANT)
        for name in names:
            contender, manifest = _open(artifacts, name)
            selected = _read(artifacts, manifest, data, language).select(language, limit)
            with progress(name, len(selected.sentences)) as advance:
                answers.append(run_to_end(check(contender, reference, selected, advance)))
    except (ServiceError, ArtifactError) as error:
        raise BuildError(str(error)) from None
    except FloatingPointError:
        raise BuildError(str(not_finite(artifacts / name))) from None
    return answers


def _open(artifacts: Path, name: str) -> tuple[Contender, Manifest]:
    manifest, pipeline = open_artifact(artifacts / name, available_cpus())
    return Contender(name, pipeline), manifest


def _read(artifacts: Path, manifest: Manifest, data: Path | None, language: str | None) -> LabelledData:
    if data is None:
        return read_test_split(artifacts, manifest.data.name)
    try:
        request = AccuracyRequest(conll=data.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise DataError(f"{data}: not UTF-8") from None
    return read_request(request, language, manifest.labels, Settings().max_document_characters)


def show(answers: Sequence[AccuracyAnswer]) -> None:
    """The table at the end."""
    first = answers[0]
    table = Table(
        title=f"{first.data.name}: {first.examples:,} sentences, {first.entities:,} entities; {first.mode}",
        caption=f"95% bootstrap intervals over sentences; the difference from {DEFAULT_VARIANT} is paired",
    )
    for column in ("variant", "precision", "recall", "F1", "95%", "difference", "95%", "sentences alike"):
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
