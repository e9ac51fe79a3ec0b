"""``pocket``: dense with fewer pieces, a narrower and shallower encoder, and few bits a weight."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig

from build_models.architectures import architecture_of
from build_models.artifacts.export import exported
from build_models.bases.shapes import Shape
from build_models.progress import say
from build_models.recipes import dense, dynamic
from build_models.recipes.context import Context
from build_models.recipes.dynamic import Candidate
from build_models.recipes.pocket.search import Trial, Wish, search
from build_models.recipes.pocket.shapes import default_shape, possible, scaled, shape_of
from build_models.recipes.pocket.shrink import calibrate, contributions, shrink
from build_models.recipes.pocket.teaching import teach
from build_models.recipes.pocket.vocabulary import (
    MOST_UNSEEN,
    all_pieces,
    count_pieces,
    coverage,
    in_every_case,
    keep_embeddings,
    pieces_to_keep,
    write_tokenizer,
)
from build_models.settings import RATE, RATE_WIDTH, BuildSettings, FinetuneSettings
from build_models.training.answers import read_answers, write_answers
from build_models.training.examples import Batch, Example, collate
from build_models.training.finetune import load_classifier
from build_models.workspace.workspace import result_digest
from service.artifacts.manifest import Manifest
from service.ner.encoder import Encoder

CANDIDATES = [
    Candidate(fused=True, signed=True, per_channel=True, embedding_bits=8),
    Candidate(fused=True, signed=True, per_channel=True, embedding_bits=4),
    Candidate(fused=True, signed=False, per_channel=False, embedding_bits=4),
]
"""Settings to try, as for ``dynamic``."""

FASTER, FASTER_MATRICES = 3, 7
"""The learning rates of AdamW and Muon, as multiples of the usual one for further training of a model as wide as the
student: it has to make up for what was taken away, where a pruned model only has to recover."""

WEIGHED_EXAMPLES, EXAMPLES_AT_ONCE = 256, 16
"""Of the training sentences, how many decide what contributes least."""

SEARCH, FOUND = "pocket-search", "shape.json"
"""The stage that decides for a shape, and its result."""


def trimmed(context: Context) -> Path:
    """The checkpoint of dense with the pieces that the texts at hand use; where they are too few, with all of them."""
    settings = context.settings.pocket
    parent = dense.checkpoint(context)
    inputs = context.inputs(
        stage="pieces", parent=result_digest(parent), most=settings.pieces, whole=settings.whole_vocabulary
    )

    def run(result: Path, _: Path) -> None:
        encoder = Encoder.from_folder(parent, context.settings.max_length, context.settings.overlap)
        content = json.loads((parent / "tokenizer.json").read_text(encoding="utf-8"))
        model = load_classifier(parent, context.labels)
        if settings.whole_vocabulary or not enough_texts(context, encoder):
            kept = all_pieces(content)
        else:
            words = Counter(word for sentence in context.dataset.train for word in sentence.words)
            counts = count_pieces(encoder, in_every_case(words))
            # Positions are counted from the padding's id, which has to stay what it is.
            places = int(model.config.pad_token_id) + 1 if architecture_of(model.config).places_from_padding else 0
            kept = pieces_to_keep(content, counts, places, settings.pieces)
            say(f"pocket: {len(kept):,} of {model.config.vocab_size:,} pieces are kept")
        keep_embeddings(model, kept)
        model.save_pretrained(result)
        write_tokenizer(parent, result, kept)

    return context.workspace.stage("pocket-pieces", inputs, run)


def enough_texts(context: Context, encoder: Encoder) -> bool:
    """Whether the training sentences show which pieces are needed; says how many would."""
    if not context.supervision.measured:
        say("pocket: without texts of yours, all pieces stay")
        return False
    found = coverage(encoder, [sentence.words for sentence in context.dataset.train])
    if found.unseen <= MOST_UNSEEN:
        return True
    needed = f"about {found.needed:,}" if found.needed else "many more"
    say(
        f"pocket: {found.sentences:,} texts are too few to choose pieces by: {found.unseen:.1%} of the pieces of"
        f" another text would be missing. {needed} texts are needed for {MOST_UNSEEN:.0%}; all pieces stay"
    )
    return False


def checkpoint(context: Context, shape: Shape, stage: str = "pocket") -> Path:
    """The student of this shape, taught by dense."""
    settings = context.settings
    start = trimmed(context)
    inputs = context.inputs(stage="pocket", start=result_digest(start), shape=asdict(shape), **parameters(context))

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(settings.seed)
        teacher = load_classifier(start, context.labels)
        if shape == shape_of(teacher.config):
            # Nothing is taken away that could be taught again.
            dense.save(teacher, start, result)
            return
        # With every_piece, the loss compares logits piece by piece, so dense must read the student's pieces.
        answered = settings.pocket.epochs and not settings.distillation.every_piece
        examples = context.encoded(start, answers_of_dense(context) if answered else None)
        batches = some_batches(examples, int(teacher.config.pad_token_id), settings.seed)
        student = shrink(teacher, shape, contributions(teacher, batches))
        calibrate(student, teacher, batches[0])
        training = training_of(settings, shape)
        first = replace(training, epochs=settings.pocket.hidden_epochs)
        second = replace(training, epochs=settings.pocket.epochs)
        teach(
            student, teacher, examples, first, second, settings.distillation, settings.max_length, settings.seed, state
        )
        dense.save(student.model, start, result)

    return context.workspace.stage(stage, inputs, run)


def answers_of_dense(context: Context) -> list[NDArray[np.float16]]:
    """The logits of dense for the training sentences, read with its whole vocabulary.

    Dense was trained with that vocabulary. The trimmed one splits some words in ways that it has never seen.
    """
    folder = dense.checkpoint(context)
    inputs = context.inputs(
        stage="answers", parent=result_digest(folder), noise_share=context.settings.finetune.noise_share
    )

    def run(result: Path, state: Path) -> None:
        encoder = Encoder.from_folder(folder, context.settings.max_length, context.settings.overlap)
        write_answers(load_classifier(folder, context.labels), encoder, context.shown[0], state, result)

    return read_answers(context.workspace.stage("answers", inputs, run), context.shown[0])


def wanted_shape(context: Context) -> Shape:
    """The default shape for dense, with what the settings say otherwise."""
    settings = context.settings.pocket
    config = AutoConfig.from_pretrained(dense.checkpoint(context), local_files_only=True)
    own = shape_of(config)
    shape = scaled(own, settings.width) if settings.width else default_shape(own)
    named = {name: getattr(settings, name) for name in ("layers", "heads", "feed_forward")}
    shape = replace(shape, **{name: value for name, value in named.items() if value is not None})
    return possible(shape, config)


def found_shape(context: Context, wish: Wish) -> tuple[Shape, list[Trial]]:
    """The shape that meets the wish, and what was tried for it: decided once, since times vary."""
    start, whole = trimmed(context), exported(context.workspace, "dense", dense.checkpoint(context))
    inputs = context.inputs(
        stage=SEARCH,
        wish=asdict(wish),
        start=result_digest(start),
        dense=result_digest(whole),
        libraries=context.libraries,
        # Trials are measured with these.
        transition_weight=context.settings.transition_weight,
        threads=context.settings.threads,
        **parameters(context),
    )

    def run(result: Path, _: Path) -> None:
        shape, tried = search(
            context, wish, start, whole, CANDIDATES[0], lambda shape: checkpoint(context, shape, stage_of(shape))
        )
        content = {"shape": asdict(shape), "tried": [asdict(trial) for trial in tried]}
        (result / FOUND).write_text(json.dumps(content), encoding="utf-8")

    content = json.loads((context.workspace.stage(SEARCH, inputs, run) / FOUND).read_text(encoding="utf-8"))
    tried = [Trial(**{**trial, "shape": Shape(**trial["shape"])}) for trial in content["tried"]]
    return Shape(**content["shape"]), tried


def stage_of(shape: Shape) -> str:
    """Of a shape among others that are tried."""
    return f"pocket-{shape.layers}x{shape.width}"


def training_of(settings: BuildSettings, shape: Shape) -> FinetuneSettings:
    """The settings of both steps: those of a base made here, or else with learning rates by the student's width."""
    if settings.base is None and settings.model is None:
        return settings.finetune
    rate = RATE * (RATE_WIDTH / shape.width) ** 1.5
    return replace(settings.finetune, learning_rate=FASTER * rate, matrix_learning_rate=FASTER_MATRICES * rate)


def parameters(context: Context) -> dict[str, object]:
    settings = context.settings
    return {
        "pocket": asdict(replace(settings.pocket, size=None, speed=None, loss=None)),
        "finetune": asdict(settings.finetune),
        "rates": [FASTER, FASTER_MATRICES],
        "temperature": settings.distillation.temperature,
        "alpha": settings.distillation.alpha,
    }


def some_batches(examples: list[Example], padding: int, seed: int) -> list[Batch]:
    """Training sentences to measure contributions on, drawn at random."""
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed)).tolist()[:WEIGHED_EXAMPLES]
    return [
        collate([examples[number] for number in order[first : first + EXAMPLES_AT_ONCE]], padding)
        for first in range(0, len(order), EXAMPLES_AT_ONCE)
    ]


def build(context: Context) -> Manifest:
    tried: list[Trial] = []
    settings = context.settings.pocket
    wish = Wish(settings.size, settings.speed, settings.loss)
    if wish == Wish(None, None, None):
        shape = wanted_shape(context)
    else:
        shape, tried = found_shape(context, wish)
    student = checkpoint(context, shape, "pocket" if not tried else stage_of(shape))
    parent = context.parent("dense", dense.checkpoint(context))
    return dynamic.quantized(
        context,
        "pocket",
        "pocket",
        student,
        parent,
        # Wishes are measured with the first candidate.
        CANDIDATES[:1] if tried else CANDIDATES,
        {"shape": asdict(shape), **parameters(context)},
        {"tried": [asdict(trial) for trial in tried]},
    )
