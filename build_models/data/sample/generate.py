"""Generates the bundled sample: the same sentences for the same seed and packs, on every machine."""

import random
from collections.abc import Iterator, Sequence

from build_models.data.datasets import Dataset, choose
from build_models.data.sample.grammar import Pack, Span, Split, languages, load_pack
from service.evaluation.conll import Sentence
from service.ner.words import split_words

DEV_SENTENCES, TEST_SENTENCES = 60, 150
"""Sentences per language in dev and in test."""

PLAIN_SHARE = 0.2
UPPER_CASE_SHARE = 0.02
LOWER_CASE_SHARE = 0.03
ATTEMPTS = 200


def generate_sample(wanted: Sequence[str] | None = None, seed: int = 0, sentences: int = 5500) -> Dataset:
    """Generate all splits of the requested languages (default: all), with ``sentences`` training sentences each.

    No entity of dev or test occurs in train.
    """
    sizes: dict[Split, int] = {"train": sentences, "dev": DEV_SENTENCES, "test": TEST_SENTENCES}
    splits: dict[Split, list[Sentence]] = {"train": [], "dev": [], "test": []}
    for language in choose(wanted, languages(), "the bundled sample"):
        pack = load_pack(language)
        seen: set[str] = set()
        for split, sentences_of_split in splits.items():
            random_state = random.Random(f"{seed}/{language}/{split}")
            for sentence in _sentences(pack, split, sizes[split], random_state, seen):
                sentences_of_split.append(sentence)
                if split == "train":
                    seen.update(_entity_texts(sentence))
    chosen = sorted({sentence.language for sentence in splits["train"]})
    return Dataset(f"bundled sample ({', '.join(chosen)})", **splits)


def _sentences(
    pack: Pack, split: Split, number: int, random_state: random.Random, seen: set[str]
) -> Iterator[Sentence]:
    """Sentences of one split; dev and test have no duplicates and no entities ``seen`` in training."""
    texts: set[str] = set()
    for _ in range(number):
        # Decided before rejecting sentences, because a sentence without entities is never rejected.
        patterns = pack.plain if random_state.random() < PLAIN_SHARE else pack.patterns
        for _ in range(ATTEMPTS):
            text, spans = pack.expand(random_state.choice(patterns), split, random_state)
            if split == "train":
                text = _change_case(text, random_state)
            sentence = to_sentence(pack.language, text, spans)
            if text not in texts and (split == "train" or seen.isdisjoint(_entity_texts(sentence))):
                texts.add(text)
                yield sentence
                break


def _change_case(text: str, random_state: random.Random) -> str:
    """Sometimes change a sentence to upper or lower case, if that keeps all offsets."""
    chance = random_state.random()
    changed = text
    if chance < UPPER_CASE_SHARE:
        changed = text.upper()
    elif chance < UPPER_CASE_SHARE + LOWER_CASE_SHARE:
        changed = text.lower()
    return changed if len(changed) == len(text) else text


def to_sentence(language: str, text: str, spans: Sequence[Span]) -> Sentence:
    """Split a text into words; each word that overlaps a span gets its label."""
    words = split_words(text)
    labels = ["O"] * len(words)
    for span in spans:
        inside = [index for index, word in enumerate(words) if word.start < span.end and word.end > span.start]
        for place, index in enumerate(inside):
            labels[index] = f"{'I' if place else 'B'}-{span.label}"
    return Sentence(language, [text[word.start : word.end] for word in words], labels)


def _entity_texts(sentence: Sentence) -> set[str]:
    """The entities of a sentence in lower case, for comparison between splits."""
    texts: list[list[str]] = []
    for word, label in zip(sentence.words, sentence.labels, strict=True):
        if label.startswith("B-"):
            texts.append([word])
        elif label.startswith("I-"):
            texts[-1].append(word)
    return {" ".join(words).casefold() for words in texts}
