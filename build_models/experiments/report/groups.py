"""Groups of comparable rows: the same base, fine-tuning settings and data."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from build_models.errors import BuildError
from build_models.experiments.cells import Cell, Tests
from build_models.experiments.report.figures import Row

ALIKE = ("data", "threads", "max_length", "overlap", "finetune")
"""Settings that must be equal for two bases to be comparable."""


@dataclass(frozen=True)
class Group:
    """The rows of one base; ``unfinished`` has the cells of seeds that lack a language of the dense row."""

    rows: Sequence[Row]
    unfinished: Sequence[Row]

    @property
    def cell(self) -> Cell:
        """A cell, for the settings that all have in common."""
        return (self.rows or self.unfinished)[0].cell

    @property
    def base(self) -> str:
        return self.cell.base

    def differences(self, other: "Group") -> list[str]:
        """The settings that make two bases incomparable, with both values; empty if they are comparable."""
        mine, theirs = (flat(group.cell) for group in (self, other))
        return [f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    def tested(self, tests: Tests) -> list[Row]:
        return [row for row in self.rows if row.cell.tests == tests]

    def dense(self, tests: Tests = "own") -> Row | None:
        """The reference of all differences."""
        return next((row for row in self.tested(tests) if row.cell.variant == "dense"), None)

    def variants(self, *names: str, tests: Tests = "own") -> list[Row]:
        return [row for row in self.tested(tests) if row.cell.variant in names]

    def pruned(self, sparsity: float, after: bool, recovery: bool = False, tests: Tests = "own") -> Row | None:
        return next((row for row in self.curve(after, recovery, tests) if row.cell.sparsity == sparsity), None)

    def curve(self, after: bool, recovery: bool = False, tests: Tests = "own") -> list[Row]:
        """Pruned rows by sparsity."""
        return [
            row
            for row in self.variants("pruned", tests=tests)
            if row.cell.prune_after == after
            and bool(row.cell.recovery_epochs) == recovery
            and not row.cell.prune_embeddings
        ]


def flat(cell: Cell) -> dict[str, object]:
    """The settings in ``ALIKE`` as a flat dict, including those of fine-tuning."""
    settings = cell.model_dump(include=set(ALIKE))
    return {**settings.pop("finetune"), **settings}


def groups_of(rows: Sequence[Row], base: str | None = None) -> list[Group]:
    """Group the rows by base: ``base`` first, then those with the most rows.

    Raises ``BuildError`` if there are no results of ``base``.
    """
    by_base: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_base[row.cell.model_dump_json(include={"base", "base_digest", *ALIKE})].append(row)
    groups = sorted(map(split, by_base.values()), key=lambda group: (group.base != base, -len(group.rows)))
    if base is not None and groups[0].base != base:
        known = ", ".join(sorted({group.base for group in groups}))
        raise BuildError(f"There are no results of --base {base}. Choose from: {known}")
    return groups


def split(rows: Sequence[Row]) -> Group:
    """Split rows into finished and unfinished seeds.

    A seed is finished if both the row and the dense row have it in every language of the dense row, because averages
    over different languages are not comparable. Rows may have different seeds: differences use those they share.
    """
    dense = {row.cell.tests: row for row in rows if row.cell.variant == "dense"}
    finished: list[Row] = []
    unfinished: list[Row] = []
    for row in rows:
        reference = dense.get(row.cell.tests, row)
        seeds = whole_seeds(row, reference.languages) & whole_seeds(reference, reference.languages)
        kept = [
            result
            for result in row.results
            if result.cell.seed in seeds and result.cell.language in reference.languages
        ]
        rest = [result for result in row.results if result not in kept]
        finished += [Row(kept)] if kept else []
        unfinished += [Row(rest)] if rest else []
    return Group(finished, unfinished)


def whole_seeds(row: Row, languages: Sequence[str]) -> set[int]:
    """The seeds for which the row has a result in each of the languages."""
    pairs = row.scores().keys()
    return {seed for seed in row.seeds if all((language, seed) in pairs for language in languages)}
