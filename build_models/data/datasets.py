"""The one form of labelled data, whatever it comes from."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from build_models.errors import BuildError, DataError
from service.evaluation.conll import Sentence, to_conll

SPLITS = ("train", "dev", "test")
_WORD = re.compile(r"[^ \t\r\n]+")
"""What CoNLL can hold as a word: other white space, such as a no-break space, separates no columns."""


@dataclass(frozen=True)
class Dataset:
    """Labelled sentences in three splits."""

    name: str
    train: list[Sentence]
    dev: list[Sentence]
    test: list[Sentence]

    @property
    def digest(self) -> str:
        """SHA-256 over every word and label of every split, in order."""
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
    def label_list(self) -> list[str]:
        """O, then B- and I- of every entity type of the training split, in alphabetical order."""
        types = sorted({label[2:] for sentence in self.train for label in sentence.labels if label != "O"})
        return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def choose(wanted: Sequence[str] | None, there: Sequence[str], where: str) -> list[str]:
    """The languages asked for, all of ``there`` if none was. Raises ``BuildError`` for one that is not there."""
    missing = sorted(set(wanted or ()) - set(there))
    if missing:
        raise BuildError(f"{where} has no {', '.join(missing)}; it has {', '.join(there)}")
    return [language for language in there if not wanted or language in wanted]


def checked(dataset: Dataset) -> Dataset:
    """Raise ``DataError`` for what no build can work with.

    That is a word that is empty or holds white space, which would be kept as other words beside the artefacts, and an
    entity type of dev or test that training has not, which no model could learn.
    """
    for split in SPLITS:
        for sentence in getattr(dataset, split):
            for word in sentence.words:
                if not _WORD.fullmatch(word):
                    raise DataError(
                        f"{dataset.name}: {split} of {sentence.language} has the word {word[:40]!r}:"
                        " a word may not be empty or hold white space"
                    )
    known = set(dataset.label_list)
    for split in ("dev", "test"):
        for sentence in getattr(dataset, split):
            for label in sentence.labels:
                if label not in known:
                    raise DataError(
                        f"{dataset.name}: {split} of {sentence.language} has the label {label!r},"
                        f" which train has not (it has {', '.join(sorted(known))})"
                    )
    return dataset
