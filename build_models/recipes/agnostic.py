"""Task-agnostic distillation: a student base learns masked-language modelling from a teacher on raw text.

It is then fine-tuned like any base (Sanh et al. 2019). The loss on masked pieces is
alpha T² KL(teacher / T || student / T) + (1 - alpha) cross entropy.
"""

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

from build_models.architectures import ARCHITECTURES, architecture_of
from build_models.bases.base import MASKED_SHARE
from build_models.bases.masked import hidden_logits, hide
from build_models.bases.source import Source
from build_models.bases.streams import Streams, kept_streams
from build_models.data.corpus import read_texts
from build_models.errors import BuildError
from build_models.recipes import dense
from build_models.recipes.context import Context
from build_models.recipes.students import make_student, soft_cross_entropy
from build_models.training.devices import training_device
from build_models.training.loop import Optimization, Trainer
from service.artifacts.manifest import file_sha256

BATCH_PIECES = 1536
LANGUAGE_EXPONENT = 0.3


def refuse_other_architectures(source: Source) -> None:
    """Raise ``BuildError`` for a base outside RoBERTa's family: the training uses the modules of that family."""
    config = AutoConfig.from_pretrained(source.folder, local_files_only=True)
    if not architecture_of(config).places_from_padding:
        family = ", ".join(name for name, known in ARCHITECTURES.items() if known.places_from_padding)
        raise BuildError(f"--agnostic-steps works with {family}; {source.name} is a {config.model_type} model")


def student_base(context: Context) -> Path:
    """The folder of the distilled student base."""
    settings = context.settings.distillation
    inputs = {
        "stage": "student",
        "base": context.source.digest,
        "seed": context.settings.seed,
        "length": context.settings.max_length,
        "distillation": {name: value for name, value in asdict(settings).items() if name not in ("epochs", "corpus")},
        "text": corpus_digests(settings.corpus) if settings.corpus else context.data_digest,
    }

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(context.settings.seed)
        device = training_device()
        teacher = AutoModelForMaskedLM.from_pretrained(context.source.folder, local_files_only=True).eval().to(device)
        student = make_student(teacher, settings.layers, settings.heads).to(device)
        tokenizer = AutoTokenizer.from_pretrained(context.source.folder, local_files_only=True)
        pieces = kept_streams(tokenizer, texts(context), state / "pieces")
        length = min(context.settings.max_length, *map(len, pieces.values()))
        streams = Streams(pieces, LANGUAGE_EXPONENT, length, int(tokenizer.bos_token_id))

        def loss_of(step: int) -> Tensor:
            rows = streams.draw(rows_of(length), context.settings.seed, step)
            hidden = hide(rows, MASKED_SHARE, teacher.config, int(tokenizer.mask_token_id))
            shown, chosen = (tensor.to(device) for tensor in hidden)
            with torch.inference_mode():
                targets = hidden_logits(teacher, shown, chosen)
            logits = hidden_logits(student, shown, chosen)
            hard = torch.nn.functional.cross_entropy(logits, rows.to(device)[chosen])
            soft = soft_cross_entropy(logits, targets.clone(), settings.temperature)
            return settings.alpha * soft + (1 - settings.alpha) * hard

        Trainer[int]("student", student, Optimization(settings.agnostic_learning_rate), state / "training").run(
            range(settings.agnostic_steps), loss_of
        )
        dense.save(student, context.source.folder, result)

    return context.workspace.stage("student", inputs, run)


def rows_of(length: int) -> int:
    """The rows of a step, of ``length`` pieces each."""
    return max(1, BATCH_PIECES // length)


def texts(context: Context) -> dict[str, list[str]]:
    """The lines of each language, from the corpus or else the training split."""
    settings = context.settings.distillation
    if settings.corpus:
        return read_texts(settings.corpus, None, settings.corpus_lines)
    return {
        language: [" ".join(sentence.words) for sentence in context.dataset.train if sentence.language == language]
        for language in context.dataset.languages
    }


def corpus_digests(corpus: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(corpus.glob("*.txt*"))}
