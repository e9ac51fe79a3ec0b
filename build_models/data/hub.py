"""Loads labelled data from the Hugging Face hub: columns ``tokens`` and ``ner_tags``, one configuration per
language.
"""

from collections.abc import Sequence
from typing import Any

from build_models.data.assembly import assemble
from build_models.data.datasets import Dataset, choose
from build_models.errors import BuildError, DataError
from service.evaluation.conll import Document, Row
from service.evaluation.reading import PLAIN, Rules

ALIASES = {"masakhaner": "masakhane/masakhaner", "masakhaner2": "masakhane/masakhaner2"}
PARQUET = "refs/convert/parquet"
"""The hub's Parquet conversion of script data sets, which ``datasets`` no longer runs."""

_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def load_hub_data(
    name: str, languages: Sequence[str] | None, revision: str | None, seed: int = 42, rules: Rules = PLAIN
) -> Dataset:
    """Load all splits of the chosen configurations, and cut missing ones from train.

    Raises ``BuildError`` if the hub is unreachable, and ``DataError`` if the data set has other columns.
    """
    from datasets import get_dataset_config_names, load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    identifier, revision = ALIASES.get(name, name), revision or PARQUET
    try:
        chosen = choose(languages, get_dataset_config_names(identifier, revision=revision), identifier)
        loaded = {language: load_dataset(identifier, language, revision=revision) for language in chosen}
    except (OSError, DatasetsError, HfHubHTTPError, OfflineModeIsEnabled, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BuildError(
            f"{identifier} ({revision}) could not be downloaded from the hub: {first} If this machine is offline,"
            " download the CoNLL files elsewhere and pass the folder: --data ./masakhaner"
        ) from error
    documents = {
        language: {
            split: [_document(identifier, language, theirs, data[theirs])]
            for split, theirs in _SPLITS.items()
            if theirs in data
        }
        for language, data in loaded.items()
    }
    return assemble(identifier, documents, chosen, seed, rules)


def _document(identifier: str, language: str, split: str, data: Any) -> Document:
    """The rows of one split. Raises ``DataError`` unless it has tokens and named labels."""
    name = f"{identifier}, {language}, {split}"
    column = next((column for column in ("ner_tags", "labels") if column in data.column_names), None)
    if column is None or "tokens" not in data.column_names:
        raise DataError(f"{name}: expected the columns tokens and ner_tags; it has {', '.join(data.column_names)}")
    inner = getattr(data.features[column], "feature", None)
    names, strings = getattr(inner, "names", None), getattr(inner, "dtype", None) == "string"
    if names is None and not strings:
        raise DataError(f"{name}: {column} are neither class labels with names nor strings")
    document = Document(name, [], where="{name}, row {line}")
    for number, row in enumerate(data):
        if names is not None and not all(0 <= tag < len(names) for tag in row[column]):
            raise DataError(f"{name}, row {number}: a tag of {column} is no class (-1 stands for hidden labels)")
        labels = row[column] if names is None else [names[tag] for tag in row[column]]
        document.rows.append(Row(language, row["tokens"], labels, None, number))
    return document
