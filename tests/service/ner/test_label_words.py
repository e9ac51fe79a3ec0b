import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

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
sentences = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=60)


@pytest.fixture(scope="module")
def pipeline(toy_tokenizer: Tokenizer) -> Pipeline:
    return Pipeline(RuleRuntime(toy_tokenizer), Encoder(toy_tokenizer, 24, 6), LABELS)


def labels_of(pipeline: Pipeline, words: list[str]) -> list[str]:
    return [LABELS[place] for place in run_to_end(pipeline.label_words(words, Timer()))]


@settings(max_examples=150, deadline=None)
@given(sentences)
def test_the_labels_alone_are_those_of_an_answer(pipeline: Pipeline, words: list[str]) -> None:
    assert labels_of(pipeline, words) == run_to_end(pipeline.read_words(words, Timer())).labels


def test_it_yields_between_the_windows(pipeline: Pipeline) -> None:
    assert sum(1 for _ in pipeline.label_words(["Kano"] * 200, Timer())) >= 8


def test_logits_that_are_not_finite_give_no_labels(toy_tokenizer: Tokenizer) -> None:
    class Broken(RuleRuntime):
        def logits(self, input_ids: np.ndarray) -> np.ndarray:
            return np.full((len(input_ids), len(LABELS)), np.nan, dtype=np.float32)

    with pytest.raises(FloatingPointError, match="not finite"):
        labels_of(Pipeline(Broken(toy_tokenizer), Encoder(toy_tokenizer, 24, 6), LABELS), ["Kano"])
