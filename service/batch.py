"""A callable for distributed engines: takes batches of columns and returns columns.

It works in ``datasets.Dataset.map``, Ray Data's ``map_batches`` and Spark pandas UDFs; docs/files.md has an example of
each.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from service.annotation.documents import Content, Limits, annotate
from service.artifacts.bundled import BUNDLED, USUAL, given_or_bundled
from service.artifacts.manifest import ArtifactError, read_manifest
from service.artifacts.opening import open_variant
from service.errors import UnknownVariant
from service.ner.pipeline import Pipeline
from service.variants import BUNDLED_VARIANT, DEFAULT_VARIANT, KNOWN_VARIANTS

ENTITY_TYPES = {"label": "string", "text": "string", "start": "int64", "end": "int64", "score": "float64"}
"""The fields of an entity, with their types in Arrow's words."""

SPARK_TYPE = "array<struct<label:string, text:string, start:long, end:long, score:double>>"
"""The type of the column of entities in Spark."""


class Annotator:
    """Adds a column of entities, each a dictionary as ``/ner`` gives it.

    A batch is a dictionary of columns, a pandas DataFrame or a pyarrow Table, and what comes back is of the same kind;
    a pandas Series of texts gives one of entities. A text that is missing has no entities but None. It is pickled
    without the model: each process verifies and loads the variant with the first batch, to run on one thread.
    """

    def __init__(
        self,
        variant: str | None = None,
        artifacts: str | Path | None = None,
        column: str = "text",
        output: str = "entities",
        min_score: float = 0.0,
    ):
        """``artifacts`` is the build's output folder, on every machine in the same place; default: ``artifacts`` in the
        current folder, or the bundled model if that has none. The default variant is ``dense``, or the bundled one.

        The texts are in ``column``; one may be a list of words, whose entities then count words. Raises
        ``UnknownVariant``; the first call raises ``ArtifactError`` if the variant cannot be loaded, or has changed
        since the annotator was made.
        """
        folder = given_or_bundled(artifacts)
        bundled = folder == BUNDLED
        if variant is None:
            variant = BUNDLED_VARIANT if bundled else DEFAULT_VARIANT
        if variant not in KNOWN_VARIANTS:
            raise UnknownVariant(variant, list(KNOWN_VARIANTS))
        # On other machines, links may point elsewhere, and Kidogo may be installed in another folder.
        self.artifacts = None if bundled else Path(artifacts or USUAL).absolute()
        self.variant = variant
        # Part of the pickle, by which engines that cache results, such as Datasets, notice a changed artefact.
        self._digest = _digest_of(folder / variant)
        self.column, self.output, self.min_score = column, output, min_score
        self._pipeline: Pipeline | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pipeline": None}

    def __call__(self, batch: Any) -> Any:
        kind = f"{type(batch).__module__.partition('.')[0]}.{type(batch).__name__}"
        if kind == "pandas.Series":
            return type(batch)(self._read(batch.tolist()), index=batch.index, dtype=object)
        if kind == "pandas.DataFrame":
            return batch.assign(**{self.output: self(self._find(batch, list(batch.columns)))})
        if kind == "pyarrow.Table":
            return self._with_arrow(batch)
        if not isinstance(batch, Mapping):
            raise TypeError(f"a batch is a dictionary of columns, a DataFrame, a Table or a Series, not {kind}")
        texts = self._find(batch, list(batch))
        found = self._read(texts)
        return {**batch, self.output: found if isinstance(texts, list) else _like(texts, found)}

    def _find(self, batch: Any, names: Sequence[str]) -> Any:
        if self.column not in names:
            raise KeyError(f"no column {self.column!r}; the batch has {', '.join(map(repr, names))}")
        return batch[self.column]

    def _read(self, texts: Any) -> list[list[dict[str, Any]] | None]:
        if self._pipeline is None:
            folder = self.artifacts or BUNDLED
            pipeline = open_variant(folder, KNOWN_VARIANTS[self.variant], 1)
            if self._digest not in (None, pipeline.digest):
                raise ArtifactError(
                    f"{folder / self.variant} has changed since the annotator was made: make another Annotator"
                )
            self._pipeline = pipeline
        return [None if _missing(text) else self._entities(self._pipeline, _content(text)) for text in texts]

    def _entities(self, pipeline: Pipeline, content: Content) -> list[dict[str, Any]]:
        return [entity._asdict() for entity in annotate(pipeline, content, Limits(self.min_score)).entities]

    def _with_arrow(self, table: Any) -> Any:
        """With a type, so that a batch without any entity fits the others."""
        import pyarrow

        entity = pyarrow.struct([(name, getattr(pyarrow, kind)()) for name, kind in ENTITY_TYPES.items()])
        found = self._read(self._find(table, table.column_names).to_pylist())
        column = pyarrow.array(found, pyarrow.list_(entity))
        if self.output in table.column_names:
            return table.set_column(table.column_names.index(self.output), self.output, column)
        return table.append_column(self.output, column)


def _digest_of(folder: Path) -> str | None:
    """The digest of an artefact; None if it is not on this machine."""
    try:
        return read_manifest(folder).digest
    except ArtifactError:
        return None


def _missing(text: object) -> bool:
    # NaN, which is not equal to itself, and pandas' NA stand for a missing text, depending on the column.
    return text is None or (isinstance(text, float) and text != text) or type(text).__name__ in ("NAType", "NaTType")


def _content(text: Any) -> Content:
    if isinstance(text, str):
        return str(text)
    try:
        words = [str(word) for word in text if isinstance(word, str)]
        if len(words) == len(text):
            return words
    except TypeError:
        pass
    raise TypeError(f"a document is a text or a list of words, not {type(text).__name__}")


def _like(column: Any, values: list[Any]) -> Any:
    """The values as an array of objects, as numpy's and pandas' columns hold them."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
