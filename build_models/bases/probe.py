"""Whether a classifier whose labels fit IOB2 and IOB1 alike speaks IOB1: asked of the classifier itself."""

from collections.abc import Sequence
from pathlib import Path

from build_models.data.sample.generate import generate_sample
from service.ner.encoder import Encoder
from service.ner.schemes import take_apart
from service.runtimes import load_runtime

LANGUAGES, SENTENCES = ("hau", "swa"), 50
"""Languages of the bundled sample, and how many sentences of each are read."""

FEWEST, SHARE = 10, 0.8
"""Entities that must be found, and the share of them that must begin with an I-."""


def begins_inside_mostly(folder: Path, labels: Sequence[str], max_length: int, overlap: int) -> bool:
    """Whether most entities that the classifier in ``folder`` finds in the sample begin with an I-."""
    runtime = load_runtime("torch", folder, 1)
    encoder = Encoder.from_folder(folder, max_length, overlap)
    marks = [take_apart(label) for label in labels]
    begins = {"B": 0, "I": 0}
    for sentence in generate_sample(LANGUAGES, 0, SENTENCES).train:
        before = ""
        for _, window in encoder.windows(encoder.encode_all(sentence.words)):
            for number in runtime.logits(window.input_ids)[window.heads].argmax(axis=-1):
                mark = marks[number]
                if mark is not None and mark.place in begins and mark.type != before:
                    begins[mark.place] += 1
                before = mark.type if mark is not None else ""
    found = sum(begins.values())
    return found >= FEWEST and begins["I"] >= SHARE * found
