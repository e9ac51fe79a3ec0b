"""The base model: an imported checkpoint, or one pretrained on the training data.

A base folder is a ``transformers`` checkpoint: ``config.json``, ``model.safetensors`` and the tokenizer files.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import sentencepiece
import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedTokenizerFast, XLMRobertaTokenizerFast

from build_models.architectures import longest_window, refuse_unknown_architecture
from build_models.bases.checkpoints import open_checkpoint, write_source
from build_models.bases.classifier import load_tokenizer, open_encoder, some
from build_models.bases.masked import masked_loss, new_model
from build_models.bases.shapes import SHAPES
from build_models.errors import BuildError
from build_models.hub import first_line
from build_models.progress import say
from build_models.settings import BaseSettings
from build_models.training.finite import refuse_not_finite
from build_models.training.loop import Optimization, Trainer

MASKED_SHARE = 0.15
HEAD = "classifier."
TOKENIZER_SENTENCES = 20_000
TEXTS_AT_ONCE = 1_000
SENTENCEPIECE = "sentencepiece.bpe.model"
"""File name of the SentencePiece model in an XLM-R tokenizer."""


def train_tokenizer(
    texts: Sequence[str],
    vocabulary: int,
    folder: Path,
    sentences: int = TOKENIZER_SENTENCES,
    rules: Path | None = None,
) -> PreTrainedTokenizerFast:
    """Train a SentencePiece unigram model and save it to ``folder`` as an XLM-R tokenizer.

    ``vocabulary`` includes the special tokens; a small corpus may yield fewer pieces. ``rules`` of normalization
    (default: SentencePiece's own) are a file in SentencePiece's format. Raises ``BuildError`` if
    SentencePiece cannot learn this vocabulary from ``texts``.
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
            normalization_rule_tsv=str(rules or ""),
        )
    except RuntimeError as error:
        raise BuildError(
            f"{vocabulary} pieces cannot be learnt from {len(texts)} sentences. Change --vocabulary, add more --data,"
            f" or pass a checkpoint with --base. SentencePiece: {error}"
        ) from error
    tokenizer = XLMRobertaTokenizerFast(vocab_file=str(folder / SENTENCEPIECE), model_max_length=512)
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_base(
    texts: Sequence[str], settings: BaseSettings, max_length: int, seed: int, folder: Path, state: Path
) -> None:
    """Train a tokenizer and an XLM-R masked-language model on ``texts`` from scratch and save both to ``folder``.

    RoBERTa's objective (Liu et al. 2019): dynamic masking of 15% of the pieces, 80% of them replaced by <mask>, 10% by
    a random piece, 10% kept, over sequences packed to ``max_length`` pieces.
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
    """Shuffle the texts and pack their pieces into a tensor of shape (rows, ``length``) with at most ``most`` rows.

    This is RoBERTa's FULL-SENTENCES format. Raises ``BuildError`` if the text does not fill one row.
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
        raise BuildError(f"{len(stream)} pieces of text are too few to train a base. Pass a checkpoint with --base.")
    body = torch.tensor(stream[: rows * (length - 1)]).reshape(rows, length - 1)
    return torch.cat([torch.full((rows, 1), int(tokenizer.bos_token_id)), body], dim=1)


def import_base(name: str, revision: str | None, max_length: int, folder: Path) -> None:
    """Save a checkpoint, given as a local folder or hub id, to ``folder`` as safetensors with a fast tokenizer.

    Raises ``BuildError`` with what to do for what is no checkpoint or cannot be fine-tuned.
    """
    checkpoint = open_checkpoint(name, revision, "--base")
    refuse_unknown_architecture(name, checkpoint.read_json("config.json").get("model_type"))
    tokenizer = load_tokenizer(checkpoint)
    try:
        model, loading = AutoModelForMaskedLM.from_pretrained(
            checkpoint.folder,
            torch_dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except Exception as error:  # the parsers of the supported formats raise many types
        raise BuildError(f"{name} is not a checkpoint that transformers can load: {first_line(error)}") from error
    encoder = f"{model.base_model_prefix}."
    if missing := [key for key in loading["missing_keys"] if key.startswith(encoder)]:
        raise BuildError(f"{name} has no weights for {some(missing)}: they are incomplete, or of another architecture")
    refuse_not_finite(model.state_dict().items(), name)
    unused = loading["unexpected_keys"]
    if head := [key for key in unused if key.startswith(HEAD)]:
        say(f"{name}: its head is dropped ({some(head)}), and a new one is trained. To keep it, give --model {name}")
    if rest := set(unused).difference(head):
        say(f"{name}: weights that are not used: {some(rest)}")
    if len(tokenizer) > model.config.vocab_size:
        raise BuildError(
            f"{name}: its tokenizer has {len(tokenizer)} pieces but its model only {model.config.vocab_size} embeddings"
        )
    longest = longest_window(model.config)
    if longest < max_length:
        raise BuildError(f"{name} supports at most {longest} pieces: pass --max-length {longest} or less")
    # AfriBERTa's tokenizer does not set it.
    tokenizer.model_max_length = min(tokenizer.model_max_length, longest)
    tokenizer.save_pretrained(folder)
    open_encoder(name, folder, max_length, 0)
    model.save_pretrained(folder, max_shard_size="100GB")
    write_source(checkpoint, revision, folder)


def describe(settings: BaseSettings) -> dict[str, object]:
    """The settings of a base for cache keys and manifests."""
    return {**asdict(settings), **asdict(SHAPES[settings.shape])}
