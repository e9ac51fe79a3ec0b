from typing import Any

import pytest

from service.artifacts.manifest import Manifest, Scores
from service.artifacts.pool import Slot
from service.artifacts.warm_up import WARM_UP_TEXT
from service.errors import ImpossibleWish, VariantNotReady
from service.inference.choice import FEWEST, FRESH_SECONDS, KEPT, LENGTHS, Latencies, choose
from service.schemas.ner import Wish
from service.variants import VARIANTS


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def slot(name: str, f1: float | None, warm_up_ms: float, status: Any = "ready") -> Slot:
    scores = f1 is not None and Scores(f1=f1, precision=f1, recall=f1, sentences=1, entities=1, languages={})
    manifest = Manifest.model_construct(metrics={"test": scores} if scores else {})
    return Slot(VARIANTS[name], status, manifest=manifest, warm_up_seconds=warm_up_ms / 1000)


SLOTS = [slot("dense", 0.90, 20), slot("pruned", 0.88, 20), slot("distilled", 0.80, 5), slot("dynamic", 0.89, 10)]
CHARACTERS = len(WARM_UP_TEXT)


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        (Wish(), "dense"),
        (Wish(max_latency_ms=100), "dense"),
        (Wish(max_latency_ms=12), "dynamic"),
        (Wish(max_latency_ms=6), "distilled"),
        (Wish(min_f1=0.85), "dynamic"),
        (Wish(min_f1=0.1), "distilled"),
        (Wish(min_f1=0.895), "dense"),
        (Wish(min_f1=0.85, max_latency_ms=30), "dense"),
    ],
)
def test_the_best_that_fits(wish: Wish, name: str) -> None:
    chosen, choice = choose(wish, CHARACTERS, SLOTS, Latencies())
    assert chosen == name
    assert choice.reason.startswith(f"{name} ")
    assert (choice.wish, choice.characters) == (wish, CHARACTERS)
    assert [variant.variant for variant in choice.considered] == [slot.variant.name for slot in SLOTS]
    assert {variant.measured for variant in choice.considered} == {"warm-up"}


@pytest.mark.parametrize(
    ("wish", "nearest"),
    [
        (Wish(max_latency_ms=1), "distilled"),
        (Wish(min_f1=0.99), "dense"),
        (Wish(min_f1=0.895, max_latency_ms=9.6), "dynamic"),
    ],
)
def test_an_impossible_wish_names_the_nearest(wish: Wish, nearest: str) -> None:
    with pytest.raises(ImpossibleWish, match=f"The nearest is {nearest}") as refusal:
        choose(wish, CHARACTERS, SLOTS, Latencies())
    assert refusal.value.details["nearest"]["variant"] == nearest
    assert not any(variant["fits"] for variant in refusal.value.details["considered"])


def test_without_labels_no_f1_is_made_up() -> None:
    slots = [slot("dense", None, 20), slot("dynamic", None, 10)]
    name, choice = choose(Wish(max_latency_ms=30), CHARACTERS, slots, Latencies())
    assert name == "dynamic"
    assert choice.reason.startswith("dynamic is the fastest, as no F1 was measured, of the 2 of 2 ready variants")
    assert [variant.f1 for variant in choice.considered] == [None, None]
    with pytest.raises(ImpossibleWish, match="The nearest is dense: F1 not measured in 20 ms"):
        choose(Wish(min_f1=0.1), CHARACTERS, slots, Latencies())
    assert choose(Wish(), CHARACTERS, [*slots, slot("pruned", 0.0, 30)], Latencies())[0] == "pruned"


def test_only_ready_variants_are_considered() -> None:
    slots = [slot("dense", 0.9, 1, "failed"), slot("dynamic", 0.8, 2)]
    assert choose(Wish(), 10, slots, Latencies())[0] == "dynamic"
    with pytest.raises(VariantNotReady):
        choose(Wish(), 10, slots[:1], Latencies())


def test_longer_texts_take_longer_in_the_estimate() -> None:
    assert choose(Wish(max_latency_ms=60), CHARACTERS, SLOTS, Latencies())[0] == "dense"
    assert choose(Wish(max_latency_ms=60), 5 * CHARACTERS, SLOTS, Latencies())[0] == "dynamic"


def test_what_was_measured_lately_goes_before_the_warm_up() -> None:
    latencies = Latencies()
    for _ in range(FEWEST):
        latencies.observe("dynamic", CHARACTERS, 0.5)
    name, choice = choose(Wish(max_latency_ms=12), CHARACTERS, SLOTS, latencies)
    assert name == "distilled"
    dynamic = choice.considered[-1]
    assert (dynamic.measured, dynamic.answers, dynamic.fits) == ("live", FEWEST, False)
    assert dynamic.latency_ms == pytest.approx(500)


def test_the_95th_percentile_of_the_last_answers() -> None:
    latencies = Latencies()
    for number in range(KEPT + 50):
        latencies.observe("dense", 50, number / 1000)
    p95, answers = latencies.p95_ms("dense", 50)
    assert answers == KEPT
    assert p95 == pytest.approx(50 + 0.95 * (KEPT - 1))


def test_lengths_and_variants_are_measured_apart() -> None:
    latencies = Latencies()
    for _ in range(FEWEST):
        latencies.observe("dense", LENGTHS[0], 0.1)
    assert latencies.p95_ms("dense", 1) == (pytest.approx(100), FEWEST)
    assert latencies.p95_ms("dense", LENGTHS[0] + 1) == (None, 0)
    assert latencies.p95_ms("dense", 10**9) == (None, 0)
    assert latencies.p95_ms("dynamic", 1) == (None, 0)


def test_old_times_are_forgotten() -> None:
    clock = Clock()
    latencies = Latencies(clock)
    for _ in range(FEWEST):
        latencies.observe("dense", 10, 9.0)
    clock.time += FRESH_SECONDS + 1
    assert latencies.p95_ms("dense", 10) == (None, 0)
