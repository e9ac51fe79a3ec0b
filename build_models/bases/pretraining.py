"""Pretrains a base like AfriBERTa (Ogueji et al. 2021): a SentencePiece tokenizer and an XLM-R model from raw text.

A row of a batch is a random slice of one language's text. Languages are sampled by their size to a power below 1,
which oversamples small ones.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, XLMRobertaTokenizerFast

from build_models.bases.base import train_tokenizer
from build_models.bases.masked import masked_loss, new_model
from build_models.bases.shapes import SHAPES
from build_models.bases.streams import Streams, kept_streams, sampling_probabilities
from build_models.data.corpus import find_texts, read_texts
from build_models.errors import BuildError
from build_models.progress import say
from build_models.training.devices import training_device
from build_models.training.loop import Optimization, Trainer
from build_models.workspace.workspace import Workspace, lock
from service.artifacts.manifest import file_sha256

RECORD = "pretraining.json"
"""Record of the settings, next to the checkpoint files."""


@dataclass(frozen=True)
class PretrainSettings:
    """Pretraining of ``steps`` batches of ``batch_pieces`` pieces, in rows of ``length`` pieces.

    ``limit`` caps the lines of each language, ``tokenizer_lines`` the lines that the tokenizer is trained on.
    """

    corpus: Path
    out: Path
    languages: tuple[str, ...] | None = None
    limit: int | None = None
    shape: str = "mini"
    vocabulary: int = 12_000
    tokenizer_lines: int = 200_000
    exponent: float = 0.3
    steps: int = 10_000
    batch_pieces: int = 1536
    length: int = 128
    masked_share: float = 0.2
    learning_rate: float = 2e-3
    matrix_learning_rate: float | None = 5e-3
    dropout: float = 0.0
    neighbours: bool = True
    seed: int = 42
    threads: int = 1


def pretrain(settings: PretrainSettings) -> Path:
    """Pretrain the base and return its folder, ``settings.out``; a base with the same settings and corpus is kept.

    Raises ``BuildError`` if the corpus is invalid or ``settings.out`` exists and was not made by this command.
    """
    if settings.out.exists() and not (settings.out / RECORD).exists():
        raise BuildError(
            f"{settings.out} exists but has no {RECORD}: it was not made by this command and is not replaced."
            " Pass another --out, such as a new subfolder"
        )
    torch.set_num_threads(settings.threads)
    files = {language: file_sha256(path) for language, path in find_texts(settings.corpus, settings.languages).items()}
    inputs = {name: value for name, value in asdict(settings).items() if name not in ("corpus", "out", "threads")}
    workspace = Workspace(settings.out.parent)

    def run(result: Path, state: Path) -> None:
        texts = read_texts(settings.corpus, settings.languages, settings.limit)
        tokenizer = learn_pieces(settings, texts, Workspace(state))
        tokenizer.save_pretrained(result)
        streams = Streams(
            kept_streams(tokenizer, texts, state / "pieces"),
            settings.exponent,
            settings.length,
            int(tokenizer.bos_token_id),
        )
        started = time.monotonic()
        train(settings, tokenizer, streams, result, state / "training")
        record = {
            "settings": {**inputs, "threads": settings.threads, **asdict(SHAPES[settings.shape])},
            "corpus": {
                language: {"sha256": files[language], "pieces": len(pieces)}
                for language, pieces in streams.pieces.items()
            },
            "seconds": round(time.monotonic() - started, 1),
        }
        (result / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    try:
        with lock(settings.out.with_name(f".{settings.out.name}.lock")):
            return workspace.stage(settings.out.name, {"stage": "pretrain", "corpus": files, **inputs}, run)
    except BlockingIOError:
        raise BuildError(
            f"Another process is pretraining {settings.out}: wait for it to finish, or pass another --out"
        ) from None


def learn_pieces(
    settings: PretrainSettings, texts: Mapping[str, Sequence[str]], workspace: Workspace
) -> PreTrainedTokenizerFast:
    """Train the tokenizer on lines of all languages, sampled like the training rows."""

    def learn(result: Path, _: Path) -> None:
        random_state = random.Random(settings.seed)
        shares = sampling_probabilities([len(lines) for lines in texts.values()], settings.exponent)
        some = [
            line
            for share, lines in zip(shares, texts.values(), strict=True)
            for line in random_state.sample(lines, min(len(lines), int(share * settings.tokenizer_lines) + 1))
        ]
        random_state.shuffle(some)
        train_tokenizer(some, settings.vocabulary, result, settings.tokenizer_lines)

    return XLMRobertaTokenizerFast.from_pretrained(workspace.stage("tokenizer", {}, learn))


def train(
    settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast, streams: Streams, result: Path, state: Path
) -> None:
    """Masked-language modelling, in bfloat16 on a GPU or in fp32 on the CPU."""
    torch.manual_seed(settings.seed)
    model = new_model(SHAPES[settings.shape], tokenizer, 512, settings.dropout, settings.neighbours).to(
        training_device()
    )
    rows = max(1, settings.batch_pieces // settings.length)
    say(streams.describe(settings.steps * rows))

    mask = int(tokenizer.mask_token_id)

    def loss_of(step: int) -> Tensor:
        return masked_loss(model, streams.draw(rows, settings.seed, step), settings.masked_share, mask)

    optimization = Optimization(settings.learning_rate, settings.matrix_learning_rate)
    Trainer[int]("pretraining", model, optimization, state).run(range(settings.steps), loss_of)
    model.save_pretrained(result)
