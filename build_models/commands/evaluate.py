"""``python -m build_models evaluate``: the accuracy of built variants, by the code behind the service's /accuracy."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import SchemeOption, StrictOption, errors_in_a_line
from service.evaluation.reading import Rules
from service.variants import VARIANTS


def evaluate_command(
    artifacts: Annotated[Path, typer.Option(help="The folder that the build wrote.")] = Path("artifacts"),
    variants: Annotated[str, typer.Option(help="Which variants to check.")] = ",".join(VARIANTS),
    data: Annotated[
        Path | None,
        typer.Option(
            help="A labelled file, or a folder with test splits. Default: the split that came with the build."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Only this language, as in hau.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many sentences, spread evenly over the data.")
    ] = None,
    scheme: SchemeOption = None,
    strict: StrictOption = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON record for each variant instead of the table.")] = False,
) -> None:
    """Check the accuracy of built variants as the service's /accuracy does, with 95% intervals."""
    # Heavy imports wait until the arguments are known to be good.
    from build_models.commands.checking import check_variants, show

    with errors_in_a_line():
        answers = check_variants(artifacts, variants.split(","), data, language, limit, Rules(scheme, strict))
    if json:
        for answer in answers:
            typer.echo(answer.model_dump_json())
    else:
        show(answers)
