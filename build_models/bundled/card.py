"""The model card."""

import json
from collections import Counter
from pathlib import Path

from build_models.bundled.annotations import read_annotations
from build_models.bundled.export import CARD
from build_models.bundled.licences import ALLOWED

COUNTS = "counts.json"
NOT_MEASURED = "Not measured."

TEXT = """---
license: cc-by-sa-4.0
language: [am, ha, ig, rw, lg, luo, pcm, sw, wo, yo]
library_name: transformers
pipeline_tag: token-classification
tags: [named-entity-recognition, african-languages]
---
# Kidogo's bundled model

A small named-entity recognizer for Amharic, Hausa, Igbo, Kinyarwanda, Luganda, Luo, Nigerian Pidgin, Swahili, Wolof
and Yoruba: PER, LOC, ORG and DATE in IOB2. XLM-R architecture, random initialization, no pretrained weights.

`python -m build_models bundled --corpus FOLDER --open FOLDER` makes it again;
`sha256.txt` has the digests of the files.

## Training data
- Sentences generated from Kidogo's own patterns (Apache-2.0).
- Hausa VOA NER (CC BY 4.0) and Yoruba GV NER (Creative Commons 3.0), from `transfer-distant-transformer-african`.
- {labelled:,} sentences of the sources below, labelled for this model by a large language model. Native speakers have
  not checked these labels. `labels/` has digests and entities, no text.
- {agreed:,} sentences of the same sources with labels on which two teacher models agree.

The weights are the mean of two students, which start as one of the teachers.

No sentence of MasakhaNER was used for training: corpus lines that are one of its sentences, or share eight words in a
row with one, were left out. Its dev sets chose between recipes, and were read to learn its conventions of labelling;
its test sets only measure.

Text could come from these lines; lines of other sources were left out.

| source | licence | lines |
|---|---|--:|
{sources}

## Scores
Strict IOB2 F1 on MasakhaNER 1.0 through Kidogo's own pipeline, clean and with the noise that a column names.

{scores}

## Limits
- Trained on news, social media and read sentences; other text is harder. Kinyarwanda learnt from translated news,
  read sentences and Kirundi, Luo from about 500 lines of news.
- Names that look like common words, and organizations in general, are found least reliably.
- Amharic prefixes belong to the word: `ከኬንያ` is one word and one entity.
- Scores are probabilities of a small model and are not calibrated. Do not decide about people by them.
"""


def write_card(folder: Path, lines: Path, agreed: Path, scores: str) -> None:
    """Write the card, with the number of lines by source and, where there is one, the table of scores."""
    available: Counter[str] = Counter()
    for counts in json.loads((lines / COUNTS).read_text(encoding="utf-8")).values():
        available.update(counts)
    used = json.loads((agreed / COUNTS).read_text(encoding="utf-8"))
    rows = [f"| {source} | {ALLOWED[source]} | {number:,} |" for source, number in available.most_common()]
    text = TEXT.format(
        sources="\n".join(rows),
        scores=scores,
        labelled=sum(len(read_annotations(language)) for language in used),
        agreed=sum(counts["kept"] for counts in used.values()),
    )
    (folder / CARD).write_text(text, encoding="utf-8")
