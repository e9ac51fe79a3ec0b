"""``python -m build_models bundled``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import report_errors


def bundled(
    corpus: Annotated[
        Path, typer.Option(help="Folder with <language>.txt.xz and <language>.sources.xz, a line a sentence.")
    ],
    open_data: Annotated[
        Path, typer.Option("--open", help="Folder with hau and yor: <language>/{train,dev}.txt under open licences.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the stages and, in model/, of the model.")] = Path("bundled"),
    masakhaner: Annotated[
        Path | None, typer.Option(help="Folder of CoNLL files to measure the model on, for its card.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads to train with.")] = 1,
) -> None:
    """Make the model that Kidogo ships, from text that it may learn from.

    Every stage is kept and resumed after a kill. It takes about an hour on one CPU core.
    """
    # Heavy imports wait until the arguments are known to be good.
    from build_models.bundled.make import make
    from build_models.bundled.settings import BundledSettings
    from build_models.progress import say

    with report_errors():
        folder = make(BundledSettings(corpus, open_data, out, threads=threads), masakhaner)
        say(f"the model: {folder}")
