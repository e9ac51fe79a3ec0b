"""Labelled data sets."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from build_models.errors import BuildError, DataError
from service.evaluation.conll import Sentence, to_conll

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Dataset:
    """Labelled sentences in three splits. ``revision`` is the commit of the hub that they come from."""

    name: str
    train: list[Sentence]
    dev: list[Sentence]
    test: list[Sentence]
    revision: str | None = field(default=None, kw_only=True)

    @property
    def digest(self) -> str:
        """SHA-256 over all words and labels of all splits, in order."""
        digest = hashlib.sha256()
        for split in SPLITS:
            digest.update(f"# {split}\n".encode())
            for sentence in getattr(self, split):
                digest.update(f"{sentence.language}\n{to_conll([sentence])}".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def languages(self) -> list[str]:
        return sorted({sentence.language for sentence in self.train})

    @property
    def tested_languages(self) -> list[str]:
        return sorted({sentence.language for sentence in self.test})

    @property
    def label_list(self) -> list[str]:
        """O, then B- and I- for each entity type in the training split, in alphabetical order."""
        types = sorted({label[2:] for sentence in self.train for label in sentence.labels if label != "O"})
        return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def choose(wanted: Sequence[str] | None, there: Sequence[str], where: str) -> list[str]:
    """The requested languages (default: all of ``there``). Raises ``BuildError`` for a missing one."""
    missing = sorted(set(wanted or ()) - set(there))
    if missing:
        raise BuildError(f"{where} has no {', '.join(missing)}; it has {', '.join(there)}")
    return [language for language in there if not wanted or language in wanted]


def checked(dataset: Dataset, places: Mapping[str, str]) -> Dataset:
    """Raise ``DataError`` if dev or test has an entity type that train lacks, which no model could learn.

    ``places`` maps each type to its first occurrence.
    """
    known = dataset.label_list
    for split in ("dev", "test"):
        for sentence in getattr(dataset, split):
            for label in sentence.labels:
                if label not in known:
                    raise DataError(
                        f"{places[label[2:]]}: {split} of {sentence.language} has the label {label!r}, which train does"
                        f" not have (it has {', '.join(known)}): correct it, or leave it out of {split}"
                    )
    return dataset
