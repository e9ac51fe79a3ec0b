"""Trains a classifier on labelled sentences; used for teachers and students."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaForTokenClassification, XLMRobertaTokenizerFast

from build_models.artifacts.checkpoint_files import WEIGHTS, copy_tokenizer
from build_models.artifacts.transitions import count_transitions, write_transitions
from build_models.bases.base import SENTENCEPIECE
from build_models.bases.masked import new_model
from build_models.bases.shapes import Shape
from build_models.bundled.pieces import FORMS, learn_pieces, part_forms, share_forms
from build_models.settings import FinetuneSettings, NoiseShares
from build_models.training.examples import encode_examples
from build_models.training.finetune import finetune
from build_models.training.noise import add_noise
from build_models.training.segmentation import Segmentations
from build_models.training.windows import distinct_words
from build_models.workspace.workspace import KEY
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

LABEL_LIST = ["O", *(f"{prefix}-{name}" for name in ("DATE", "LOC", "ORG", "PER") for prefix in "BI")]
MAX_LENGTH, OVERLAP = 160, 40
TRANSITION_WEIGHT = 0.6


@dataclass(frozen=True)
class Lesson:
    """How one model is trained: ``passes`` over ``sample`` generated sentences of each language and ``real_copies`` of
    the labelled ones from real text.
    """

    shape: Shape
    vocabulary: int
    seed: int
    passes: int
    sample: int
    real_copies: int = 4
    noise: NoiseShares = field(default_factory=NoiseShares)
    learning_rate: float = 6e-3
    hidden_names: float = 0.15
    dropout: float = 0.0

    @property
    def settings(self) -> FinetuneSettings:
        """The loop's; what is not said here is as for the bundled sample."""
        return replace(
            FinetuneSettings.defaults(False, False),
            epochs=self.passes,
            learning_rate=self.learning_rate,
            hidden_names=self.hidden_names,
        )


def teach(
    title: str,
    lesson: Lesson,
    sentences: Sequence[Sentence],
    texts: Sequence[str],
    result: Path,
    state: Path,
    start: Path | None = None,
) -> None:
    """Train a model on ``sentences``, its pieces learnt from ``texts``, into ``result``; ``state`` survives a kill.

    With ``start``, pieces and weights are that model's to begin with.
    """
    tokenizer_folder = state / "tokenizer"
    # learn_pieces writes this file last.
    if start is None and not (tokenizer_folder / FORMS).exists():
        tokenizer_folder.mkdir(parents=True, exist_ok=True)
        learn_pieces(texts, lesson.vocabulary, tokenizer_folder, len(texts))
    tokenizer_folder = start or tokenizer_folder
    tokenizer = XLMRobertaTokenizerFast.from_pretrained(tokenizer_folder)
    torch.manual_seed(lesson.seed)
    model = load_taught(start, lesson.dropout) if start else new_classifier(lesson.shape, tokenizer, lesson.dropout)
    share_forms(model, tokenizer, tokenizer_folder)
    shown = add_noise(sentences, lesson.noise, lesson.seed)
    encoder = Encoder.from_folder(tokenizer_folder, MAX_LENGTH, OVERLAP)
    segmentations = Segmentations(distinct_words(shown), tokenizer_folder / SENTENCEPIECE, tokenizer.get_vocab())
    finetune(
        title,
        model,
        encode_examples(shown, encoder, LABEL_LIST),
        lesson.settings,
        MAX_LENGTH,
        lesson.seed,
        state / "training",
        segmentations,
    )
    part_forms(model)
    # Further training starts without dropout.
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.0
    model.half().save_pretrained(result)
    copy_tokenizer(tokenizer_folder, result)
    shutil.copy(tokenizer_folder / FORMS, result / FORMS)
    transitions = count_transitions((sentence.labels for sentence in sentences), LABEL_LIST, TRANSITION_WEIGHT)
    write_transitions(result, transitions)


def average(models: Sequence[Path], outside_bias: float, result: Path) -> None:
    """The mean of the weights of models that started from the same one (Wortsman et al. 2022), into ``result``.

    ``outside_bias`` is subtracted from the logit of O: what is trained on text in which names may have been overlooked
    finds too few.
    """
    for path in models[0].iterdir():
        if path.name not in (WEIGHTS, KEY):
            shutil.copy(path, result / path.name)
    every = [load_file(model / WEIGHTS) for model in models]
    mean = {name: torch.stack([weights[name].float() for weights in every]).mean(dim=0) for name in every[0]}
    mean["classifier.bias"][LABEL_LIST.index("O")] -= outside_bias
    save_file({name: weight.half() for name, weight in mean.items()}, result / WEIGHTS, metadata={"format": "pt"})


def load_taught(folder: Path, dropout: float) -> XLMRobertaForTokenClassification:
    """A model that was taught before, to teach it further."""
    model = XLMRobertaForTokenClassification.from_pretrained(
        folder,
        attn_implementation="eager",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return model.float()


def new_classifier(
    shape: Shape, tokenizer: XLMRobertaTokenizerFast, dropout: float = 0.0
) -> XLMRobertaForTokenClassification:
    """An untrained classifier with embeddings initialized from spelling and heads that attend to neighbours."""
    body = new_model(shape, tokenizer, 512, dropout, neighbours=True)
    names = dict(enumerate(LABEL_LIST))
    config = body.config
    config.id2label = names
    config.label2id = {label: number for number, label in names.items()}
    config.num_labels = len(names)
    config._attn_implementation = "eager"
    model = XLMRobertaForTokenClassification(config)
    model.roberta.load_state_dict(body.roberta.state_dict())
    return model
