"""Labelled data from the Hugging Face hub: parquet files of each language and split, or files as in a folder."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from build_models.data.assembly import Documents, assemble
from build_models.data.datasets import Dataset
from build_models.data.datasets import choose as choose_languages
from build_models.data.folders import SPLIT_OF, SUFFIXES, UNKNOWN_LANGUAGE, read_documents
from build_models.errors import DataError
from build_models.hub import download, first_line
from build_models.progress import say
from service.evaluation.conll import Document, Row
from service.evaluation.reading import PLAIN, Rules

ALIASES = {"masakhaner": "masakhane/masakhaner", "masakhaner2": "masakhane/masakhaner2"}
PARQUET = "refs/convert/parquet"
"""The hub's own conversion of public data sets, which has no script to run."""

STRINGS = ("string", "large_string", "string_view")
"""What parquet calls text."""

NO_LANGUAGE = ("data", "default")
"""Folders of parquet files that are named after nothing."""


def load_hub_data(
    name: str, languages: Sequence[str] | None, revision: str | None, seed: int = 42, rules: Rules = PLAIN
) -> Dataset:
    """Every split of the chosen languages; those that are missing are cut from train.

    Raises ``BuildError`` if the hub is out of reach, with what to do instead, and ``DataError`` if the data set has
    other files or columns.
    """
    identifier, revision = ALIASES.get(name, name), revision or PARQUET

    def choose(files: Sequence[str]) -> Sequence[str]:
        parquet = [file for file in files if file.endswith(".parquet")]
        if named := sorted({place_of(file)[0] for file in parquet} - {UNKNOWN_LANGUAGE}):
            choose_languages(languages, named, identifier)
        wanted = [file for file in parquet if not languages or place_of(file)[0] in languages]
        chosen = wanted or parquet or [file for file in files if file.lower().endswith(SUFFIXES)]
        if not chosen:
            raise DataError(
                f"{identifier} ({revision}) has neither parquet files nor files that end in {', '.join(SUFFIXES)}"
            )
        return chosen

    instead = (
        "If this machine is offline, download the CoNLL files elsewhere and pass the folder:"
        f" --data ./{identifier.rpartition('/')[2]}"
    )
    folder, commit, files = download(identifier, "dataset", revision, choose, instead)
    paths = [folder / file for file in choose(files)]
    parquet = paths[0].suffix == ".parquet"
    documents = _documents(identifier, folder, paths, languages) if parquet else read_documents(folder, languages)
    return replace(assemble(identifier, documents, languages, seed, rules), revision=commit)


def place_of(file: str) -> tuple[str, str | None]:
    """Language and split of a parquet file, as in ``hau/train/0000.parquet`` and ``data/train-00000-of-00001.parquet``.

    None if its path names no split.
    """
    first, *rest = Path(file).parts
    language = UNKNOWN_LANGUAGE if not rest or first in NO_LANGUAGE else first
    words = re.findall(r"[a-z]+", "/".join(rest or [first]).lower())
    return language, next((SPLIT_OF[word] for word in words if word in SPLIT_OF), None)


def _documents(identifier: str, folder: Path, paths: Sequence[Path], languages: Sequence[str] | None) -> Documents:
    # As for files: a single language may be named where the data do not say theirs.
    unknown = languages[0] if languages and len(languages) == 1 else UNKNOWN_LANGUAGE
    documents: Documents = {}
    for path in paths:
        file = path.relative_to(folder).as_posix()
        language, split = place_of(file)
        language = unknown if language == UNKNOWN_LANGUAGE else language
        if split is None:
            say(f"data: {identifier}: {file} names no split, and is not used")
            continue
        splits = documents.setdefault(language, {})
        splits.setdefault(split, []).append(_document(f"{identifier}, {file}", language, path))
    if not documents:
        raise DataError(f"{identifier}: none of its files names a split: {', '.join(path.name for path in paths[:5])}")
    return documents


def _document(name: str, language: str, path: Path) -> Document:
    """The rows of one file. Raises ``DataError`` for other columns than tokens and labels with names."""
    import datasets
    import pyarrow.parquet

    try:
        data: Any = datasets.Dataset(pyarrow.parquet.read_table(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{name} cannot be read as parquet: {first_line(error)}") from error
    column = next((column for column in ("ner_tags", "labels") if column in data.column_names), None)
    if column is None or "tokens" not in data.column_names:
        raise DataError(f"{name}: expected the columns tokens and ner_tags; it has {', '.join(data.column_names)}")
    inner = getattr(data.features[column], "feature", None)
    names, strings = getattr(inner, "names", None), getattr(inner, "dtype", None) in STRINGS
    if names is None and not strings:
        raise DataError(f"{name}: {column} are neither class labels with names nor strings")
    document = Document(name, [], where="{name}, row {line}")
    for number, row in enumerate(data):
        if any(values is None or None in values for values in (row["tokens"], row[column])):
            raise DataError(f"{name}, row {number}: tokens or {column} are missing")
        if names is not None and not all(0 <= tag < len(names) for tag in row[column]):
            raise DataError(f"{name}, row {number}: a tag of {column} is no class (-1 stands for hidden labels)")
        labels = row[column] if names is None else [names[tag] for tag in row[column]]
        document.rows.append(Row(language, row["tokens"], labels, None, number))
    return document
