from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from service.evaluation.sentences import KnownWords, label_group
from service.ner.encoder import Encoder
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer
from tests.service.ner.test_pipeline import LABELS, RuleRuntime

WORDS = [
    "Muhammadu",
    "Buhari",
    "ya",
    "isa",
    "Kano",
    "20",
    "አዲስ",
    "Bọ́lá",
    "\u200b",
    "",
    "<mask>",
    "two words",
    "ya" * 90,
]
groups = st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), min_size=1, max_size=25), min_size=1)


@pytest.fixture(scope="module")
def pipeline(toy_tokenizer: Tokenizer) -> Pipeline:
    return Pipeline(RuleRuntime(toy_tokenizer), Encoder(toy_tokenizer, 24, 6), LABELS)


def labels_of(pipeline: Pipeline, sentences: list[list[str]], known: KnownWords | None = None) -> list[str]:
    steps = label_group(pipeline, sentences, Timer(), known or KnownWords(pipeline.encoder))
    return [LABELS[place] for place in run_to_end(steps)]


@settings(max_examples=150, deadline=None)
@given(groups)
def test_a_group_gets_the_labels_that_each_sentence_gets_alone(pipeline: Pipeline, sentences: list[list[str]]) -> None:
    alone = [label for words in sentences for label in run_to_end(pipeline.read_words(words, Timer())).labels]
    assert labels_of(pipeline, sentences) == alone


def test_words_are_remembered_from_group_to_group(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownWords(pipeline.encoder)
    first = labels_of(pipeline, [["Buhari", "ya"], ["isa", "Kano", "Kano"]], known)
    monkeypatch.setattr(pipeline.encoder, "encode", lambda words: iter(()) if not words else pytest.fail(f"{words}"))
    assert labels_of(pipeline, [["Buhari", "ya", "isa", "Kano", "Kano"]], known)[:2] == first[:2]


def test_not_more_than_so_many_words_are_remembered(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.evaluation.sentences.MOST_KNOWN", 3)
    known = KnownWords(pipeline.encoder)
    sentences = [["Buhari", "ya"], ["isa", "Kano"], ["ya", "20"]]
    for sentence in sentences * 2:
        assert labels_of(pipeline, [sentence], known) == labels_of(pipeline, [sentence])


def test_it_gives_way_between_the_windows(pipeline: Pipeline) -> None:
    steps = label_group(pipeline, [["Kano"]] * 30, Timer(), KnownWords(pipeline.encoder))
    assert sum(1 for _ in steps) >= 30


def test_no_numbers_are_no_labels(toy_tokenizer: Tokenizer) -> None:
    class Broken(RuleRuntime):
        def logits(self, input_ids: np.ndarray) -> np.ndarray:
            return np.full((len(input_ids), len(LABELS)), np.nan, dtype=np.float32)

    with pytest.raises(FloatingPointError, match="not finite"):
        labels_of(Pipeline(Broken(toy_tokenizer), Encoder(toy_tokenizer, 24, 6), LABELS), [["Kano"]])


def test_encoders_are_alike_by_tokenizer_and_windows(
    make_encoder: Callable[[int, int], Encoder], toy_tokenizer: Tokenizer
) -> None:
    assert Encoder(toy_tokenizer, 24, 6, "a").identity == Encoder(toy_tokenizer, 24, 6, "a").identity
    for other in (("b", 24, 6), ("a", 32, 6)):
        assert (
            Encoder(toy_tokenizer, 24, 6, "a").identity != Encoder(toy_tokenizer, other[1], other[2], other[0]).identity
        )
    assert make_encoder(24, 6).identity != make_encoder(24, 6).identity, "nobody said which tokenizer"
