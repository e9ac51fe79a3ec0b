"""The command line ``python -m build_models``."""

# Over 300 lines: typer takes the options from one signature, in which each has several.

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from build_models.commands import rollback
from build_models.commands.bundled import bundled
from build_models.commands.command_line import (
    SchemeOption,
    StrictOption,
    known_model_scheme,
    refuse_combinations,
    report_errors,
    split_list,
    split_names,
)
from build_models.commands.evaluate import evaluate_command
from build_models.commands.experiments import experiments, results
from build_models.commands.frontier import frontier
from build_models.commands.pretrain import pretrain
from build_models.commands.push import push_command
from build_models.commands.words import words
from service.variants import VARIANTS

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@cli.callback(
    invoke_without_command=True,
    epilog="""
Examples:

`python -m build_models` compresses the bundled model: all seven variants in about a minute.

`python -m build_models --from-scratch` trains a model on the bundled sample instead.

`python -m build_models --base bundled --data ./masakhaner --languages swa,hau` fine-tunes the bundled model on a folder
of CoNLL files, then compresses it.

`python -m build_models --base bundled --data ./names.tsv --languages swa` cuts the dev and test splits from one file.

`python -m build_models --data ./names.tsv` trains a small model on these sentences alone, for a script that the bundled
model does not know.

`python -m build_models --base castorini/afriberta_base --data ./masakhaner --learning-rate 5e-5 --epochs 20`
fine-tunes AfriBERTa.

`python -m build_models --model ./my-ner-model --data ./masakhaner` compresses a model that is fine-tuned already;
`--texts ./texts.txt` instead of `--data` where there are no labels.

`python -m build_models push --variant dynamic --repo me/hausa-ner` uploads a built variant to the hub.

`python -m build_models --variants pruned --sparsity 0.8` builds one variant of the bundled model with another setting.
To rebuild one of another model, repeat its `--base` or `--model` and its `--data` or `--texts`.
""",
)
def main(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Option(
            help="Encoder to fine-tune: a folder, a hub id, or bundled, which is the bundled model. Default with"
            " --data: pretrain one on the data."
        ),
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Train a base and a model on the data, by default the sample.")
    ] = False,
    base_revision: Annotated[str | None, typer.Option(help="Commit of the hub checkpoint.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Token classifier that is fine-tuned already, taken as it is: a folder or a hub id. Default, without"
            " --base and --data: the `bundled` model."
        ),
    ] = None,
    model_revision: Annotated[str | None, typer.Option(help="Commit of the hub checkpoint.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Names for the labels of --model, in the order of its head, for example O,B-PER,I-PER."),
    ] = None,
    model_scheme: Annotated[
        str | None,
        typer.Option(
            help="Scheme of these labels: IOB2, IOB1, IO, BILOU or IOBES. Default: it is recognized.",
            callback=known_model_scheme,
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="Unlabelled text for --model, one text per line: a .txt or .txt.xz file, or a folder."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled file; folder with {train,dev,test}, or with one such folder per language; or a hub data set."
            " Default: the bundled `sample`; none if --model is your own."
        ),
    ] = None,
    data_revision: Annotated[str | None, typer.Option(help="Commit of the hub data set.")] = None,
    scheme: SchemeOption = None,
    strict: StrictOption = False,
    languages: Annotated[
        str | None, typer.Option(help="Languages of --data to use, for example swa,hau. Default: all.")
    ] = None,
    variants: Annotated[str, typer.Option(help="Variants to build.")] = ",".join(VARIANTS),
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("artifacts"),
    seed: Annotated[int, typer.Option(help="Random seed.")] = 42,
    sample_sentences: Annotated[
        int | None,
        typer.Option(
            min=10,
            help="Training sentences per language of the bundled sample. Default: 5500 without a model, else 1000.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Fine-tuning epochs. Default: 20 with --base (12 if bundled), 15 with --data, 4 with the sample.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Peak learning rate of AdamW. Default: 5e-5 with --base (3e-3 if bundled), with --model by its width,"
            " else 6e-3.",
        ),
    ] = None,
    matrix_learning_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Learning rate of Muon on the encoder's matrices; 0: AdamW only. Default: 0 with --base (5e-3 if"
            " bundled) or --model, else 0.01.",
        ),
    ] = None,
    noise_share: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the training text in another letter case, without diacritics or with typos. Default: 0.3"
            " with --data and no --model, else 0.",
        ),
    ] = None,
    regularize: Annotated[
        bool,
        typer.Option(
            "--regularize",
            help="With --base: hide and respell names in training, and average the weights. On without --base.",
        ),
    ] = False,
    batch_pieces: Annotated[int | None, typer.Option(min=64, help="Pieces per padded batch.")] = None,
    max_length: Annotated[int, typer.Option(min=16, max=512, help="Pieces per window.")] = 160,
    overlap: Annotated[int, typer.Option(min=0, help="Pieces shared by neighbouring windows.")] = 40,
    transition_weight: Annotated[
        float, typer.Option(min=0.0, help="Weight of label transitions in decoding; 0 turns them off.")
    ] = 0.6,
    sparsity: Annotated[float, typer.Option(min=0.0, max=0.99, help="Share of weights that `pruned` removes.")] = 0.6,
    prune_embeddings: Annotated[bool, typer.Option(help="Prune the word embeddings, too.")] = False,
    prune_after: Annotated[bool, typer.Option(help="Prune the fine-tuned model instead of the base.")] = False,
    recovery_epochs: Annotated[
        int | None,
        typer.Option(min=0, help="Training epochs after --prune-after. Default: 0; with --model and data or texts 1."),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.1, help="Temperature of the distillation.")] = 2.0,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Weight of the teacher against the labels. Default: 0.7; on the sample with --model 1.",
        ),
    ] = None,
    student_layers: Annotated[int | None, typer.Option(min=1, help="Default: half the teacher's.")] = None,
    student_heads: Annotated[int | None, typer.Option(min=1, help="Default: as many as the teacher's.")] = None,
    student_epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Default: half the teacher's with --base or --data; 3 with --model, but 2 without data and texts; 2"
            " with the bundled model; 1 from scratch.",
        ),
    ] = None,
    agnostic_steps: Annotated[
        int, typer.Option(min=0, help="Distil the base for this many steps, then fine-tune. 0: fine-tune, then distil.")
    ] = 0,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Text for --agnostic-steps, in the format of `pretrain`. Default: the training data."),
    ] = None,
    int8_threshold: Annotated[float, typer.Option(min=0.0, help="Outlier threshold of LLM.int8().")] = 6.0,
    pocket_size: Annotated[
        float | None, typer.Option(min=0.0, help="Largest size of `pocket` in MB: shapes are tried.")
    ] = None,
    pocket_speed: Annotated[
        float | None,
        typer.Option(min=0.0, help="Lowest speed of `pocket`, as a multiple of that of `dense`: shapes are tried."),
    ] = None,
    pocket_loss: Annotated[
        float | None, typer.Option(help="How many points of F1 `pocket` may lose on dev: shapes are taught and tried.")
    ] = None,
    pocket_layers: Annotated[
        int | None, typer.Option(min=1, help="Default: half of the model's, at least 3 of four or more.")
    ] = None,
    pocket_width: Annotated[
        int | None, typer.Option(min=2, help="Default: a third of the model's, at least 96.")
    ] = None,
    pocket_heads: Annotated[int | None, typer.Option(min=1, help="Default: as many as fit the width.")] = None,
    pocket_feed_forward: Annotated[
        int | None, typer.Option(min=1, help="Neurons of a layer. Default: in proportion to the width.")
    ] = None,
    pocket_pieces: Annotated[
        int | None,
        typer.Option(min=0, help="Maximum number of pieces kept from the texts. Default: all that they use."),
    ] = None,
    pocket_whole_vocabulary: Annotated[bool, typer.Option(help="Keep all pieces.")] = False,
    pocket_hidden_epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs on hidden states and attention. Default: 2; 0 on the sample.")
    ] = None,
    pocket_epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs on logits and labels. Default: 4; 1 on the sample.")
    ] = None,
    shape: Annotated[
        str,
        typer.Option(
            help="Size of a base that the build trains on its own sentences: tiny, mini, small, base or large."
            " (`pretrain`, which reads more text, defaults to mini.)"
        ),
    ] = "tiny",
    vocabulary: Annotated[int, typer.Option(min=100, help="Vocabulary size of a base pretrained here.")] = 12000,
    base_steps: Annotated[int | None, typer.Option(min=1, help="Training steps of a base pretrained here.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all available CPUs.")] = None,
) -> None:
    """Build variants of a named-entity model: dense and compressed forms of it.

    Whatever is unchanged since the last build is kept. An interrupted build resumes at its last checkpoint.
    These options belong to the build; the commands have their own.
    """
    if context.invoked_subcommand is not None:
        return
    # Heavy imports, only after the arguments are validated.
    from build_models.bases.shapes import SHAPES
    from build_models.build import build, show
    from build_models.progress import say
    from build_models.settings import (
        BUNDLED,
        RECOVERY_SENTENCES,
        SAMPLE,
        SAMPLE_SENTENCES,
        BaseSettings,
        BuildSettings,
        DistillationSettings,
        FinetuneSettings,
        PocketSettings,
    )
    from service.settings import available_cpus

    def given(**options: object) -> dict[str, object]:
        return {name: value for name, value in options.items() if value is not None}

    if shape not in SHAPES:
        raise typer.BadParameter(f"{shape!r}; choose from {', '.join(SHAPES)}", param_hint="--shape")
    refuse_combinations(context)
    if data in (None, SAMPLE) and base is None and not from_scratch and model in (None, BUNDLED) and texts is None:
        model, data = BUNDLED, SAMPLE
    if base is None and model is None and not from_scratch and data not in (None, SAMPLE):
        say(
            "no --base: training a small model on these sentences alone;"
            " --base bundled gives better ones in the languages of the bundled model"
        )
    if model is not None:
        finetune = FinetuneSettings.of_bundled() if model == BUNDLED else FinetuneSettings.of_given()
        distillation = DistillationSettings.of_given(data == SAMPLE)
    else:
        data = None if data == SAMPLE else data
        finetune = FinetuneSettings.defaults(base is not None, data is not None)
        if base == BUNDLED:
            finetune = FinetuneSettings.of_bundled_base()
        elif regularize:
            finetune = finetune.regularized()
        distillation = DistillationSettings.defaults(base is None and data is None, agnostic_steps)
    settings = BuildSettings(
        out=out,
        base=base,
        base_revision=base_revision,
        model=model,
        model_revision=model_revision,
        labels=split_list(labels),
        model_scheme=model_scheme,
        texts=texts,
        data=data,
        data_revision=data_revision,
        scheme=scheme,
        strict=strict,
        languages=split_list(languages),
        sample_sentences=sample_sentences or (SAMPLE_SENTENCES if model is None else RECOVERY_SENTENCES),
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
            finetune,
            **given(  # type: ignore[arg-type]
                epochs=epochs,
                learning_rate=learning_rate,
                matrix_learning_rate=matrix_learning_rate,
                noise_share=noise_share,
                batch_pieces=batch_pieces,
            ),
        ),
        distillation=replace(
            distillation,
            temperature=temperature,
            layers=student_layers,
            heads=student_heads,
            corpus=corpus,
            **given(epochs=student_epochs, alpha=alpha),  # type: ignore[arg-type]
        ),
        pocket=replace(
            PocketSettings.defaults(sample=data in (None, SAMPLE) and texts is None),
            size=pocket_size,
            speed=pocket_speed,
            loss=pocket_loss,
            layers=pocket_layers,
            width=pocket_width,
            heads=pocket_heads,
            feed_forward=pocket_feed_forward,
            pieces=pocket_pieces,
            whole_vocabulary=pocket_whole_vocabulary,
            **given(hidden_epochs=pocket_hidden_epochs, epochs=pocket_epochs),  # type: ignore[arg-type]
        ),
        threads=threads or available_cpus(),
    )
    with report_errors():
        show(build(settings, split_names(variants)))


cli.command("evaluate")(evaluate_command)
cli.command()(pretrain)
cli.command()(bundled)
cli.command()(experiments)
cli.command()(results)
cli.command()(frontier)
cli.command()(words)
cli.command("rollback")(rollback.command)
cli.command("push")(push_command)


if __name__ == "__main__":
    cli()
