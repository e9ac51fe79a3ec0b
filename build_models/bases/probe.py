"""Tells IOB1 from IOB2 by a classifier's predictions, if its labels fit both."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from build_models.data.sample.generate import generate_sample
from service.ner.encoder import Encoder
from service.ner.schemes import take_apart

LANGUAGES, SENTENCES = ("hau", "swa"), 50
"""Languages of the bundled sample, and how many sentences of each are read at most."""

FEWEST, ENOUGH, SHARE = 10, 60, 0.8
"""Entities that must be found, those after which no more is read, and the share that must begin with an I-."""


def begins_inside_mostly(model: PreTrainedModel, encoder: Encoder, labels: Sequence[str]) -> bool:
    """Whether most entities that the classifier predicts on the sample begin with I-."""
    model.eval()
    marks = [take_apart(label) for label in labels]
    begins = {"B": 0, "I": 0}
    for sentence in generate_sample(LANGUAGES, 0, SENTENCES).train:
        before = ""
        for _, window in encoder.windows(encoder.encode_all(sentence.words)):
            pieces = torch.from_numpy(window.input_ids[None, :])
            with torch.inference_mode():
                logits = model(input_ids=pieces, attention_mask=torch.ones_like(pieces)).logits[0]
            for number in logits.argmax(dim=-1)[window.heads].tolist():
                mark = marks[number]
                if mark is not None and mark.place in begins and mark.type != before:
                    begins[mark.place] += 1
                before = mark.type if mark is not None else ""
        if sum(begins.values()) >= ENOUGH:
            break
    found = sum(begins.values())
    return found >= FEWEST and begins["I"] >= SHARE * found
