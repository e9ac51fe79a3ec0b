"""Trains one classifier from scratch on labelled sentences; teachers and the student are made alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from transformers import XLMRobertaForTokenClassification, XLMRobertaTokenizerFast

from build_models.artifacts.checkpoint_files import copy_tokenizer
from build_models.artifacts.transitions import count_transitions, write_transitions
from build_models.bases.base import SENTENCEPIECE
from build_models.bases.masked import new_model
from build_models.bases.shapes import Shape
from build_models.bundled.pieces import learn_pieces, part_forms, share_forms
from build_models.settings import FinetuneSettings, NoiseShares
from build_models.training.examples import distinct_words, encode_examples
from build_models.training.finetune import finetune
from build_models.training.noise import add_noise
from build_models.training.segmentation import Segmentations
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

LABEL_LIST = ["O", *(f"{prefix}-{name}" for name in ("DATE", "LOC", "ORG", "PER") for prefix in "BI")]
MAX_LENGTH, OVERLAP = 160, 40
TRANSITION_WEIGHT = 0.6


@dataclass(frozen=True)
class Lesson:
    """How one model is trained: ``passes`` over ``sample`` generated sentences of each language and ``real_copies`` of
    the labelled ones from real text.

    ``outside_bias`` is subtracted from the logit of O in the end: what is trained on text in which names may have been
    overlooked finds too few.
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
    outside_bias: float = 0.0

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
) -> None:
    """Train a model on ``sentences``, its pieces learnt from ``texts``, into ``result``; ``state`` survives a kill."""
    tokenizer_folder = state / "tokenizer"
    if not (tokenizer_folder / "tokenizer.json").exists():
        tokenizer_folder.mkdir(parents=True, exist_ok=True)
        learn_pieces(texts, lesson.vocabulary, tokenizer_folder, len(texts))
    tokenizer = XLMRobertaTokenizerFast.from_pretrained(tokenizer_folder)
    torch.manual_seed(lesson.seed)
    model = new_classifier(lesson.shape, tokenizer)
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
    with torch.no_grad():
        model.classifier.bias[LABEL_LIST.index("O")] -= lesson.outside_bias
    model.half().save_pretrained(result)
    copy_tokenizer(tokenizer_folder, result)
    transitions = count_transitions((sentence.labels for sentence in sentences), LABEL_LIST, TRANSITION_WEIGHT)
    write_transitions(result, transitions)


def new_classifier(shape: Shape, tokenizer: XLMRobertaTokenizerFast) -> XLMRobertaForTokenClassification:
    """A classifier that knows nothing but how its pieces are spelt and which stand next to each other."""
    body = new_model(shape, tokenizer, 512, 0.0, neighbours=True)
    names = dict(enumerate(LABEL_LIST))
    config = body.config
    config.id2label = names
    config.label2id = {label: number for number, label in names.items()}
    config.num_labels = len(names)
    config._attn_implementation = "eager"
    model = XLMRobertaForTokenClassification(config)
    model.roberta.load_state_dict(body.roberta.state_dict())
    return model
