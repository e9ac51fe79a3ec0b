"""What a classifier answers to sentences, word by word, to teach a student that reads other pieces."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from build_models.training.devices import training_device
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

WINDOWS_AT_ONCE = 16


def answers_of(model: PreTrainedModel, encoder: Encoder, sentences: Sequence[Sentence]) -> list[NDArray[np.float32]]:
    """The logits at the first pieces of the words of each sentence, of shape (words, labels).

    Words without pieces have zeros.
    """
    device = training_device()
    model.eval().to(device)
    answers = [np.zeros((len(sentence.words), model.config.num_labels), np.float32) for sentence in sentences]
    windows = [
        (number, places, window)
        for number, sentence in enumerate(sentences)
        for places, window in encoder.windows(encoder.encode_all(sentence.words))
    ]
    # Windows of equal length need no padding, and nearly equal ones little.
    windows.sort(key=lambda numbered: len(numbered[2].input_ids))
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        some = windows[first : first + WINDOWS_AT_ONCE]
        longest = len(some[-1][2].input_ids)
        pieces = torch.full((len(some), longest), int(model.config.pad_token_id))
        attention = torch.zeros_like(pieces)
        for row, (_, _, window) in enumerate(some):
            pieces[row, : len(window.input_ids)] = torch.from_numpy(window.input_ids)
            attention[row, : len(window.input_ids)] = 1
        with torch.inference_mode():
            logits = model(input_ids=pieces.to(device), attention_mask=attention.to(device)).logits.float().cpu()
        for row, (number, places, window) in enumerate(some):
            answers[number][places] = logits[row, torch.from_numpy(window.heads)].numpy()
    return answers
