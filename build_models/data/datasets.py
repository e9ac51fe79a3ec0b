"""The one form of labelled data, whatever it comes from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from build_models.errors import BuildError, DataError
from service.evaluation.conll import Sentence, to_conll

SPLITS = ("train", "dev", "test")


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


def checked(dataset: Dataset, places: Mapping[str, str]) -> Dataset:
    """Raise ``DataError`` for an entity type of dev or test that train does not have, which no model could learn.

    ``places`` tell where each type occurs first.
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
