"""Reads labelled data from a file, a folder of splits, or a folder of languages."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from build_models.data.assembly import Documents, assemble
from build_models.data.datasets import Dataset, choose
from build_models.errors import DataError
from service.evaluation.conll import Document, LabelledDataError, Row, Sentence, parse_conll
from service.evaluation.reading import PLAIN, Rules, read

SUFFIXES = (".txt", ".conll", ".bio", ".iob", ".iob2", ".tsv", ".jsonl")

SPLIT_OF = {"train": "train", "training": "train", "test": "test"} | dict.fromkeys(
    ("dev", "devel", "development", "valid", "validation", "val"), "dev"
)

LAYOUTS = (
    "give a file, a folder with train, dev and test (train is enough) or with one file, or a folder with such a folder"
    f" for each language; files end in {', '.join(SUFFIXES)}"
)

UNKNOWN_LANGUAGE = "und"
"""ISO 639-3 code for undetermined."""


def read_document(path: Path, language: str) -> Document:
    """Read one file. Raises ``DataError`` naming file and line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {number}: not UTF-8: convert the file to UTF-8") from error
    try:
        parse = parse_jsonl if path.suffix.lower() == ".jsonl" else parse_conll
        return parse(str(path), language, text)
    except LabelledDataError as error:
        raise DataError(str(error)) from None


def parse_jsonl(name: str, language: str, text: str) -> Document:
    """Read JSON lines with ``tokens``, ``labels`` or ``ner_tags``, and optionally ``language``."""
    document = Document(name, [])
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            document.rows.append(_row_of(name, language, number, line))
    return document


def _row_of(name: str, language: str, number: int, line: str) -> Row:
    def wrong(problem: str) -> LabelledDataError:
        return LabelledDataError(f"{name}, line {number}", problem)

    try:
        row = json.loads(line)
        # A lone surrogate cannot be written to the test split.
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise wrong(f"not JSON: {error}") from None
    row = row if isinstance(row, dict) else {}
    tokens, labels = _strings(row.get("tokens")), _strings(row.get("labels", row.get("ner_tags")))
    if tokens is None or labels is None:
        raise wrong("expected tokens and labels (or ner_tags), both lists of strings: write the names of labels")
    said = row.get("language") or row.get("lang") or language
    if not isinstance(said, str) or not said.replace("-", "").replace("_", "").isalnum():
        raise wrong(f"{said!r} is not a language code: use one such as swa")
    return Row(said, tokens, labels, None, number)


def _strings(value: object) -> list[str] | None:
    strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return cast(list[str], value) if strings else None


def read_sentences(path: Path, language: str) -> list[Sentence]:
    """The sentences of one file. Raises ``DataError``."""
    sentences = read_all([read_document(path, language)])
    if not sentences:
        raise DataError(f"{path} has no sentences")
    return sentences


def read_all(documents: Sequence[Document]) -> list[Sentence]:
    """The sentences of documents that share a label scheme. Raises ``DataError``."""
    try:
        return [sentence for sentences in read(documents).sentences for sentence in sentences]
    except LabelledDataError as error:
        raise DataError(str(error)) from None


def find_files(path: Path) -> dict[str, dict[str, Path]]:
    """The file of each split of each language; a single file is ``train``. Raises ``DataError``."""
    if not path.exists():
        raise DataError(f"{path} is neither a file nor a folder")
    if path.is_file():
        return {_language(path): {"train": path}}
    if files := _named_splits(path):
        return {_language(path): files}
    folders = [folder for folder in _listed(path) if folder.is_dir()]
    # A file beside folders with splits may be a README.txt.
    if not any(map(_named_splits, folders)) and (files := _splits(path)):
        return {_language(path): files}
    found = {folder.name: files for folder in folders if (files := _splits(folder))}
    if not found:
        raise DataError(f"{path} has no labelled data in it: {LAYOUTS}")
    return found


def _listed(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _files(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]


def _named_splits(folder: Path) -> dict[str, Path]:
    """The files of a folder that are called after a split."""
    splits: dict[str, Path] = {}
    for path in _files(folder):
        split = SPLIT_OF.get(path.stem.lower())
        if split in splits:
            raise DataError(f"{splits[split]} and {path} are both {split}: take one of them away")
        if split:
            splits[split] = path
    return splits


def _splits(folder: Path) -> dict[str, Path]:
    """The files of a folder by split; a single file with another name is ``train``."""
    splits, paths = _named_splits(folder), _files(folder)
    if splits or not paths:
        return splits
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:5])
        raise DataError(f"{folder} has several files and none is called train, dev or test ({names}): {LAYOUTS}")
    return {"train": paths[0]}


def _language(path: Path) -> str:
    """The language code in a file's or folder's name, as in swa.txt or swa/train.txt."""
    name = path.stem if path.is_file() else path.resolve().name
    if path.is_file() and name.lower() in SPLIT_OF:
        name = path.resolve().parent.name
    return name if name.isascii() and name.isalpha() and name.islower() and len(name) in (2, 3) else UNKNOWN_LANGUAGE


def read_documents(path: Path, languages: Sequence[str] | None) -> Documents:
    """All documents of a file or folder, limited to the chosen languages. Raises ``DataError``."""
    files = find_files(path)
    if len(files) > 1:
        files = {language: files[language] for language in choose(languages, sorted(files), str(path))}
    elif languages and len(languages) == 1 and UNKNOWN_LANGUAGE in files:
        files = {languages[0]: files[UNKNOWN_LANGUAGE]}
    documents: Documents = {}
    for language, splits in files.items():
        for split, file in splits.items():
            document = read_document(file, language)
            # JSON lines may have other languages than the file name.
            for said in sorted({row.language for row in document.rows}) or [language]:
                rows = [row for row in document.rows if row.language == said]
                documents.setdefault(said, {}).setdefault(split, []).append(replace(document, rows=rows))
    return documents


def documents_to_check(path: Path, language: str | None) -> list[Document]:
    """The data to evaluate on: a file, or a folder's test splits or each language's only file."""
    if path.is_file():
        return [read_document(path, language or "")]
    documents = []
    for name, splits in find_files(path).items():
        file = splits.get("test") or (next(iter(splits.values())) if len(splits) == 1 else None)
        if file is None or SPLIT_OF.get(file.stem.lower()) == "train":
            raise DataError(f"{path} has no test split of {name}: give the file to check on")
        documents.append(read_document(file, (language or "") if name == UNKNOWN_LANGUAGE else name))
    return documents


def read_path(path: Path, languages: Sequence[str] | None, seed: int, rules: Rules = PLAIN) -> Dataset:
    """Read a data set from a file or folder, and cut missing splits from train."""
    name = path.name if path.is_file() else path.resolve().name
    return assemble(name, read_documents(path, languages), languages, seed, rules)
