"""Rows that may be compared: made from one base, fine-tuned in one way on the same data."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from build_models.errors import BuildError
from build_models.experiments.cells import Cell, Tests
from build_models.experiments.report.figures import Row

ALIKE = ("data", "threads", "max_length", "overlap", "finetune")
"""What must be equal for a base to be compared with another one."""


@dataclass(frozen=True)
class Group:
    """The rows of one base. Cells of a seed that has not every language of the dense row stand apart."""

    rows: Sequence[Row]
    unfinished: Sequence[Row]

    @property
    def cell(self) -> Cell:
        """One of the cells, for what all of them have in common."""
        return (self.rows or self.unfinished)[0].cell

    @property
    def base(self) -> str:
        return self.cell.base

    def differences(self, other: "Group") -> list[str]:
        """The settings that keep two bases from being compared, with the values of both; none where they may be."""
        mine, theirs = (flat(group.cell) for group in (self, other))
        return [f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    def tested(self, tests: Tests) -> list[Row]:
        return [row for row in self.rows if row.cell.tests == tests]

    def dense(self, tests: Tests = "own") -> Row | None:
        """What the others are compared with."""
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
    """The settings of ``ALIKE`` by name, those of fine-tuning among them."""
    settings = cell.model_dump(include=set(ALIKE))
    return {**settings.pop("finetune"), **settings}


def groups_of(rows: Sequence[Row], base: str | None = None) -> list[Group]:
    """Groups with the most rows first, but before all those of ``base``.

    Raises ``BuildError`` if there is no result of that base.
    """
    by_base: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_base[row.cell.model_dump_json(include={"base", "base_digest", *ALIKE})].append(row)
    groups = sorted(map(split, by_base.values()), key=lambda group: (group.base != base, -len(group.rows)))
    if base is not None and groups[0].base != base:
        raise BuildError(f"--base {base}: there are results of {', '.join(sorted({group.base for group in groups}))}")
    return groups


def split(rows: Sequence[Row]) -> Group:
    """Each row with the seeds that it has in every language of the dense row, and that the dense row has so too.

    The rest is set apart as unfinished: an average over some languages only cannot be compared. Rows need not have the
    same seeds, since differences are taken over those that two rows share.
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
    """The seeds that a row has in every one of these languages."""
    pairs = row.scores().keys()
    return {seed for seed in row.seeds if all((language, seed) in pairs for language in languages)}
