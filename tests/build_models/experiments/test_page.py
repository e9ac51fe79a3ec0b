"""Figures, verdicts and the page, from results made up for the test."""

import json
import math
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from build_models.errors import BuildError
from build_models.experiments.cells import Cell
from build_models.experiments.report.figures import Row, compare, over_languages, pareto_front, percent_above, rows_of
from build_models.experiments.report.groups import groups_of
from build_models.experiments.report.inference import estimate
from build_models.experiments.report.page import write_page
from build_models.experiments.report.verdicts import Verdict, verdicts
from build_models.experiments.results import (
    CellResult,
    Command,
    Machine,
    ResultError,
    keep_command,
    record_path,
    write_result,
)
from build_models.settings import FinetuneSettings
from service.artifacts.manifest import Scores
from tests import ROOT

PAIRS = list(product(("hau", "swa"), (1, 2)))


def result(f1: float, language: str, seed: int, megabytes: float = 8.0, **settings: Any) -> CellResult:
    cell = Cell(
        **{
            "variant": "dense",
            "base": "mini",
            "base_digest": "b",
            "data": "masakhaner",
            "data_digest": language,
            "language": language,
            "seed": seed,
            "finetune": FinetuneSettings(epochs=2, learning_rate=1e-3, hidden_share=0.0),
            **settings,
        }
    )
    score = Scores(f1=f1, precision=f1, recall=f1, sentences=9, entities=9, languages={language: f1})
    names = {"own": ["test, unseen"], "crosslingual": ["fon", "bam", "zho"], "robustness": ["typos"]}[cell.tests]
    return CellResult(
        cell=cell,
        scores=dict.fromkeys(["dev", "test", *names], score),
        artifact_bytes=int(megabytes * 1e6),
        parameters=1000,
        nonzero_parameters=900,
        seconds_per_text=0.002,
        seconds=3.0,
        machine=Machine(cpu="AMD EPYC", cores=2, libraries={"torch": "2.13.0"}),
        code="c",
    )


def technique(f1: float, megabytes: float = 8.0, **settings: Any) -> Iterator[CellResult]:
    """A cell for each language and seed; seeds differ by a fifth of a point, languages by ten points."""
    for language, seed in PAIRS:
        yield result(f1 + (language == "swa") * 0.1 + seed * 0.002, language, seed, megabytes, **settings)


def study() -> list[CellResult]:
    return [
        *technique(0.60),
        *technique(0.595, 7.0, variant="pruned", sparsity=0.5),
        *technique(0.592, 6.0, variant="pruned", sparsity=0.6),
        *technique(0.55, 5.0, variant="pruned", sparsity=0.8),
        *technique(0.592, 7.0, variant="pruned", sparsity=0.5, prune_after=True),
        *technique(0.30, 5.0, variant="pruned", sparsity=0.8, prune_after=True),
        *technique(0.599, 4.0, variant="int8"),
        *technique(0.602, 3.0, variant="dynamic"),
        *technique(0.50, variant="dense", tests="crosslingual"),
    ]


def test_an_interval_by_student_s_t() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    # t(2) = 4.303, standard deviation 1.
    assert found.high - found.mean == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert estimate([5.0]).low == -math.inf


def test_an_interval_is_over_languages_however_many_seeds_there_are() -> None:
    few = over_languages({("hau", 1): 1.0, ("swa", 1): 3.0, ("pcm", 1): 2.0})
    values = {"hau": 1.0, "swa": 3.0, "pcm": 2.0}
    many = over_languages({(name, seed): value for name, value in values.items() for seed in range(9)})
    assert few == many == estimate([1.0, 3.0, 2.0])
    lopsided = over_languages({("hau", 1): 0.0, ("hau", 2): 2.0, ("swa", 1): 3.0})
    assert (lopsided.mean, lopsided.number) == (2.0, 2), "each language weighs the same"
    assert over_languages({("hau", 1): 1.0, ("hau", 2): 1.1}).low == -math.inf, "one language, no interval"


def test_a_share_of_nothing_is_left_out() -> None:
    dense = {("hau", 1): 50.0, ("swa", 1): 0.0, ("yor", 1): 40.0}
    change = compare({pair: 0.9 * f1 for pair, f1 in dense.items()}, dense, percent_above)
    assert change is not None
    assert (round(change.mean, 6), change.number) == (-10.0, 2)
    assert compare({("hau", 1): 1.0}, {("hau", 1): 0.0}, percent_above) is None


def test_differences_are_taken_pair_by_pair() -> None:
    rows = {row.cell.variant: row for row in rows_of([*technique(0.6), *technique(0.59, variant="int8")])}
    difference = rows["int8"].difference(rows["dense"])
    assert difference is not None
    assert difference.mean == pytest.approx(-1.0)
    assert difference.high - difference.low == pytest.approx(0.0, abs=1e-9), "what languages and seeds add falls out"
    # Averages over languages 65.2 and 65.4.
    assert rows["dense"].deviation() == pytest.approx(0.2 / math.sqrt(2))


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    rows = rows_of(study()[:-4])
    assert [row.cell.variant for row in pareto_front(rows)] == ["dynamic"]
    assert pareto_front([row for row in rows if row.cell.variant in ("dense", "int8")])[0].cell.variant == "int8"


def test_the_front_is_by_paired_differences() -> None:
    """A bad seed that only dense has does not put it behind."""
    bad = [result(0.1, language, 3) for language in ("hau", "swa")]
    rows = rows_of([*technique(0.60), *bad, *technique(0.595, 4.0, variant="int8")])
    dense = next(row for row in rows if row.cell.variant == "dense")
    assert [row.cell.variant for row in pareto_front(rows, dense)] == ["int8", "dense"]


def judged(results: list[CellResult]) -> list[Verdict]:
    return verdicts(groups_of(results))


def word(results: list[CellResult], claim: str) -> str:
    """The verdict on the claim that begins so."""
    (found,) = [verdict.verdict for verdict in judged(results) if verdict.claim.startswith(claim)]
    return found


def test_verdicts_follow_the_numbers() -> None:
    assert word(study(), "Magnitude pruning before") == "confirmed"
    assert word(study(), "Pruning after") == "confirmed"
    assert word(study(), "From 70%") == "confirmed"
    assert word(study(), "LLM.int8() has a higher") == "refuted"
    worse = [entry for entry in study() if entry.cell.sparsity != 0.6]
    worse += technique(0.5, variant="pruned", sparsity=0.6)
    assert word(worse, "Magnitude pruning before") == "refuted"
    assert {verdict.verdict for verdict in judged([*technique(0.6)])} == {"open"}


def test_without_an_interval_all_is_open() -> None:
    results = [*study(), *technique(0.3, variant="distilled", temperature=2.0)]
    hausa = [entry for entry in results if entry.cell.language == "hau"]
    assert {verdict.verdict for verdict in judged(hausa)} == {"open"}


def test_a_verdict_for_other_seeds_needs_several_and_may_differ() -> None:
    one = [entry for entry in study() if entry.cell.seed == 1]
    assert {verdict.other_seeds for verdict in judged(one)} == {""}
    luck = [
        result(0.61 + (language == "swa") * 0.1 + seed * 0.006, language, seed, variant="int8")
        for language, seed in PAIRS
    ]
    for results, other in (
        ([*technique(0.6), *technique(0.62, variant="int8")], "confirmed"),
        ([*technique(0.6), *luck], "open"),
    ):
        (found,) = [
            verdict
            for verdict in judged([*results, *technique(0.6, variant="dynamic")])
            if verdict.claim.startswith("LLM.int8() has a higher")
        ]
        assert (found.verdict, found.other_seeds) == ("confirmed", other)


def test_size_time_and_f1_of_int8_are_judged_apart() -> None:
    results = [*technique(0.6), *technique(0.599, 2.9, variant="int8")]
    assert word(results, "LLM.int8() is about 64% smaller") == "confirmed"
    assert word(results, "LLM.int8() takes about 52% less time") == "refuted"
    assert word(results, "LLM.int8() loses about 4.7%") == "refuted"


def students(share: float, parameters: int, teacher: float = 0.6, **settings: Any) -> Iterator[CellResult]:
    """With a share of the F1 of dense."""
    for entry in technique(teacher):
        made = result(
            share * entry.scores["test"].f1,
            entry.cell.language,
            entry.cell.seed,
            variant="distilled",
            temperature=2.0,
            student_layers=parameters,
            **settings,
        )
        yield made.model_copy(update={"parameters": parameters})


def test_a_student_as_large_as_its_teacher_confirms_nothing() -> None:
    same_size = [*technique(0.6), *students(1.0, 1000)]
    assert word(same_size, "A student has 22 to 31%") == "refuted"
    assert word(same_size, "The best student") == word(same_size, "No student") == "open"
    smaller = [*same_size, *students(0.99, 750), *students(0.9, 740)]
    assert word(smaller, "A student has 22 to 31%") == "confirmed"
    assert word(smaller, "The best student") == "confirmed"
    assert word(smaller, "No student") == "refuted"


def test_a_student_of_another_teacher_counts_against_that_teacher() -> None:
    large: dict[str, Any] = {"base": "large", "base_digest": "l"}
    teacher = [entry.model_copy(update={"parameters": 2000}) for entry in technique(0.9, **large)]
    results = [*technique(0.6), *students(1.0, 1000), *teacher, *students(0.8, 1500, teacher=0.9, **large)]
    assert word(results, "A student has 22 to 31%") == "confirmed"
    # It is better than the smaller teacher, and a fifth worse than its own.
    assert word(results, "The best student") == word(results, "No student") == "refuted"


def test_two_teachers_are_compared_by_their_best_students() -> None:
    large: dict[str, Any] = {"base": "large", "base_digest": "l"}
    results = [*technique(0.60), *technique(0.59, variant="distilled", temperature=2.0)]
    taught = [*technique(0.66, **large), *technique(0.62, variant="distilled", temperature=2.0, **large)]
    results += [entry.model_copy(update={"parameters": 2000}) for entry in taught]
    assert word(results, "The largest teacher") == "confirmed"
    # Of two languages, one interval is wide: what is retained differs between them.
    (kept,) = [verdict for verdict in judged(results) if verdict.claim.startswith("The student of the smallest")]
    assert kept.here.startswith("retained from `mini` minus from `large`: +4.1%")
    one_size = [entry for entry in results if entry.cell.base == "mini"]
    assert word(one_size, "The largest teacher") == word(one_size, "The student of the smallest") == "open"


def test_the_best_student_is_chosen_on_dev() -> None:
    lucky = [
        entry.model_copy(update={"scores": {**entry.scores, "dev": result(0.1, "hau", 1).scores["dev"]}})
        for entry in students(0.999, 740)
    ]
    results = [*technique(0.6), *students(0.9, 750), *lucky]
    assert word(results, "The best student") == "refuted"


def test_the_best_student_is_chosen_by_the_seeds_that_all_have() -> None:
    def on_dev(entry: CellResult, f1: float) -> CellResult:
        dev = result(f1, entry.cell.language, entry.cell.seed).scores["dev"]
        return entry.model_copy(update={"scores": {**entry.scores, "dev": dev}})

    # Seed 1 is a good one on dev, where the first is better; the second, which is worse on test, has no other.
    first = [on_dev(entry, 0.8 if entry.cell.seed == 1 else 0.1) for entry in students(0.999, 750)]
    second = [on_dev(entry, 0.7) for entry in students(0.9, 740) if entry.cell.seed == 1]
    assert word([*technique(0.6), *first, *second], "The best student") == "confirmed"


def test_sparsities_of_unseen_languages_are_judged_apart() -> None:
    results = [
        *technique(0.5, tests="crosslingual"),
        *technique(0.5, variant="pruned", sparsity=0.5, tests="crosslingual"),
        *technique(0.5, variant="pruned", sparsity=0.7, tests="crosslingual"),
        *technique(0.6),
    ]
    assert word(results, "Languages without fine-tuning: pruned 50%") == "confirmed"
    assert word(results, "Languages without fine-tuning: pruned 70%") == "refuted", "it is no lower"
    assert word(results, "Languages without fine-tuning: dense") == "open", "50 and 60, so the interval is wide"
    nothing = [entry for entry in results if entry.cell.tests == "own"]
    nothing += technique(-0.05, tests="crosslingual")
    assert word(nothing, "Languages without fine-tuning: pruned 50%") == "open"


def write(folder: Path, results: list[CellResult], base: str | None = None) -> Path:
    (folder / "cells").mkdir()
    for entry in results:
        write_result(folder / "cells", entry)
    return write_page(folder, base)


def test_the_page(tmp_path: Path) -> None:
    page = write(tmp_path, study()).read_text(encoding="utf-8")
    assert "| pruned 60% before | 64.5 ± 0.1 | -0.8 [-0.8, -0.8] |" in page
    assert "**refuted**" in page
    for plot in ("pruning", "size"):
        assert f"({plot}.svg)" in page
        assert (tmp_path / f"{plot}.svg").stat().st_size > 1000


def test_what_is_not_finished_is_left_out_and_named(tmp_path: Path) -> None:
    hausa_twice_and_swahili_once = list(technique(0.99, 1.0, variant="pruned", sparsity=0.9))[:3]
    hausa_once = list(technique(0.99, 1.0, variant="pruned", sparsity=0.95))[:1]
    page = write(tmp_path, [*study(), *hausa_twice_and_swahili_once, *hausa_once]).read_text(encoding="utf-8")
    assert "left out: pruned 90% before, own (1 cells); pruned 95% before, own (1 cells)" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| pruned 90% before |")]
    assert row.endswith("| 2 |")
    assert "| pruned 95% before |" not in page


def test_more_seeds_of_one_grid_leave_the_rows_of_others_in_place(tmp_path: Path) -> None:
    more = [result(0.9, language, 3) for language in ("hau", "swa")]
    page = write(tmp_path, [*study(), *more, result(0.9, "hau", 4)]).read_text(encoding="utf-8")
    (dense, *_) = [line for line in page.splitlines() if line.startswith("| dense |")]
    assert dense.endswith("| 6 |")
    assert "left out: dense, own (1 cells)." in page
    (pruned,) = [line for line in page.splitlines() if line.startswith("| pruned 60% before |")]
    assert "| -0.8 [-0.8, -0.8] |" in pruned, "over the seeds that both have"
    assert pruned.endswith("| 4 |")


def test_nothing_finished_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="No seed of base mini"):
        write(tmp_path, [result(0.5, "hau", 1), result(0.5, "swa", 2)])


def test_bases_are_compared_only_if_fine_tuned_alike(tmp_path: Path) -> None:
    longer = FinetuneSettings(epochs=20, learning_rate=1e-3, hidden_share=0.0)
    alike = technique(0.5, base="start", base_digest="s")
    page = write(tmp_path, [*study(), *alike, *technique(0.7, base="long", base_digest="l", finetune=longer)])
    text = page.read_text(encoding="utf-8")
    assert "Base `long` is not comparable with `mini`: epochs 20 and 2." in text
    assert "the base `mini` is better than `start`" in text
    assert "better than `long`" not in text
    assert "| long, 20 epochs" not in text


def test_a_base_is_worth_more_than_itself_without_pretraining_and_not_than_another_model(tmp_path: Path) -> None:
    wider = [some.model_copy(update={"parameters": 2000}) for some in technique(0.5, base="wide", base_digest="w")]
    text = write(tmp_path, [*study(), *technique(0.5, base="start", base_digest="s"), *wider]).read_text("utf-8")
    assert "the base `mini` is better than `start`" in text
    assert "better than `wide`" not in text


def test_the_base_that_is_judged_may_be_chosen(tmp_path: Path) -> None:
    results = [*study(), *technique(0.5, base="start", base_digest="s")]
    assert "Verdicts (base `mini`)" in write(tmp_path, results).read_text(encoding="utf-8")
    assert "Verdicts (base `start`)" in write_page(tmp_path, "start").read_text(encoding="utf-8")
    with pytest.raises(BuildError, match=r"no results of --base none\. Choose from: mini, start"):
        write_page(tmp_path, "none")


def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    write(tmp_path, study())
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    write_page(tmp_path)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("results", "study-base"),
        ("results/first-grid", "study-base"),
        ("results/three-languages", "mini"),
        ("results/pretraining", "study-0"),
    ],
)
def test_the_pages_of_the_project_are_as_their_results_make_them(name: str, base: str, tmp_path: Path) -> None:
    kept = ROOT / "docs" / name
    for part in ("cells", "bases", "commands", "languages", "codes.json"):
        source = kept / part
        if source.is_dir():
            shutil.copytree(source, tmp_path / part)
        elif source.exists():
            shutil.copy(source, tmp_path)
    write_page(tmp_path, base)
    made, there = ([path for path in folder.iterdir() if path.suffix in (".md", ".svg")] for folder in (tmp_path, kept))
    assert {path.name for path in made} == {path.name for path in there}
    for path in made:
        assert path.read_bytes() == (kept / path.name).read_bytes(), path.name


def test_no_results_and_damaged_results_are_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="has no results"):
        write_page(tmp_path)
    write(tmp_path, study())
    path = next((tmp_path / "cells").glob("*.json"))
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")
    with pytest.raises(ResultError, match=path.name):
        write_page(tmp_path)


def test_the_commands_are_those_that_were_run(tmp_path: Path) -> None:
    commands = [
        Command(command="python -m build_models experiments pruning --base mini", bases={"mini": "0123456789abcdef"}),
        Command(command="python -m build_models experiments int8 --base mini", bases={"mini": "fedcba9876543210"}),
    ]
    for command in [*commands, commands[0]]:
        keep_command(tmp_path / "commands", command)
    page = write(tmp_path, study()).read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if "experiments" in line and line.startswith("- ")] == [
        "- `mini` (fedcba987654): `python -m build_models experiments int8 --base mini`",
        "- `mini` (0123456789ab): `python -m build_models experiments pruning --base mini`",
    ]
    (path, _) = (tmp_path / "commands").iterdir()
    path.write_text(path.read_text(encoding="utf-8")[:20], encoding="utf-8")
    with pytest.raises(ResultError, match=rf"{path.name} is damaged: delete it and run the command again"):
        write_page(tmp_path)


def test_results_of_different_data_are_not_merged(tmp_path: Path) -> None:
    old, new = result(0.5, "hau", 1), result(0.6, "hau", 2, data_digest="changed")
    with pytest.raises(ResultError, match="used different data") as refused:
        write(tmp_path, [*technique(0.6, variant="int8"), old, new])
    assert new.cell.digest in str(refused.value)
    named = [path for path in (tmp_path / "cells").iterdir() if f"cells/{path.name}" in str(refused.value)]
    assert len(named) == 2
    groups_of([old, result(0.6, "hau", 2, data="another", data_digest="changed")])


def test_results_of_other_code_are_named_and_left_out(tmp_path: Path) -> None:
    old = [entry.model_copy(update={"code": "old"}) for entry in technique(0.9, variant="pruned", sparsity=0.7)]
    page = write(tmp_path, [*study(), *old]).read_text(encoding="utf-8")
    assert "| pruned 70% before |" not in page
    assert "Of other code (old) than the rest of base `mini` and left out: " in page
    assert all(f"cells/{entry.cell.digest}.json" in page for entry in old)
    (tmp_path / "codes.json").write_text('[["c", "old"]]', encoding="utf-8")
    assert "| pruned 70% before |" in write_page(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "codes.json").write_text('{"c": "old"}', encoding="utf-8")
    with pytest.raises(ResultError, match=r"codes\.json is no list"):
        write_page(tmp_path)


def pretrained(folder: Path, digest: str, steps: int = 900, seconds: float = 70.0) -> None:
    """Write the record of a make of the base ``mini``."""
    (folder / "bases").mkdir(exist_ok=True)
    (kept,) = (ROOT / "docs" / "results" / "first-grid" / "bases").glob("study-base-*.json")
    record = json.loads(kept.read_text(encoding="utf-8"))
    record["settings"]["steps"], record["seconds"] = steps, seconds
    record_path(folder / "bases", "mini", digest).write_text(json.dumps(record), encoding="utf-8")


def in_rows(page: Path, name: str) -> list[str]:
    return [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name} |")]


def test_a_base_that_was_made_again_by_the_same_recipe_adds_seeds(tmp_path: Path) -> None:
    again: dict[str, Any] = {"base_digest": "again"}
    more = [result(0.7, language, 3, **again) for language in ("hau", "swa")]
    more += [result(0.6, language, 3, variant="pruned", sparsity=0.6, **again) for language in ("hau", "swa")]
    groups = groups_of([*study(), *more])
    assert len(groups) == 2, "without a record they are two bases"
    same = {"b": "recipe", "again": "recipe"}
    (group,) = groups_of([*study(), *more], recipes=same)
    pruned, dense = group.pruned(0.6, after=False), group.dense()
    assert pruned is not None
    assert dense is not None
    assert dense.seeds == [1, 2, 3]
    difference = pruned.difference(dense)
    assert difference is not None
    assert difference.mean == pytest.approx(-(0.8 + 0.8 + 10) / 3)
    pretrained(tmp_path, "b")
    pretrained(tmp_path, "again", seconds=90.0)
    page = write(tmp_path, [*study(), *more])
    assert in_rows(page, "dense")[0].endswith("| 6 |")
    text = page.read_text(encoding="utf-8")
    assert "base `mini` (b)" in text
    assert "base `mini` (again)" in text
    pretrained(tmp_path, "again", steps=800)
    assert "Of base" not in text
    assert in_rows(write_page(tmp_path), "dense")[0].endswith("| 4 |"), "another recipe makes another base"


def test_a_seed_has_results_of_one_make_of_its_base(tmp_path: Path) -> None:
    """That with the most dense models, even if more was run with the other."""
    pretrained(tmp_path, "b")
    pretrained(tmp_path, "again")
    strays = [
        result(0.99, "hau", 1, variant="pruned", sparsity=number / 100, base_digest="again") for number in range(60, 80)
    ]
    page = write(tmp_path, [*study(), *strays])
    (left_out,) = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("Left out")]
    assert left_out.startswith("Left out, because their seed has results of another make of base `mini`: cells/")
    assert all(f"cells/{stray.cell.digest}.json" in left_out for stray in strays)
    assert [line.split("|")[2:4] + line.split("|")[-2:] for line in in_rows(page, "pruned 60% before")] == [
        [" 64.5 ± 0.1 ", " -0.8 [-0.8, -0.8] ", " 4 ", ""]
    ]
    assert not in_rows(page, "pruned 61% before")


def test_what_languages_have_is_taken_from_any_make_of_the_base(tmp_path: Path) -> None:
    languages = ("hau", "swa", "ibo", "yor")
    makes = ((1, "b"), (2, "again"))
    pruned: list[dict[str, Any]] = [{"variant": "pruned", "sparsity": sparsity} for sparsity in (0.6, 0.7)]
    results = [
        result(0.6, language, seed, base_digest=digest, **settings)
        for language, (seed, digest), settings in product(languages, makes, [{}, *pruned])
    ]
    pretrained(tmp_path, "b")
    pretrained(tmp_path, "again")
    (tmp_path / "languages").mkdir()
    facts = {language: {"pieces_per_word": 1.5, "sentences": 9, "latin": 1} for language in languages}
    (tmp_path / "languages" / "mini-b.json").write_text(json.dumps(facts), encoding="utf-8")
    assert "| pieces per word |" in write(tmp_path, results).read_text(encoding="utf-8")


def test_two_bases_of_a_name_are_said(tmp_path: Path) -> None:
    pretrained(tmp_path, "b")
    page = write(tmp_path, [*study(), *technique(0.5, base_digest="again")]).read_text(encoding="utf-8")
    assert "2 bases are named `mini`: their recipes differ, or a record in `bases/` is missing." in page


def test_a_damaged_record_of_pretraining_is_named(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    record_path(tmp_path / "bases", "mini", "b").write_text('{"settings": {}, "corpus"', encoding="utf-8")
    with pytest.raises(ResultError, match=r"mini-b\.json is damaged .*copy the base's pretraining\.json there again"):
        write(tmp_path, study())


def test_rows_know_their_techniques() -> None:
    (row,) = rows_of(
        [*technique(0.5, variant="distilled", temperature=3.0, student_layers=2, student_heads=2, agnostic_steps=5)]
    )
    assert isinstance(row, Row)
    assert row.cell.technique == "distilled, task-agnostic, T 3, 2 layers, 2 heads"


def test_a_test_set_that_some_cells_lack_has_a_dash(tmp_path: Path) -> None:
    """A grid may go on where the files of a language are missing."""
    tested = technique(0.5, tests="crosslingual")
    more = [some.model_copy(update={"scores": {**some.scores, "eng": some.scores["dev"]}}) for some in tested]
    pruned_cells = technique(0.4, variant="pruned", sparsity=0.7, tests="crosslingual")
    page = write(tmp_path, [*study(), *more, *pruned_cells]).read_text(encoding="utf-8")
    (header, *_, pruned) = (
        [cell.strip() for cell in line.split("|")]
        for line in page.split("## Languages without fine-tuning (base")[1].split("!")[0].splitlines()
        if line.startswith("|")
    )
    assert pruned[header.index("eng")] == "–"
    assert pruned[header.index("fon")].startswith("45.3")


def test_sets_of_equal_codes_that_share_one_are_a_set() -> None:
    results = [some.model_copy(update={"code": code}) for code, some in zip("abcd", technique(0.6), strict=True)]
    (group,) = groups_of(results, equal=[["a", "b"], ["c", "d"], ["d", "b"]])
    assert not group.other_code
    (group,) = groups_of(results, equal=[["a", "b"], ["d", "b"]])
    assert [result.code for result in group.other_code] == ["c"]


def test_models_of_a_gpu_are_not_compared_with_those_of_a_cpu() -> None:
    gpu = [
        some.model_copy(update={"machine": some.machine.model_copy(update={"accelerator": "NVIDIA H200"})})
        for some in technique(0.5, variant="pruned", sparsity=0.7)
    ]
    first, second = groups_of([*technique(0.6), *gpu])
    assert {len(group.rows) for group in (first, second)} == {1}
    assert any(text.startswith("accelerator ") for text in second.differences(first))
