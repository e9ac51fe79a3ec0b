"""``python -m build_models pretrain``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import report_errors, split_list


def pretrain(
    corpus: Annotated[
        Path, typer.Option(help="Folder with `<language>.txt` or `<language>.txt.xz`, one sentence per line.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder; pass it to the build as --base.")],
    languages: Annotated[str | None, typer.Option(help="Languages to use, for example swa,hau. Default: all.")] = None,
    lines: Annotated[int | None, typer.Option(min=1, help="Maximum number of lines per language.")] = None,
    shape: Annotated[
        str,
        typer.Option(
            help="tiny, mini, midi, study-base, study-large, study-wide, study-wide-large, or AfriBERTa's small, base"
            " or large (4, 8, 10 layers of 768)."
        ),
    ] = "mini",
    vocabulary: Annotated[int, typer.Option(min=100, help="Vocabulary size. AfriBERTa: 70006.")] = 12_000,
    tokenizer_lines: Annotated[int, typer.Option(min=1, help="Lines to train the tokenizer on.")] = 200_000,
    exponent: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Languages are sampled by their size to this power.")
    ] = 0.3,
    steps: Annotated[int, typer.Option(min=0, help="Training steps; 0 saves the initial model.")] = 10_000,
    batch_pieces: Annotated[int, typer.Option(min=64, help="Pieces per step.")] = 1536,
    length: Annotated[int, typer.Option(min=16, max=512, help="Pieces per row.")] = 128,
    masked_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of masked pieces.")] = 0.2,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Learning rate of AdamW.")] = 2e-3,
    matrix_learning_rate: Annotated[
        float, typer.Option(min=0.0, help="Learning rate of Muon on the encoder's matrices; 0: AdamW only.")
    ] = 5e-3,
    neighbours: Annotated[bool, typer.Option(help="Start with heads that attend to neighbouring pieces.")] = True,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9)] = 0.0,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 42,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all available CPUs.")] = None,
) -> None:
    """Pretrain a base on raw text: a SentencePiece tokenizer and a masked-language model, from scratch.

    Training uses bfloat16 on a GPU and fp32 on a CPU. If interrupted, it resumes at the last checkpoint.

    Example: `python -m build_models pretrain --corpus ./corpus --out bases/mini`, then
    `python -m build_models --base bases/mini --data ./masakhaner`.
    """
    from build_models.bases.pretraining import PretrainSettings
    from build_models.bases.pretraining import pretrain as run
    from build_models.bases.shapes import SHAPES
    from service.settings import available_cpus

    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r}; choose from {', '.join(SHAPES)}", param_hint="--shape")
    with report_errors():
        run(
            PretrainSettings(
                corpus=corpus,
                out=out,
                languages=split_list(languages),
                limit=lines,
                shape=shape,
                vocabulary=vocabulary,
                tokenizer_lines=tokenizer_lines,
                exponent=exponent,
                steps=steps,
                batch_pieces=batch_pieces,
                length=length,
                masked_share=masked_share,
                learning_rate=learning_rate,
                matrix_learning_rate=matrix_learning_rate or None,
                dropout=dropout,
                neighbours=neighbours,
                seed=seed,
                threads=threads or available_cpus(),
            )
        )
