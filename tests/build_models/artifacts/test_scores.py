from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from build_models.artifacts import scores
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline


def test_pipelines_take_turns_and_the_slower_one_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    now = 0.0

    def label(pipeline: object, sentences: Sequence[Sequence[str]]) -> Iterator[list[str]]:
        nonlocal now
        for words in sentences:
            turns.append(f"{pipeline} {words[0]}")
            now += 0.5 if pipeline == "slow" else 0.25
            yield ["O"]

    monkeypatch.setattr(scores, "label_sentences", label)
    monkeypatch.setattr("build_models.artifacts.scores.time.perf_counter", lambda: now)
    sentences = [Sentence("hau", [word], ["O"]) for word in "abc"]
    pipelines = cast("list[Pipeline]", ["fast", "slow"])
    assert scores.seconds_side_by_side(pipelines, sentences) == [0.25, 0.5]
    warm_up, measured = turns[:6], turns[6:]
    assert warm_up == ["fast a", "fast b", "fast c", "slow a", "slow b", "slow c"]
    assert measured == ["fast a", "slow a", "fast b", "slow b", "fast c", "slow c"]
