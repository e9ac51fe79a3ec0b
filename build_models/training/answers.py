"""A classifier's logits for each word, to teach a student that splits words into other pieces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from build_models.progress import progress
from build_models.training.devices import training_device
from build_models.training.examples import padded
from build_models.training.windows import distinct_words, pieces_of_words, windows_of
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

ANSWERS = "answers.npy"

SENTENCES_AT_ONCE, WINDOWS_AT_ONCE = 1_000, 16


def write_answers(
    model: PreTrainedModel, encoder: Encoder, sentences: Sequence[Sentence], state: Path, result: Path
) -> None:
    """Write the answers to ``result``, saving every thousand sentences in ``state`` so that the next run can resume."""
    parts = []
    with progress("answers of dense", len(sentences)) as advance:
        for first in range(0, len(sentences), SENTENCES_AT_ONCE):
            some = sentences[first : first + SENTENCES_AT_ONCE]
            part = state / f"{first}.npy"
            known = read(part)
            if known is None:
                known = np.concatenate(answers_of(model, encoder, some))
                draft = part.with_suffix(".new")
                with draft.open("wb") as file:
                    np.save(file, known)
                draft.replace(part)
            parts.append(known)
            advance(len(some))
    np.save(result / ANSWERS, np.concatenate(parts))


def read(part: Path) -> NDArray[np.float16] | None:
    """What an earlier run has written; None if nothing, or if the file is cut short."""
    try:
        found: NDArray[np.float16] = np.load(part)
    except (OSError, ValueError, EOFError):
        return None
    return found


def read_answers(folder: Path, sentences: Sequence[Sentence]) -> list[NDArray[np.float16]]:
    """The logits that were written to ``folder``, of shape (words, labels) for each sentence."""
    return np.split(np.load(folder / ANSWERS), np.cumsum([len(sentence.words) for sentence in sentences])[:-1])


def answers_of(model: PreTrainedModel, encoder: Encoder, sentences: Sequence[Sentence]) -> list[NDArray[np.float16]]:
    """The logits at the first pieces of the words of each sentence, of shape (words, labels).

    Words without pieces get zeros. Half precision is enough for a target and takes half the memory.
    """
    device = training_device()
    model.eval().to(device)
    answers = [np.zeros((len(sentence.words), model.config.num_labels), np.float16) for sentence in sentences]
    pieces_of = pieces_of_words(distinct_words(sentences), encoder)
    # Windows of similar length need little padding.
    windows = sorted(windows_of(sentences, encoder, pieces_of), key=lambda numbered: len(numbered[2].input_ids))
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        some = windows[first : first + WINDOWS_AT_ONCE]
        pieces, attention = padded([window.input_ids for _, _, window in some], int(model.config.pad_token_id))
        with torch.inference_mode():
            logits = model(input_ids=pieces.to(device), attention_mask=attention.to(device)).logits.float().cpu()
        for row, (number, places, window) in enumerate(some):
            answers[number][places] = logits[row, torch.from_numpy(window.heads)].numpy()
    return answers
