"""``python -m build_models push``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import report_errors
from build_models.errors import refuse_unknown
from service.variants import KNOWN_VARIANTS


def push_command(
    variant: Annotated[str, typer.Option(help="Variant to upload.")],
    repo: Annotated[str, typer.Option(help="Repository on the hub, owner/name; created if it does not exist.")],
    out: Annotated[Path, typer.Option("--out", "--artifacts", help="Folder of the artefacts.")] = Path("artifacts"),
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private; refuse one that is public.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch to upload to; created if it does not exist. Default: main.")
    ] = None,
) -> None:
    """Upload a built variant to the Hugging Face hub, with its model card.

    The layout is the one that Optimum's ORTModelForTokenClassification, transformers and transformers.js load. Sign in
    with `hf auth login` first, or set HF_TOKEN.
    """
    # Heavy imports, only after the arguments are validated.
    from build_models.artifacts.upload import push

    with report_errors():
        refuse_unknown([variant], KNOWN_VARIANTS)
        typer.echo(push(out, variant, repo, private, revision))
