"""Combines documents of several languages and splits into one data set; cuts missing splits from train."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from build_models.data.datasets import SPLITS, Dataset, checked, choose
from build_models.errors import DataError
from build_models.progress import say
from service.evaluation.conll import Document, LabelledDataError, Sentence
from service.evaluation.reading import Reading, Rules, read

CUT_SHARE = 0.1
"""Share of the training sentences that each missing split gets."""

FEWEST = 5
"""An entity type with fewer occurrences is more likely a typo."""

Documents = dict[str, dict[str, list[Document]]]
"""Documents by language and split."""


def assemble(name: str, documents: Documents, languages: Sequence[str] | None, seed: int, rules: Rules) -> Dataset:
    """Assemble the data set of the chosen languages and log what was detected and changed. Raises ``DataError``."""
    chosen = choose(languages, sorted(documents), name)
    trained = [language for language in chosen if "train" in documents[language]]
    if not trained:
        raise DataError(f"{name} has no train split; it has {', '.join(sorted(documents[chosen[0]]))}")
    if left := set(chosen).difference(trained):
        say(f"data: without a train split, left out: {', '.join(sorted(left))}")
    reading, read_splits = _read(documents, trained, rules)
    for language in trained:
        cut_missing(language, read_splits[language], seed)
    dataset = Dataset(
        f"{name} ({', '.join(trained)})",
        **{split: [sentence for splits in read_splits.values() for sentence in splits[split]] for split in SPLITS},
    )
    for note in reading.notes:
        say(f"data: {note}")
    _say_types(dataset, reading)
    return checked(dataset, reading.types)


def _read(
    documents: Documents, languages: Sequence[str], rules: Rules
) -> tuple[Reading, dict[str, dict[str, list[Sentence]]]]:
    """Read all splits of all languages together. Training data comes first, so that messages about types refer to
    it.
    """
    parts = [
        (language, split, document)
        for split in SPLITS
        for language in languages
        for document in documents[language].get(split, [])
    ]
    try:
        reading = read([document for _, _, document in parts], rules)
    except LabelledDataError as error:
        raise DataError(str(error)) from None
    splits: dict[str, dict[str, list[Sentence]]] = {language: {} for language in languages}
    for (language, split, document), sentences in zip(parts, reading.sentences, strict=True):
        if not sentences:
            raise DataError(f"{document.name} has no sentences")
        splits[language][split] = splits[language].get(split, []) + sentences
    return reading, splits


def _say_types(dataset: Dataset, reading: Reading) -> None:
    counts = Counter(label[2:] for sentence in dataset.train for label in sentence.labels if label.startswith("B-"))
    if counts:
        say(f"data: entities in train: {', '.join(f'{kind} {count:,}' for kind, count in counts.most_common())}")
    for kind, count in counts.items():
        if count < FEWEST:
            times = "once" if count == 1 else f"{count} times"
            say(f"warning: {kind} occurs {times} in train (first: {reading.types[kind]}): is it an entity type?")


def cut_missing(language: str, splits: dict[str, list[Sentence]], seed: int) -> None:
    """Cut the missing splits of a language from its training split.

    Duplicate sentences stay in one split, and train keeps at least one entity of every type. Raises ``DataError`` if
    there are too few sentences.
    """
    missing = [split for split in SPLITS if split not in splits]
    if not missing:
        return
    train = splits["train"]
    given = {_key(sentence) for split in splits if split != "train" for sentence in splits[split]}
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, sentence in enumerate(train):
        groups.setdefault(_key(sentence), []).append(place)
    left = Counter(_types(train))
    free = [places for key, places in groups.items() if key not in given]
    random.Random(f"{seed}/{language}").shuffle(free)
    # A split takes at most its share of the sentences and of the distinct ones, since duplicates stay together.
    size = max(1, round(CUT_SHARE * len(train)), *([min(map(len, free))] if free else []))
    most_groups = max(1, round(CUT_SHARE * len(groups)))
    taken = set[int]()
    for split in missing:
        cut: list[int] = []
        cut_groups = 0
        # The first sentence must have an entity; otherwise there is nothing to score.
        for fewest_entities, most in ((1, 1), (0, size)):
            for places in free:
                if len(cut) >= most or cut_groups >= most_groups:
                    break
                if places[0] in taken or len(cut) + len(places) > size or len(taken) + len(places) >= len(train):
                    continue
                inside = Counter(_types([train[place] for place in places]))
                stays = all(left[kind] > count for kind, count in inside.items())
                if inside.total() >= fewest_entities and stays:
                    left -= inside
                    cut += places
                    cut_groups += 1
                    taken.update(places)
        if not cut:
            raise DataError(
                f"{language}: there is no {split}, and train, of {len(groups):,} different sentences, is too small to"
                f" cut it from: give a file {split} beside it, or more sentences"
            )
        splits[split] = [train[place] for place in sorted(cut)]
    splits["train"] = [sentence for place, sentence in enumerate(train) if place not in taken]
    sizes = ", ".join(f"{len(splits[split]):,} {split}" for split in SPLITS)
    say(f"data: {language}: {' and '.join(missing)} cut from train with seed {seed}: {sizes}")


def _types(sentences: Sequence[Sentence]) -> Iterator[str]:
    return (label[2:] for sentence in sentences for label in sentence.labels if label != "O")


def _key(sentence: Sentence) -> tuple[str, ...]:
    return tuple(word.casefold() for word in sentence.words)
