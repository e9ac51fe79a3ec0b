"""Labelled data from the Hugging Face hub: columns ``tokens`` and ``ner_tags``, a configuration for each language."""

from collections.abc import Sequence

from build_models.data.datasets import Dataset, choose
from build_models.errors import BuildError, DataError
from service.evaluation.conll import Sentence

ALIASES = {"masakhaner": "masakhane/masakhaner", "masakhaner2": "masakhane/masakhaner2"}
PARQUET = "refs/convert/parquet"
"""The hub's own conversion of data sets that are scripts, which ``datasets`` no longer runs."""

_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def load_hub_data(name: str, languages: Sequence[str] | None, revision: str | None) -> Dataset:
    """Load every split of the chosen configurations.

    Raises ``BuildError`` if the hub is out of reach, with what to do instead, and ``DataError`` if the data set has
    other columns.
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
            f"{identifier} ({revision}) could not be taken from the hub: {first} Without a network, download the"
            " CoNLL files elsewhere and give their folder: --data ./masakhaner"
        ) from error
    splits: dict[str, list[Sentence]] = {split: [] for split in _SPLITS}
    for language, data in loaded.items():
        for split, theirs in _SPLITS.items():
            if theirs not in data or not {"tokens", "ner_tags"} <= set(data[theirs].column_names):
                raise DataError(f"{identifier}, {language}: no split {theirs} with the columns tokens and ner_tags")
            names = getattr(getattr(data[theirs].features["ner_tags"], "feature", None), "names", None)
            if names is None:
                raise DataError(f"{identifier}, {language}: ner_tags of {theirs} are no list of class labels")
            splits[split] += [
                Sentence(language, list(row["tokens"]), [names[tag] for tag in row["ner_tags"]]) for row in data[theirs]
            ]
    return Dataset(f"{identifier} ({', '.join(chosen)})", **splits)
