"""The base model: a checkpoint given by the user, or one made from the data at hand.

A base folder is what ``transformers`` saves: ``config.json``, ``model.safetensors`` and the tokenizer's files.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import sentencepiece
import torch
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    XLMRobertaForMaskedLM,
    XLMRobertaTokenizerFast,
)

from build_models.bases.masked import masked_loss, new_model
from build_models.bases.shapes import SHAPES
from build_models.errors import BuildError
from build_models.settings import BaseSettings
from build_models.training.loop import Optimization, Trainer
from service.artifacts.manifest import POINTER_PROBLEM, is_pointer

MASKED_SHARE = 0.15
TOKENIZER_SENTENCES = 20_000
TEXTS_AT_ONCE = 1_000
SENTENCEPIECE = "sentencepiece.bpe.model"
"""What XLM-R's tokenizers call their SentencePiece model."""
SOURCE = "source.json"


def train_tokenizer(
    texts: Sequence[str], vocabulary: int, folder: Path, sentences: int = TOKENIZER_SENTENCES
) -> PreTrainedTokenizerFast:
    """Train a SentencePiece unigram model and save it as a tokenizer laid out like XLM-R's.

    ``vocabulary`` counts everything, special tokens too; a small corpus may support fewer pieces.
    Raises ``BuildError`` where it supports no such vocabulary at all.
    """
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            input_sentence_size=sentences,
            shuffle_input_sentence=False,
            model_prefix=str(folder / SENTENCEPIECE.removesuffix(".model")),
            # XLM-R adds <pad> before SentencePiece's own pieces and <mask> after them.
            vocab_size=vocabulary - 2,
            hard_vocab_limit=False,
            model_type="unigram",
            character_coverage=0.9999,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise BuildError(
            f"{vocabulary} pieces cannot be learnt from {len(texts)} sentences: give another --vocabulary, more --data,"
            f" or a base with --base. SentencePiece says: {error}"
        ) from error
    tokenizer = XLMRobertaTokenizerFast(vocab_file=str(folder / SENTENCEPIECE), model_max_length=512)
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_base(
    texts: Sequence[str], settings: BaseSettings, max_length: int, seed: int, folder: Path, state: Path
) -> None:
    """Train a tokenizer and an XLM-R masked-language model on ``texts`` from scratch, into ``folder``.

    The objective is RoBERTa's: dynamic masking of 15% of the pieces, 80% of them replaced by <mask>, 10% by a random
    piece, 10% kept (Liu et al. 2019), over sequences packed to ``max_length`` pieces.
    """
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(texts, settings.vocabulary, folder)
    model = new_model(SHAPES[settings.shape], tokenizer, max(512, max_length), settings.dropout, neighbours=True)
    random_state = random.Random(seed)
    per_batch = max(1, settings.batch_pieces // max_length)
    sequences = packed(tokenizer, texts, max_length, random.Random(seed), settings.steps * per_batch)
    batches = [
        random_state.sample(range(len(sequences)), min(per_batch, len(sequences))) for _ in range(settings.steps)
    ]

    mask = int(tokenizer.mask_token_id)

    def loss_of(rows: list[int]) -> Tensor:
        return masked_loss(model, sequences[torch.tensor(rows)], MASKED_SHARE, mask)

    Trainer[list[int]]("base: masked-language modelling", model, Optimization(settings.learning_rate), state).run(
        batches, loss_of
    )
    model.save_pretrained(folder)


def packed(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], length: int, random_state: random.Random, most: int
) -> Tensor:
    """Shuffle texts and pack their pieces end to end into rows of ``length`` (RoBERTa's full sentences), at most
    ``most`` rows.

    Raises ``BuildError`` if there is less text than one row.
    """
    order = list(texts)
    random_state.shuffle(order)
    stream: list[int] = []
    for first in range(0, len(order), TEXTS_AT_ONCE):
        for encoded in tokenizer(order[first : first + TEXTS_AT_ONCE], add_special_tokens=False)["input_ids"]:
            stream += [*encoded, int(tokenizer.eos_token_id)]
        if len(stream) >= most * (length - 1):
            break
    rows = min(most, len(stream) // (length - 1))
    if rows == 0:
        raise BuildError(f"{len(stream)} pieces of text are too few to make a base from; give a base with --base")
    body = torch.tensor(stream[: rows * (length - 1)]).reshape(rows, length - 1)
    return torch.cat([torch.full((rows, 1), int(tokenizer.bos_token_id)), body], dim=1)


def import_base(name: str, revision: str | None, max_length: int, folder: Path) -> None:
    """Copy a checkpoint, a local folder or a hub id, into ``folder`` as safetensors with a fast tokenizer.

    Raises ``BuildError`` with what to do when it is not there, the hub is out of reach, its vocabulary does not fit
    its tokenizer, or it has fewer positions than windows of ``max_length`` pieces need.
    """
    local = Path(name).is_dir()
    if not local and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise BuildError(f"{name} is no folder")
    if local:
        for path in sorted(Path(name).iterdir()):
            if path.is_file() and is_pointer(path):
                raise BuildError(f"{path} {POINTER_PROBLEM}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, local_files_only=local, use_fast=True)
        model = AutoModelForMaskedLM.from_pretrained(name, revision=revision, local_files_only=local)
    except Exception as error:  # whatever the parsers of its many formats raise
        first = next(iter(str(error).splitlines()), type(error).__name__)
        if local:
            raise BuildError(f"{name} is not a checkpoint that transformers can load: {first}") from error
        raise BuildError(
            f"{name} could not be taken from the hub: {first}"
            f" Without a network, download it elsewhere and give its folder: --base ./{name.rpartition('/')[2]}"
        ) from error
    for weight, values in model.state_dict().items():
        if values.is_floating_point() and not torch.isfinite(values).all():
            raise BuildError(f"{name} holds NaN or infinity in {weight}: take another checkpoint")
    if not isinstance(model, XLMRobertaForMaskedLM):
        raise BuildError(f"{name} is a {model.config.model_type} model; Kidogo works with XLM-R's architecture")
    if len(tokenizer) > model.config.vocab_size:
        raise BuildError(
            f"{name}: its tokenizer has {len(tokenizer)} pieces, its model only {model.config.vocab_size} embeddings"
        )
    # XLM-R counts positions from the one behind the padding's.
    longest = model.config.max_position_embeddings - model.config.pad_token_id - 1
    if longest < max_length:
        raise BuildError(f"{name} reads {longest} pieces at most: give a --max-length of no more than that")
    # AfriBERTa's tokenizer says nothing of it.
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    # Saving the model drops it; a local folder has none.
    if model.config._commit_hash:
        (folder / SOURCE).write_text(json.dumps({"revision": model.config._commit_hash}), encoding="utf-8")


def imported_revision(folder: Path) -> str | None:
    """The commit that the hub gave when the base was imported; None for a base that is not from there."""
    source = folder / SOURCE
    return str(json.loads(source.read_text(encoding="utf-8"))["revision"]) if source.exists() else None


def describe(settings: BaseSettings) -> dict[str, object]:
    """A base's settings as they go into keys and manifests."""
    return {**asdict(settings), **asdict(SHAPES[settings.shape])}
