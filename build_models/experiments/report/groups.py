"""Groups of comparable rows: the same base, fine-tuning settings and data."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from build_models.errors import BuildError
from build_models.experiments.cells import Cell, Tests
from build_models.experiments.report.figures import Row, rows_of
from build_models.experiments.results import CellResult, refuse_mixed_data

ALIKE = ("data", "threads", "max_length", "overlap", "finetune")
"""Settings that must be equal for two bases to be comparable."""


@dataclass(frozen=True)
class Group:
    """The rows of one base; ``unfinished`` has the cells of seeds that lack a language of the dense row.

    ``other_code`` has the results that were left out because they are of other code than most, ``other_makes`` those
    whose seed has results of another make of the base.
    """

    rows: Sequence[Row]
    unfinished: Sequence[Row]
    other_code: Sequence[CellResult] = ()
    other_makes: Sequence[CellResult] = ()

    @property
    def cell(self) -> Cell:
        """A cell, for the settings that all have in common."""
        return (self.rows or self.unfinished)[0].cell

    @property
    def base(self) -> str:
        return self.cell.base

    def differences(self, other: "Group") -> list[str]:
        """The settings that make two bases incomparable, with both values; empty if they are comparable."""
        mine, theirs = (
            {**flat(group.cell), "accelerator": accelerator((group.rows or group.unfinished)[0].results[0])}
            for group in (self, other)
        )
        return [f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    def tested(self, tests: Tests) -> list[Row]:
        return [row for row in self.rows if row.cell.tests == tests and row.cell.usual]

    def trained_with_noise(self) -> list[Row]:
        return [row for row in self.rows if row.cell.tests == "robustness" and row.cell.finetune.noise_share]

    def of_all_languages(self) -> list[Row]:
        """Models that are fine-tuned on all languages at once."""
        return [row for row in self.rows if len(row.cell.languages) > 1]

    def int8_settings(self) -> list[Row]:
        """LLM.int8() with the usual settings and with others, if others were run."""
        rows = [row for row in self.rows if row.cell.variant == "int8" and row.cell.tests == "own"]
        return rows if len(rows) > 1 else []

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


def accelerator(result: CellResult) -> str:
    return result.machine.accelerator or "none"


def flat(cell: Cell) -> dict[str, object]:
    """The settings in ``ALIKE`` as a flat dict, with those of fine-tuning but for noise, which has its own rows."""
    settings = cell.model_dump(include=set(ALIKE))
    finetune = settings.pop("finetune")
    del finetune["noise_share"]
    return {**finetune, **settings}


def groups_of(
    results: Iterable[CellResult],
    base: str | None = None,
    equal: Sequence[Sequence[str]] = (),
    recipes: Mapping[str, str] | None = None,
) -> list[Group]:
    """Group the results by base: ``base`` first, then those with the most rows.

    Differences between models made by different code may be the code's, so only results of the code that made most of
    a group are kept. ``equal`` has sets of code digests that give the same scores, ``recipes`` how bases were made, by
    digest: those of one name and recipe are the same base.

    Raises ``BuildError`` if there are no results of ``base``, and ``ResultError`` if results under one data name were
    computed on different data.
    """
    results = list(results)
    refuse_mixed_data(results)
    by_base: dict[str, list[CellResult]] = defaultdict(list)
    for result in results:
        digest = result.cell.base_digest
        recipe = (recipes or {}).get(digest, digest)
        # A GPU trains in bfloat16, so its models are not compared with those of a CPU.
        alike = {"base": result.cell.base, "recipe": recipe, "accelerator": accelerator(result), **flat(result.cell)}
        by_base[json.dumps(alike, sort_keys=True)].append(result)
    groups = sorted(
        (group_of(some, equal) for some in by_base.values()),
        key=lambda group: (group.base != base, -len(group.rows)),
    )
    if base is not None and groups[0].base != base:
        known = ", ".join(sorted({group.base for group in groups}))
        raise BuildError(f"There are no results of --base {base}. Choose from: {known}")
    return groups


def group_of(results: Sequence[CellResult], equal: Sequence[Sequence[str]]) -> Group:
    """The group of a base: results of the code that made most of them and, for each seed, of one make of the base.

    Differences are paired by language and seed, and both of a pair are to be of the same base.
    """
    alike: dict[str, str] = {}
    for codes in filter(None, equal):
        # Sets that share a code are one.
        same = {alike.get(code, code) for code in codes}
        alike = {code: min(same) if one in same else one for code, one in alike.items()}
        alike |= dict.fromkeys(codes, min(same))
    main = most(alike.get(result.code, result.code) for result in results)
    kept, other_code = parted(results, lambda result: alike.get(result.code, result.code) == main)
    makes = makes_of_seeds(kept)
    kept, other_makes = parted(kept, lambda result: result.cell.base_digest == makes[result.cell.seed])
    return replace(split(rows_of(kept)), other_code=other_code, other_makes=other_makes)


def makes_of_seeds(results: Iterable[CellResult]) -> dict[int, str]:
    """The digest of the base that each seed's results are of: with most results of dense, or else with most results.

    Every difference needs dense.
    """
    counts: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for cell in (result.cell for result in results):
        count = counts[cell.seed][cell.base_digest]
        count[0] -= cell.variant == "dense" and cell.usual
        count[1] -= 1
    return {seed: min(makes, key=lambda digest: (makes[digest], digest)) for seed, makes in counts.items()}


def most(values: Iterable[str]) -> str:
    """The commonest value; of two with equal counts, the same one each time."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def parted(
    results: Sequence[CellResult], keep: Callable[[CellResult], bool]
) -> tuple[list[CellResult], list[CellResult]]:
    """The results to keep, and the others."""
    return [result for result in results if keep(result)], [result for result in results if not keep(result)]


def split(rows: Sequence[Row]) -> Group:
    """Split rows into finished and unfinished seeds.

    A seed is finished if both the row and the dense row have it in every language of the dense row, because averages
    over different languages are not comparable. Rows may have different seeds: differences use those they share.
    """
    dense = {row.cell.tests: row for row in rows if row.cell.variant == "dense" and row.cell.usual}
    finished: list[Row] = []
    unfinished: list[Row] = []
    for row in rows:
        reference = dense.get(row.cell.tests, row)
        seeds = whole_seeds(row, reference.languages) & whole_seeds(reference, reference.languages)
        kept = [
            result
            for result in row.results
            if result.cell.seed in seeds and set(result.cell.languages) <= set(reference.languages)
        ]
        rest = [result for result in row.results if result not in kept]
        finished += [Row(kept)] if kept else []
        unfinished += [Row(rest)] if rest else []
    return Group(finished, unfinished)


def whole_seeds(row: Row, languages: Sequence[str]) -> set[int]:
    """The seeds for which the row has a result in each of the languages."""
    pairs = row.scores().keys()
    return {seed for seed in row.seeds if all((language, seed) in pairs for language in languages)}
