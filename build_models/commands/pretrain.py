"""``python -m build_models pretrain``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import errors_in_a_line, split_list


def pretrain(
    corpus: Annotated[Path, typer.Option(help="Folder with <language>.txt or <language>.txt.xz, a line a sentence.")],
    out: Annotated[Path, typer.Option(help="Folder of the base, which --base takes.")],
    languages: Annotated[str | None, typer.Option(help="Some of the corpus's languages, as in swa,hau.")] = None,
    lines: Annotated[int | None, typer.Option(min=1, help="At most so many lines of each language.")] = None,
    shape: Annotated[
        str, typer.Option(help="tiny, mini, or AfriBERTa's dimensions: small, base or large (4, 8, 10 layers of 768).")
    ] = "mini",
    vocabulary: Annotated[int, typer.Option(min=100, help="Pieces. AfriBERTa: 70006.")] = 12_000,
    tokenizer_lines: Annotated[int, typer.Option(min=1, help="Lines that the pieces are learnt from.")] = 200_000,
    exponent: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Languages are drawn by their size to this power.")
    ] = 0.3,
    steps: Annotated[int, typer.Option(min=0, help="0 keeps the model that training would start from.")] = 10_000,
    batch_pieces: Annotated[int, typer.Option(min=64, help="Pieces of one step.")] = 1536,
    length: Annotated[int, typer.Option(min=16, max=512, help="Pieces of a row.")] = 128,
    masked_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Pieces to be found again.")] = 0.2,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Of AdamW.")] = 2e-3,
    matrix_learning_rate: Annotated[
        float, typer.Option(min=0.0, help="Of Muon on the encoder's matrices; 0: AdamW for them too.")
    ] = 5e-3,
    neighbours: Annotated[bool, typer.Option(help="Start with heads that look at neighbouring pieces.")] = True,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9)] = 0.0,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 42,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: the CPUs that may be used.")] = None,
) -> None:
    """Make a base from raw text: SentencePiece pieces and a masked-language model, from scratch.

    It trains in bfloat16 on a GPU and in fp32 on a CPU, and goes on where it was after a kill.

    Example: `python -m build_models pretrain --corpus ./corpus --out bases/mini`, then
    `python -m build_models --base bases/mini --data ./masakhaner`.
    """
    from build_models.bases.pretraining import PretrainSettings
    from build_models.bases.pretraining import pretrain as run
    from build_models.bases.shapes import SHAPES
    from service.settings import available_cpus

    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r}; choose from {', '.join(SHAPES)}", param_hint="--shape")
    with errors_in_a_line():
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
