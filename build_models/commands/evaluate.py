"""``python -m build_models evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import SchemeOption, StrictOption, known_noise, report_errors, split_list
from service.evaluation.noise import NOISES
from service.evaluation.reading import Rules
from service.schemas.accuracy import Noise


def evaluate_command(
    artifacts: Annotated[Path, typer.Option("--artifacts", "--out", help="Output folder of the build.")] = Path(
        "artifacts"
    ),
    variants: Annotated[str | None, typer.Option(help="Variants to check. Default: all that were built.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Labelled file, or folder with test splits. Default: the test split of the build."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Check only this language, for example hau.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of sentences, spread evenly over the data.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help=f"Change every word before it is read: {', '.join(NOISES)}.", callback=known_noise),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Where --noise typos puts them.")] = 0,
    scheme: SchemeOption = None,
    strict: StrictOption = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON record per variant instead of the table.")
    ] = False,
) -> None:
    """Check the accuracy of built variants like the service's /accuracy, with 95% confidence intervals."""
    # Heavy imports, only after the arguments are validated.
    from build_models.commands.checking import check_variants, show

    with report_errors():
        rules, changed = Rules(scheme, strict), Noise.model_validate({"name": noise, "seed": seed}) if noise else None
        answers = check_variants(artifacts, split_list(variants), data, language, limit, rules, changed)
    if json:
        for answer in answers:
            typer.echo(answer.model_dump_json())
    else:
        show(answers)
