"""``python -m build_models experiments NAME`` and ``python -m build_models results``."""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from build_models.commands.command_line import (
    fail,
    hint,
    numbers,
    options_given,
    report_errors,
    split_list,
    whole,
)

if TYPE_CHECKING:
    from build_models.experiments.cells import Cell
    from build_models.experiments.run import Places

NAMES = ("paper", "pretraining", "pruning", "distillation", "quantization", "crosslingual", "robustness", "int8")


ELSEWHERE = ("results", "work", "executor", "processes", "slurm", "stop_after", "plan")
"""Options that say where or how cells are computed, not which."""

EXECUTORS_OF = {
    "stop_after": ("here",),
    "processes": ("pool", "slurm-local"),
    "slurm": ("slurm", "slurm-local"),
}
"""The executors that read an option."""

FOLDERS = ("base", "data", "crosslingual", "corpus")
"""Options that name a folder, or something on the hub."""


def experiments(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=", ".join(NAMES))],
    base: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder or hub id of a base. Repeat it for several bases. With --plan, it can also be the name of a"
            " shape; the default is then AfriBERTa's base and large."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Folder of CoNLL files, or hub id. Default: the bundled sample.")
    ] = None,
    languages: Annotated[str, typer.Option(help="Languages; each gets its own model.")] = "hau,swa,pcm",
    seeds: Annotated[str, typer.Option(help="Training seeds; each cell runs once per seed.")] = "1,2",
    crosslingual: Annotated[Path | None, typer.Option(help="Folder with {fon,bam,zho}/test.txt.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Raw text for task-agnostic distillation.")] = None,
    corpus_lines: Annotated[int | None, typer.Option(min=1, help="Maximum number of lines per language.")] = None,
    sparsities: Annotated[str, typer.Option()] = "0.3,0.5,0.6,0.7,0.8,0.9,0.95",
    recovery_epochs: Annotated[int, typer.Option(min=0, help="Epochs after pruning a fine-tuned model.")] = 0,
    prune_embeddings: Annotated[bool, typer.Option(help="Prune the word embeddings, too.")] = False,
    temperatures: Annotated[str, typer.Option()] = "2,3,6",
    student_layers: Annotated[str, typer.Option()] = "1,2",
    student_heads: Annotated[str, typer.Option(help="Additional students with these numbers of heads.")] = "",
    student_epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs of a task-specific student. Default: half of those of fine-tuning."),
    ] = None,
    agnostic_steps: Annotated[int, typer.Option(min=0, help="Steps of task-agnostic distillation; 0 skips it.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Fine-tuning epochs.")] = 20,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Learning rate of AdamW.")] = 5e-5,
    matrix_learning_rate: Annotated[float, typer.Option(min=0.0, help="Learning rate of Muon; 0: AdamW only.")] = 0.0,
    regularize: Annotated[
        bool, typer.Option("--regularize", help="Hide and respell names in training, and average the weights.")
    ] = False,
    batch_pieces: Annotated[int, typer.Option(min=64, help="Pieces per padded batch.")] = 2048,
    coarse_products: Annotated[bool, typer.Option(help="Train in bfloat16, also on CPUs faster with it.")] = False,
    unseen_sentences: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of sentences of each language without fine-tuning.")
    ] = None,
    more_seeds: Annotated[
        str | None, typer.Option(help="paper: seeds with the complete curves and tests. Default: all.")
    ] = None,
    noise_share: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="paper, robustness: also models with noise in this share of epochs."),
    ] = 0.0,
    together: Annotated[bool, typer.Option(help="paper: also one model of all languages.")] = False,
    pocket_epochs: Annotated[
        str, typer.Option(help="paper: also pocket, with so many epochs on hidden states and on labels, as in 2,3.")
    ] = "",
    sample_sentences: Annotated[int, typer.Option(min=10, help="Sentences per language of the bundled sample.")] = 6000,
    results: Annotated[Path, typer.Option(help="Results folder; cells/ holds one file per cell.")] = Path("results"),
    work: Annotated[Path, typer.Option(help="Folder of models and locks; can be deleted.")] = Path(".experiments"),
    executor: Annotated[
        str, typer.Option(help="here, pool, slurm, or slurm-local (submitit without a cluster).")
    ] = "here",
    processes: Annotated[int, typer.Option(min=1, help="Cells at a time (executors pool and slurm-local).")] = 2,
    slurm: Annotated[
        str,
        typer.Option(
            help="Parameters of submitit, for example slurm_partition=gpu,timeout_min=60. The default time limit of a"
            " cell is a day."
        ),
    ] = "",
    threads: Annotated[int, typer.Option(min=1, help="Threads per cell; rounding depends on them.")] = 1,
    stop_after: Annotated[
        float | None, typer.Option(min=0.0, help="Begin no cell after so many minutes (executor here).")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the cells and their cost on a GPU, and run none.")
    ] = False,
) -> None:
    """Run an experiment of the paper: a grid over settings, languages and seeds.

    Each cell has its own result file. An interrupted grid resumes, failed cells are retried by the next run, and
    several processes may share the folders.

    Example: `python -m build_models experiments pruning --base bases/mini --data ./masakhaner --epochs 5
    --learning-rate 3e-3 --matrix-learning-rate 5e-3`, then `python -m build_models results`.
    """
    if name not in NAMES:
        raise typer.BadParameter(f"{name!r}; choose from {', '.join(NAMES)}", param_hint="NAME")
    from build_models.experiments import executors
    from build_models.experiments.grid import Executor, run_grid
    from build_models.experiments.grids import GRIDS, Study
    from build_models.experiments.plan import AFRIBERTA
    from build_models.experiments.prepare import keep_languages, keep_records, name_bases, name_corpus, name_data
    from build_models.experiments.results import BASES, COMMANDS, Command, keep_command
    from build_models.experiments.run import Places, tests_of_unseen
    from build_models.settings import FinetuneSettings

    if not base:
        if not plan:
            raise typer.BadParameter("name a base, a folder or a hub id", param_hint="--base")
        base = list(AFRIBERTA)

    def parameters() -> dict[str, object]:
        pairs = [part.partition("=") for part in slurm.split(",") if part]
        return {key: int(value) if value.isdigit() else value for key, _, value in pairs}

    on_cluster = partial(executors.run_on_cluster, parameters=parameters(), processes=processes)
    execute: dict[str, Executor] = {
        "here": partial(executors.run_here, minutes=stop_after),
        "pool": partial(executors.run_in_pool, processes=processes),
        "slurm": partial(on_cluster, cluster="slurm"),
        "slurm-local": partial(on_cluster, cluster="local"),
    }
    if executor not in execute:
        raise typer.BadParameter(f"{executor!r}; choose from {', '.join(execute)}", param_hint="--executor")
    refuse_idle(context, name, executor)
    chosen_seeds = whole(seeds, "--seeds")
    with_more = whole(more_seeds, "--more-seeds", or_none=True) if more_seeds is not None else None
    if others := set(with_more or ()) - set(chosen_seeds):
        raise typer.BadParameter(f"{', '.join(map(str, sorted(others)))} not in --seeds", param_hint="--more-seeds")
    pocket = whole(pocket_epochs, "--pocket-epochs", or_none=True)
    if pocket and (len(pocket) != 2 or min(pocket) < 0 or not pocket[1]):
        raise typer.BadParameter(f"{pocket_epochs!r}: pass two numbers, as in 2,3", param_hint="--pocket-epochs")
    with report_errors():
        bases = name_bases(base)
        named = split_list(languages)
        if not named:
            raise typer.BadParameter("name a language", param_hint="--languages")
        finetune = FinetuneSettings(
            epochs=epochs,
            learning_rate=learning_rate,
            hidden_share=0.0,
            batch_pieces=batch_pieces,
            matrix_learning_rate=matrix_learning_rate or None,
            coarse_products=coarse_products,
        )
        study = Study(
            bases=list(bases),
            data=name_data(data, named, sample_sentences),
            seeds=chosen_seeds,
            finetune=finetune.regularized() if regularize else finetune,
            unseen_sentences=unseen_sentences,
            more_seeds=with_more,
            noise_share=noise_share,
            together=name_data(data, [",".join(named)], sample_sentences)[0] if together else None,
            pocket_epochs=(pocket[0], pocket[1]) if pocket else None,
            threads=threads,
            sparsities=numbers(sparsities, "--sparsities"),
            recovery_epochs=recovery_epochs,
            temperatures=numbers(temperatures, "--temperatures"),
            student_layers=whole(student_layers, "--student-layers"),
            student_heads=whole(student_heads, "--student-heads", or_none=True),
            student_epochs=student_epochs,
            agnostic_steps=agnostic_steps,
            prune_embeddings=prune_embeddings,
            corpus=name_corpus(corpus) if corpus else None,
            corpus_lines=corpus_lines,
            sample_sentences=Study.sample_sentences if data else sample_sentences,
        )
        places = Places(
            bases={named.name: where for named, where in bases.items()},
            data=data,
            results=results / "cells",
            work=work,
            crosslingual=crosslingual,
            corpus=corpus,
            corpus_lines=corpus_lines,
            sample_sentences=sample_sentences,
        )
        cells = list(GRIDS[name](study))
        if any(cell.tests == "crosslingual" for cell in cells) and not plan:
            # Now, not when a model has been trained.
            tests_of_unseen(places)
        if plan:
            for line in planned(cells, places, stop_after or 9.0):
                typer.echo(line)
            return
        keep_records(bases, results / BASES)
        keep_languages(bases, data, [language for language, _ in study.data], sample_sentences, results / "languages")
        command = Command(command=as_given(context), bases={named.name: named.digest for named in bases})
        outcomes = run_grid(name, cells, places, execute[executor], lambda: keep_command(results / COMMANDS, command))
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if failed:
        raise fail(f"{len(failed)} of {len(outcomes)} cells failed; run the same command again to retry them")


def refuse_idle(context: typer.Context, name: str, executor: str) -> None:
    """Refuse options that the grid, or the executor, does not read. Raises ``typer.BadParameter``."""
    from build_models.experiments.grids import READ

    given = options_given(context)
    if idle := given & set().union(*READ.values()) - READ[name]:
        readers = [other for other in NAMES if idle <= READ[other]]
        among = f"; it is for {', '.join(readers)}" if readers else ""
        raise typer.BadParameter(f"this does nothing in {name}{among}", param_hint=hint(idle))
    if (idle := given & {"corpus", "corpus_lines"}) and not context.params["agnostic_steps"]:
        raise typer.BadParameter("this is read by --agnostic-steps alone", param_hint=hint(idle))
    if "corpus_lines" in given and not context.params["corpus"]:
        raise typer.BadParameter("this is for --corpus", param_hint="--corpus-lines")
    if "sample_sentences" in given and context.params["data"]:
        raise typer.BadParameter("the bundled sample is not read with --data", param_hint="--sample-sentences")
    for option, executors in EXECUTORS_OF.items():
        if option in given and executor not in executors and not (option == "stop_after" and context.params["plan"]):
            raise typer.BadParameter(
                f"it is for the executor {' or '.join(executors)}, not {executor}", param_hint=hint({option})
            )


def as_given(context: typer.Context) -> str:
    """The command with the options that were given, and files and folders by their names alone."""
    words = ["python -m build_models", context.info_name or ""]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in ELSEWHERE or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        for some in value if isinstance(value, list) else [value]:
            text = Path(some).resolve().name if name in FOLDERS and Path(some).exists() else str(some)
            if parameter.param_type_name == "argument":
                words.append(text)
            elif isinstance(some, bool):
                words.append(parameter.opts[0] if some else parameter.secondary_opts[0])
            else:
                words += [parameter.opts[0], shlex.quote(text)]
    return " ".join(words)


def planned(cells: Sequence["Cell"], places: "Places", minutes: float) -> Iterator[str]:
    """The lines of the plan for one H200."""
    from build_models.bases.shapes import AFRIBERTA_PIECES
    from build_models.experiments.plan import H200, PIECES_A_WORD, described
    from build_models.experiments.plan import plan as make
    from build_models.experiments.results import result_path

    paths = {cell: result_path(places.results, cell) for cell in cells}
    done = {cell: path.stat().st_size for cell, path in paths.items() if path.exists()}
    steps = list(make(dict.fromkeys(cells), places, H200))
    if shapes := [base for base in places.bases.values() if not Path(base).is_dir()]:
        yield (
            f"of the shape{'s' * (len(shapes) > 1)} {', '.join(shapes)} with {AFRIBERTA_PIECES:,} pieces; assumed:"
            f" {PIECES_A_WORD} pieces a word. To run it, make the bases with pretrain --shape and --vocabulary"
            f" {AFRIBERTA_PIECES}, and pass their folders with --base"
        )
    yield from described(steps, H200, minutes, done)


def results(
    folder: Annotated[Path, typer.Argument(help="Folder with the result files in cells/.")] = Path("results"),
    base: Annotated[
        str | None, typer.Option(help="Base that the verdicts are about. Default: the one with most rows.")
    ] = None,
) -> None:
    """Write a README.md with tables, plots and verdicts next to the result files.

    It reads the records of how the bases were pretrained from bases/, where the experiments put them.
    """
    from build_models.experiments.report.page import write_page

    with report_errors():
        typer.echo(write_page(folder, base))
