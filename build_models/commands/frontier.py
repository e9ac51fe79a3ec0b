"""``python -m build_models frontier``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import report_errors, split_list


def frontier(
    model: Annotated[
        list[str],
        typer.Option(help="Token classifier to compress: a folder or a hub id. Repeat it, for example for each seed."),
    ],
    data: Annotated[str | None, typer.Option(help="Labelled data, as for the build.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Unlabelled text, as for the build.")] = None,
    languages: Annotated[str | None, typer.Option(help="Languages to use, for example swa,hau.")] = None,
    shapes: Annotated[bool, typer.Option(help="Also the other shapes that a search would try.")] = True,
    layers: Annotated[int | None, typer.Option(min=1, help="Of pocket; default as for the build.")] = None,
    width: Annotated[int | None, typer.Option(min=2, help="Of pocket; default as for the build.")] = None,
    pieces: Annotated[int | None, typer.Option(min=0, help="Most pieces; default: all that the texts use.")] = None,
    hidden_epochs: Annotated[int, typer.Option(min=0, help="Epochs on hidden states and attention.")] = 2,
    epochs: Annotated[int, typer.Option(min=0, help="Epochs on logits and labels.")] = 4,
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("frontier"),
    seed: Annotated[int, typer.Option(help="Random seed.")] = 42,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all available CPUs.")] = None,
) -> None:
    """Measure what each part of `pocket` gives and costs: alone, all together, and in other shapes.

    Writes a table and a plot of size, latency, resident memory and F1. If interrupted, it resumes.

    Example: `python -m build_models frontier --model ./my-ner-model --data ./masakhaner`.
    """
    from build_models.errors import BuildError
    from build_models.experiments.report.frontier import measure
    from build_models.settings import BuildSettings, FinetuneSettings, PocketSettings
    from service.settings import available_cpus

    with report_errors():
        if data is None and texts is None:
            raise BuildError("Nothing can be measured without texts: pass --data (for F1) or --texts (for agreement)")
        settings = BuildSettings(
            data=data,
            texts=texts,
            languages=split_list(languages),
            seed=seed,
            finetune=FinetuneSettings.of_given(),
            pocket=PocketSettings(
                layers=layers, width=width, pieces=pieces, hidden_epochs=hidden_epochs, epochs=epochs
            ),
            threads=threads or available_cpus(),
        )
        measure(settings, model, shapes, out)
        typer.echo(out / "README.md")
