"""The command line of the build: ``python -m build_models``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from build_models import rollback
from build_models.bundled.command import bundled
from build_models.command_line import errors_in_a_line, split_list
from build_models.evaluate_command import evaluate_command
from build_models.experiments.command import experiments, results
from build_models.pretrain_command import pretrain
from service.variants import VARIANTS

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@cli.callback(
    invoke_without_command=True,
    epilog="""
Examples:

`python -m build_models` builds the six variants from the bundled sample.

`python -m build_models --data ./masakhaner --languages swa,hau` builds them from a folder of CoNLL files.

`python -m build_models --base castorini/afriberta_base --data ./masakhaner --learning-rate 5e-5 --epochs 20`
fine-tunes AfriBERTa.

`python -m build_models --variants pruned --sparsity 0.8` builds one variant again with another setting.
""",
)
def main(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Option(help="Checkpoint to start from: a folder or a hub id, XLM-R architecture. Default: make one."),
    ] = None,
    base_revision: Annotated[str | None, typer.Option(help="Commit of the hub checkpoint.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder with <language>/{train,dev,test}.txt, or a hub data set. Default: bundled sample."),
    ] = None,
    data_revision: Annotated[str | None, typer.Option(help="Commit of the hub data set.")] = None,
    languages: Annotated[str | None, typer.Option(help="Some of the data's languages, as in swa,hau.")] = None,
    variants: Annotated[str, typer.Option(help="Which variants to build.")] = ",".join(VARIANTS),
    out: Annotated[Path, typer.Option(help="Where the artefacts go.")] = Path("artifacts"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 42,
    sample_sentences: Annotated[
        int, typer.Option(min=10, help="Training sentences of each language of the bundled sample.")
    ] = 5500,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the training data. Default: 20 with --base, 15 with --data, else 4."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak of fine-tuning. Default: 5e-5 with --base, else 6e-3.")
    ] = None,
    matrix_learning_rate: Annotated[
        float | None,
        typer.Option(min=0.0, help="Of Muon on the encoder's matrices. Default: none with --base, else 0.01."),
    ] = None,
    batch_pieces: Annotated[int | None, typer.Option(min=64, help="Pieces of one padded batch.")] = None,
    max_length: Annotated[int, typer.Option(min=16, max=512, help="Pieces of one window.")] = 160,
    overlap: Annotated[int, typer.Option(min=0, help="Pieces that neighbouring windows share.")] = 40,
    transition_weight: Annotated[
        float, typer.Option(min=0.0, help="Of which label follows which in the data, when labelling. 0: nothing.")
    ] = 0.6,
    sparsity: Annotated[float, typer.Option(min=0.0, max=0.99, help="Share of weights that `pruned` removes.")] = 0.6,
    prune_embeddings: Annotated[bool, typer.Option(help="Prune the word embeddings too.")] = False,
    prune_after: Annotated[bool, typer.Option(help="Prune the fine-tuned model instead of the base.")] = False,
    recovery_epochs: Annotated[int, typer.Option(min=0, help="Of training after that pruning.")] = 0,
    temperature: Annotated[float, typer.Option(min=0.1, help="Of the distillation.")] = 2.0,
    alpha: Annotated[float, typer.Option(min=0.0, max=1.0, help="Weight of the teacher against the labels.")] = 0.7,
    student_layers: Annotated[int | None, typer.Option(min=1, help="Default: half the teacher's.")] = None,
    student_heads: Annotated[int | None, typer.Option(min=1, help="Default: as many as the teacher's.")] = None,
    student_epochs: Annotated[
        int | None, typer.Option(min=1, help="Default: half the teacher's with --base or --data, else 1.")
    ] = None,
    agnostic_steps: Annotated[
        int, typer.Option(min=0, help="Distil the base in so many steps, then fine-tune. 0: fine-tune, then distil.")
    ] = 0,
    corpus: Annotated[
        Path | None, typer.Option(help="Text for that distillation, as `pretrain` takes it. Default: training data.")
    ] = None,
    int8_threshold: Annotated[float, typer.Option(min=0.0, help="Outlier threshold of LLM.int8().")] = 6.0,
    shape: Annotated[str, typer.Option(help="Of a base made here: tiny, mini, small, base or large.")] = "tiny",
    vocabulary: Annotated[int, typer.Option(min=100, help="Pieces of a base made here.")] = 12000,
    base_steps: Annotated[int | None, typer.Option(min=1, help="Masked-language-model steps of such a base.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: the CPUs that may be used.")] = None,
) -> None:
    """Build variants of one named-entity model: dense, pruned, distilled, int8 and dynamic.

    What is unchanged since the last build is kept. A build that was killed goes on where it was.
    The options above belong to the build; the commands below have their own.
    """
    if context.invoked_subcommand is not None:
        return
    # Heavy imports wait until the arguments are known to be good.
    from build_models.base import BaseSettings
    from build_models.build import build, show
    from build_models.settings import BuildSettings, DistillationSettings, FinetuneSettings
    from build_models.shapes import SHAPES
    from service.settings import available_cpus

    def given(**options: object) -> dict[str, object]:
        return {name: value for name, value in options.items() if value is not None}

    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r}; choose from {', '.join(SHAPES)}", param_hint="--shape")
    settings = BuildSettings(
        out=out,
        base=base,
        base_revision=base_revision,
        data=data,
        data_revision=data_revision,
        languages=split_list(languages),
        sample_sentences=sample_sentences,
        seed=seed,
        max_length=max_length,
        overlap=overlap,
        transition_weight=transition_weight,
        sparsity=sparsity,
        prune_embeddings=prune_embeddings,
        prune_after=prune_after,
        recovery_epochs=recovery_epochs,
        int8_threshold=int8_threshold,
        from_scratch=BaseSettings(**given(shape=shape, vocabulary=vocabulary, steps=base_steps)),  # type: ignore[arg-type]
        finetune=replace(
            FinetuneSettings.defaults(base is not None, data is not None),
            **given(  # type: ignore[arg-type]
                epochs=epochs,
                learning_rate=learning_rate,
                matrix_learning_rate=matrix_learning_rate,
                batch_pieces=batch_pieces,
            ),
        ),
        distillation=replace(
            DistillationSettings.defaults(base is None and data is None, agnostic_steps),
            temperature=temperature,
            alpha=alpha,
            layers=student_layers,
            heads=student_heads,
            corpus=corpus,
            **given(epochs=student_epochs),  # type: ignore[arg-type]
        ),
        threads=threads or available_cpus(),
    )
    with errors_in_a_line():
        show(build(settings, variants.split(",")))


cli.command("evaluate")(evaluate_command)
cli.command()(pretrain)
cli.command()(bundled)
cli.command()(experiments)
cli.command()(results)
cli.command("rollback")(rollback.command)


if __name__ == "__main__":
    cli()
