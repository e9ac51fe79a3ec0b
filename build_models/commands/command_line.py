"""Helpers shared by the commands."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from build_models.errors import BuildError
from build_models.progress import console
from build_models.settings import SAMPLE
from service.evaluation.data_schemes import PREFIXES
from service.evaluation.noise import NOISES
from service.ner.schemes import SCHEMES


def known_scheme(value: str | None) -> str | None:
    """Check the name of a label scheme, for typer."""
    if value is not None and value.lower() not in PREFIXES:
        raise typer.BadParameter(f"{value!r}; choose from {', '.join(PREFIXES)}")
    return value and value.lower()


def known_model_scheme(value: str | None) -> str | None:
    """Check the name of a label scheme of a model, for typer."""
    if value is not None and value.upper() not in SCHEMES:
        raise typer.BadParameter(f"{value!r}; choose from {', '.join(SCHEMES)}")
    return value and value.upper()


def known_noise(value: str | None) -> str | None:
    """Check the name of a noise, for typer."""
    if value is not None and value not in NOISES:
        raise typer.BadParameter(f"{value!r}; choose from {', '.join(NOISES)}")
    return value


SchemeOption = Annotated[
    str | None,
    typer.Option(
        help="Of the labels: iob2, iob1, io, iobes or bilou. Default: it is recognized.", callback=known_scheme
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Refuse labels that would be repaired, and empty tokens, with file and line.")
]

WITHOUT_MODEL = {
    "base",
    "base_revision",
    "epochs",
    "regularize",
    "agnostic_steps",
    "corpus",
    "shape",
    "vocabulary",
    "base_steps",
    "transition_weight",
}
ONLY_WITH_MODEL = {"model_revision", "labels", "model_scheme", "texts"}


@contextmanager
def report_errors() -> Iterator[None]:
    """Print a ``BuildError`` or ``OSError`` in one line and exit with status 1."""
    try:
        yield
    except BuildError as error:
        raise fail(str(error)) from None
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise fail(f"{error.strerror or error}{place}") from None


def fail(message: str) -> typer.Exit:
    """Print an error message; raise the returned exception to exit with status 1."""
    console.print(f"error: {message}", style="red", highlight=False, soft_wrap=True, markup=False)
    return typer.Exit(1)


def split_list(values: str | None) -> tuple[str, ...] | None:
    """Split a list such as ``"swa,hau"`` at its commas; None stays None."""
    return split_names(values) if values else None


def split_names(values: str) -> tuple[str, ...]:
    """Split a list such as ``"dense, int8"`` at its commas."""
    return tuple(part.strip() for part in values.split(","))


def numbers(text: str, option: str) -> list[float]:
    """The numbers in a list such as ``"0.5,0.7"``. Raises ``typer.BadParameter`` if there are none."""
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or not all(map(math.isfinite, found)):
        raise typer.BadParameter(f"{text!r} is not a list of numbers", param_hint=option)
    return found


def whole(text: str, option: str, or_none: bool = False) -> list[int]:
    """The whole numbers in a list; ``or_none`` allows an empty one. Raises ``typer.BadParameter``."""
    if or_none and not text.strip():
        return []
    numbers(text, option)
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers", param_hint=option) from None


def options_given(context: typer.Context) -> set[str]:
    """The names of the parameters that the command line has."""
    return {
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }


def hint(names: Iterable[str]) -> str:
    """How a message names the options of these parameters."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))


def refuse_combinations(context: typer.Context) -> None:
    """Refuse options that would do nothing beside others. Raises ``typer.BadParameter``."""
    given = options_given(context)
    if "data" in given and context.params["data"] == SAMPLE:
        given.remove("data")
    if "model" in given:
        useless = given & (WITHOUT_MODEL | {"from_scratch"})
        why = "--model takes a classifier as it is, so this would do nothing"
        if not useless and context.params["data"] is None and context.params["texts"] is None:
            useless = given & {"alpha"}
            why = "without --data or --texts, students learn from the model's answers alone"
    elif useless := given & ONLY_WITH_MODEL:
        why = "this says something of the classifier that --model gives"
    elif {"base", "from_scratch"} <= given:
        useless, why = {"from_scratch"}, "--base gives an encoder that is trained already"
    elif not given & {"base", "from_scratch", "data"}:
        useless = given & WITHOUT_MODEL
        why = "the bundled model is taken as it is, so this would do nothing; train your own with --from-scratch"
    elif "regularize" in given and "base" not in given:
        useless, why = {"regularize"}, "a model trained without --base is regularized already"
    if useless:
        raise typer.BadParameter(why, param_hint=hint(useless))
