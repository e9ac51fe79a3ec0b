"""Imports a fine-tuned token classifier; unusable ones are rejected before any work is done."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
from safetensors import safe_open
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from build_models.architectures import longest_window, refuse_unknown_architecture
from build_models.bases.checkpoints import Checkpoint, open_checkpoint, read_source, weights_of, write_source
from build_models.bases.probe import begins_inside_mostly
from build_models.errors import BuildError
from build_models.hub import first_line
from build_models.progress import say
from build_models.training.finite import refuse_not_finite
from service.artifacts.manifest import ArtifactError, read_checked
from service.artifacts.transitions import TRANSITIONS
from service.ner.encoder import Encoder
from service.ner.schemes import SCHEMES, Scheme, marks_of, scheme_of
from service.ner.transitions import Transitions

HEADS = {
    "ForSequenceClassification": "it labels whole texts",
    "ForMaskedLM": "it finds hidden pieces",
    "ForQuestionAnswering": "it answers questions",
}


class Head(NamedTuple):
    """The labels of a classifier, in the order of its logits, and their scheme."""

    labels: list[str]
    scheme: Scheme


class Wanted(NamedTuple):
    """A classifier to import: folder or hub id, and what the user specifies about it."""

    name: str
    revision: str | None = None
    labels: tuple[str, ...] | None = None
    scheme: str | None = None


def import_classifier(wanted: Wanted, max_length: int, overlap: int, folder: Path) -> None:
    """Write a token classifier to ``folder`` as fp32 safetensors with a fast tokenizer and ``source.json``.

    Raises ``BuildError``, which says what to do, if it is not a token classifier or cannot be served.
    """
    checkpoint = open_checkpoint(wanted.name, wanted.revision, "--model")
    config = checkpoint.read_json("config.json")
    _refuse_other_models(checkpoint, config)
    labels, scheme = read_labels(checkpoint, config, wanted)
    tokenizer = load_tokenizer(checkpoint)
    model = _load(checkpoint, labels)
    if len(tokenizer) > model.config.vocab_size:
        raise BuildError(
            f"{wanted.name}: its tokenizer has {len(tokenizer)} pieces, its model only {model.config.vocab_size}"
            " embeddings"
        )
    longest = longest_window(model.config)
    if longest < max_length:
        raise BuildError(f"{wanted.name} reads {longest} pieces at most: give a --max-length of no more than that")
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    tokenizer.save_pretrained(folder)
    encoder = open_encoder(wanted.name, folder, max_length, overlap)
    model.save_pretrained(folder, max_shard_size="100GB")
    _keep_transitions(checkpoint, labels, wanted.labels is not None, folder)
    if wanted.scheme is None and scheme == "IOB2" and begins_inside_mostly(model, encoder, labels):
        scheme = "IOB1"
    write_source(checkpoint, wanted.revision, folder, labels=labels, scheme=scheme)
    say(f"{wanted.name}: {model.config.model_type}, {scheme} labels: {', '.join(labels)}")


def imported_head(folder: Path) -> Head:
    """What ``import_classifier`` wrote down."""
    record = read_source(folder)
    return Head(record["labels"], record["scheme"])


def _refuse_other_models(checkpoint: Checkpoint, config: dict[str, object]) -> None:
    name = checkpoint.name
    if config.get("quantization_config"):
        raise BuildError(f"{name} is quantized already: give the checkpoint that it was made from")
    classes = cast(list[str], config.get("architectures") or [])
    if classes and not classes[0].endswith("ForTokenClassification"):
        why = next((why for ending, why in HEADS.items() if classes[0].endswith(ending)), "it has no head for words")
        raise BuildError(
            f"{name} is a {classes[0]}: {why}. --model takes a token classifier, fine-tuned for named entities;"
            f" to fine-tune this one's encoder, give --base {name} with --data"
        )
    refuse_unknown_architecture(name, config.get("model_type"))


def read_labels(checkpoint: Checkpoint, config: dict[str, object], wanted: Wanted) -> Head:
    """The labels from the configuration or the user, and their scheme."""
    name = checkpoint.name
    by_number = cast(dict[str, str], config.get("id2label") or {})
    try:
        labels = [str(by_number[str(number)]) for number in range(len(by_number))]
    except KeyError as error:
        raise BuildError(f"{name}: id2label in config.json has no label {error.args[0]}") from None
    if wanted.labels is not None:
        if labels and len(labels) != len(wanted.labels):
            raise BuildError(f"{name} has {len(labels)} labels and --labels names {len(wanted.labels)}")
        labels = list(wanted.labels)
    elif not labels or any(re.fullmatch(r"LABEL_\d+", label) for label in labels):
        raise BuildError(
            f"{name} does not say what its labels mean ({', '.join(labels) or 'no id2label in config.json'}): name"
            " them in the order of its head, as in --labels O,B-PER,I-PER,B-LOC,I-LOC"
        )
    try:
        if wanted.scheme is None:
            return Head(labels, scheme_of(labels))
        if wanted.scheme not in SCHEMES:
            raise BuildError(f"--model-scheme {wanted.scheme}: choose from {', '.join(SCHEMES)}")
        marks_of(labels, wanted.scheme)
        return Head(labels, wanted.scheme)
    except ValueError as error:
        raise BuildError(
            f"{name}: its labels ({', '.join(labels)}) follow none of {', '.join(SCHEMES)}: {error}. Rename them with"
            " --labels, in the order of its head"
        ) from error


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerFast:
    """The fast tokenizer, configured for pre-split words. Raises ``BuildError`` if there is none."""

    def load(**options: bool) -> PreTrainedTokenizerFast:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, use_fast=True, local_files_only=True, **options)
        if not tokenizer.is_fast:
            raise BuildError(
                f"{checkpoint.name} has only a slow tokenizer ({type(tokenizer).__name__}), which does not say which"
                " word a piece belongs to: give a checkpoint with a tokenizer.json"
            )
        return cast(PreTrainedTokenizerFast, tokenizer)

    try:
        tokenizer = load()
        try:
            tokenizer(["a"], is_split_into_words=True)
        except AssertionError:
            # RoBERTa's byte-level pieces hold the space before a word.
            tokenizer = load(add_prefix_space=True)
    except BuildError:
        raise
    except Exception as error:  # whatever the parsers of its many formats raise
        raise BuildError(
            f"{checkpoint.name} has no tokenizer that transformers can load: {first_line(error)}"
        ) from error
    return tokenizer


def open_encoder(name: str, folder: Path, max_length: int, overlap: int) -> Encoder:
    """The encoder with the tokenizer in ``folder``. Raises ``BuildError`` if it cannot split texts into windows."""
    try:
        return Encoder.from_folder(folder, max_length, overlap)
    except ValueError as error:
        raise BuildError(f"{name} cannot be read by windows: {error}") from error


def _keep_transitions(checkpoint: Checkpoint, labels: list[str], renamed: bool, folder: Path) -> None:
    """Copy the label transitions that the checkpoint brings; ``labels`` may be new names, in the same order."""
    try:
        transitions = read_checked(checkpoint.folder / TRANSITIONS, Transitions)
    except FileNotFoundError:
        return
    except ArtifactError as error:
        raise BuildError(f"{error}. Repair it, or delete it to do without") from None
    if len(transitions.labels) != len(labels) or not (renamed or transitions.labels == labels):
        raise BuildError(
            f"{checkpoint.name}: {TRANSITIONS} is for the labels {', '.join(transitions.labels)}, and the model has"
            f" {', '.join(labels)}. Delete the file to do without"
        )
    transitions = transitions.model_copy(update={"labels": labels})
    (folder / TRANSITIONS).write_text(transitions.model_dump_json() + "\n", encoding="utf-8")


def _load(checkpoint: Checkpoint, labels: Sequence[str]) -> PreTrainedModel:
    """The model in fp32. Raises ``BuildError`` unless every weight is there, of the right shape and a number."""
    name = checkpoint.name
    names = dict(enumerate(labels))
    try:
        model, loading = AutoModelForTokenClassification.from_pretrained(
            checkpoint.folder,
            num_labels=len(names),
            id2label=names,
            label2id={label: number for number, label in names.items()},
            torch_dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except Exception as error:  # whatever the parsers of its many formats raise
        # The error names the shapes: of the head they differ in the number of labels.
        head = re.search(rf"shape torch\.Size\(\[(\d+).*model is torch\.Size\(\[{len(labels)}\b", str(error))
        if head:
            raise BuildError(
                f"{name} has a head for {head[1]} labels and {len(labels)} names for them ({', '.join(labels)}): name"
                " them in the order of its head with --labels"
            ) from error
        raise BuildError(f"{name} is not a checkpoint that transformers can load: {first_line(error)}") from error
    if loading["missing_keys"]:
        raise BuildError(
            f"{name} has no weights for {some(loading['missing_keys'])}: it is not fine-tuned as a token classifier,"
            " or its weights are incomplete"
        )
    if loading["unexpected_keys"]:
        say(f"{name}: weights that are not used: {some(loading['unexpected_keys'])}")
    refuse_not_finite(model.state_dict().items(), name)
    types = _stored_types(checkpoint)
    if types - {"F32"}:
        say(f"{name}: weights are stored as {', '.join(sorted(types))} and read as F32")
    return cast(PreTrainedModel, model)


def _stored_types(checkpoint: Checkpoint) -> set[str]:
    """Of the numbers in safetensors; of other files nothing is known."""
    types = set()
    for file in weights_of(checkpoint.files):
        if file.endswith(".safetensors"):
            with safe_open(checkpoint.folder / file, framework="pt") as weights:
                types |= {weights.get_slice(key).get_dtype() for key in weights.keys()}  # noqa: SIM118 (no mapping)
    return {name for name in types if name[0] != "I"}


def some(keys: Iterable[str]) -> str:
    keys = sorted(keys)
    return ", ".join(keys[:6]) + (f" and {len(keys) - 6} more" if len(keys) > 6 else "")
