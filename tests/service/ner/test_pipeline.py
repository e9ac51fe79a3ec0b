import gc
import time
import unicodedata
from collections.abc import Callable, Generator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from service.ner.encoder import Encoder
from service.ner.pipeline import Pipeline, Result, label_sentences, log_softmax, run_to_end
from service.ner.timing import Timer
from service.ner.words import WORDS_AT_ONCE

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
thorough = settings(max_examples=100, deadline=None)


class RuleRuntime:
    """Labels by a rule on the pieces: a word that begins in upper case is a person, a digit a place.

    An I- gets a logit of 4 and its B- one of 3, so that the best valid sequence begins an entity and then goes on.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self.windows = 0

    def _label(self, piece: str) -> str:
        if piece == "<unk>" or piece[:1].isdigit():
            return "I-LOC"
        return "I-PER" if piece[:1].isupper() else "O"

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        self.windows += 1
        pieces = [self._tokenizer.id_to_token(int(identifier)).lstrip("▁") for identifier in input_ids]
        # The mark of a word's beginning may be a piece of its own: then the next one tells.
        choices = [LABELS.index(self._label(piece or after)) for piece, after in pairwise([*pieces, "</s>"])]
        logits = np.eye(len(LABELS), dtype=np.float32)[choices] * 4
        for inside in range(2, len(LABELS), 2):
            logits[:, inside - 1] = logits[:, inside] * 0.75
        return logits


@pytest.fixture(scope="module")
def pipeline(toy_tokenizer: Tokenizer) -> Pipeline:
    return Pipeline(RuleRuntime(toy_tokenizer), Encoder(toy_tokenizer, 24, 6), LABELS)


def read(pipeline: Pipeline, text: str) -> Result:
    return run_to_end(pipeline.read_text(text, Timer()))


sentences = st.lists(
    st.sampled_from(
        ["Muhammadu", "Buhari", "ya", "isa", "Kano", "👩‍👧", "中文", "አዲስ፡አበባ", "Bọ́lá", "שלום", "\u200b", "\n"]
    )
).map(" ".join)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@thorough
@given(text=st.text() | sentences)
def test_offsets_are_those_of_the_text_as_sent(pipeline: Pipeline, form: str, text: str) -> None:
    for sent in (text, unicodedata.normalize(form, text)):
        result = read(pipeline, sent)
        end = 0
        for entity in result.entities:
            assert sent[entity.start : entity.end] == entity.text
            assert entity.text == entity.text.strip() != ""
            assert end <= entity.start
            end = entity.end


def test_an_entity_over_several_words_keeps_the_text_between_them(pipeline: Pipeline) -> None:
    text = "  Muhammadu \n Buhari ya isa"
    [entity] = read(pipeline, text).entities
    assert (entity.label, entity.text, entity.start, entity.end) == ("PER", "Muhammadu \n Buhari", 2, 20)


def test_both_normal_forms_give_the_same_entities_at_their_own_offsets(pipeline: Pipeline) -> None:
    text = "ya Ààrẹ Bọ́lá ya"
    composed, decomposed = (read(pipeline, unicodedata.normalize(form, text)).entities for form in ("NFC", "NFD"))
    assert len(composed) == len(decomposed) == 1
    assert len(decomposed[0].text) > len(composed[0].text)
    assert unicodedata.normalize("NFC", decomposed[0].text) == composed[0].text


@thorough
@given(st.lists(st.text(max_size=12), max_size=20))
def test_offsets_count_words_where_words_are_given(pipeline: Pipeline, words: list[str]) -> None:
    result = run_to_end(pipeline.read_words(words, Timer()))
    assert len(result.labels) == len(words)
    for entity in result.entities:
        assert entity.text == " ".join(words[entity.start : entity.end])
        assert result.labels[entity.start] == f"B-{entity.label}"
        assert set(result.labels[entity.start + 1 : entity.end]) <= {f"I-{entity.label}"}


@pytest.mark.parametrize("text", ["", " ", " \n\t\u00a0 ", "\u200b", "\ufeff\x00"])
def test_a_text_without_words_has_no_entities(pipeline: Pipeline, text: str) -> None:
    assert read(pipeline, text) == Result([], [])


def test_combining_marks_alone_are_read(pipeline: Pipeline) -> None:
    assert len(read(pipeline, "\u0301 \u0323\u0301").labels) == 2


@pytest.mark.parametrize("words", [[], [""], ["", "\u200b", " "]])
def test_words_of_no_pieces_are_outside_entities(pipeline: Pipeline, words: list[str]) -> None:
    assert run_to_end(pipeline.read_words(words, Timer())) == Result([], ["O"] * len(words))


def test_an_empty_word_splits_an_entity(pipeline: Pipeline) -> None:
    assert run_to_end(pipeline.read_words(["Buhari", "", "Buhari"], Timer())).labels == ["B-PER", "O", "B-PER"]


def test_a_word_given_with_a_space_in_it_is_one_word(pipeline: Pipeline) -> None:
    assert run_to_end(pipeline.read_words(["ya", "Muhammadu Buhari"], Timer())).labels == ["O", "B-PER"]


@thorough
@given(st.lists(sentences, max_size=6), st.randoms(use_true_random=False))
def test_an_answer_does_not_depend_on_what_else_is_in_flight(pipeline: Pipeline, texts: list[str], chance) -> None:
    alone = [read(pipeline, text) for text in texts]
    running: dict[int, Generator[None, None, Result]] = {
        number: pipeline.read_text(text, Timer()) for number, text in enumerate(texts)
    }
    together: dict[int, Result] = {}
    while running:
        number = chance.choice(sorted(running))
        try:
            next(running[number])
        except StopIteration as stop:
            together[number] = stop.value
            del running[number]
    assert [together[number] for number in range(len(texts))] == alone


def test_a_long_document_is_read_to_its_end_in_many_steps(pipeline: Pipeline) -> None:
    text = "ya isa Kano " * WORDS_AT_ONCE
    windows_before = pipeline.runtime.windows
    steps = sum(1 for _ in pipeline.read_text(text, Timer()))
    windows = pipeline.runtime.windows - windows_before
    # Between windows, after each part that was tokenized or scored but the last, after each that was split, on both
    # ways of decoding, and after the entities.
    assert steps == windows - 1 + 2 + 2 + 3 + 2 * 2 + 1
    assert [entity.start for entity in read(pipeline, text).entities] == list(range(7, len(text), 12))


def test_no_step_of_a_long_document_takes_long(toy_tokenizer: Tokenizer, request: pytest.FixtureRequest) -> None:
    """Whatever the phase: words, pieces, labels or entities."""

    class QuickRuntime:
        """I- everywhere: no label is valid as it stands, so the whole document goes through Viterbi."""

        def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
            return np.tile(np.array([0, 3, 0, 3.5, 4], dtype=np.float32), (len(input_ids), 1))

    pipeline = Pipeline(QuickRuntime(), Encoder(toy_tokenizer, 512, 64), LABELS)
    took: list[float] = []
    steps = pipeline.read_text("中" * 100_000, Timer())
    # What the tests have imported is not walked through in the middle of a step.
    gc.freeze()
    request.addfinalizer(gc.unfreeze)
    while True:
        # Of this thread: other work on the machine may stop it for longer than all of this takes.
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            break
        finally:
            took.append(time.thread_time() - began)
    assert max(took) < sum(took) / 10, "one step in one phase was most of the work"


@thorough
@given(text=st.text() | sentences, seed=st.integers(0, 1000))
def test_scores_are_probabilities(make_encoder: Callable[[int, int], Encoder], text: str, seed: int) -> None:
    class RandomRuntime:
        def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
            logits = np.random.default_rng(seed).normal(0, 200, (len(input_ids), len(LABELS)))
            return logits.astype(np.float32)

    pipeline = Pipeline(RandomRuntime(), make_encoder(24, 6), LABELS)
    for entity in read(pipeline, text).entities:
        assert 0 <= entity.score <= 1 + 1e-9


def test_the_score_is_the_mean_probability_of_the_words(pipeline: Pipeline) -> None:
    [entity] = read(pipeline, "Muhammadu Buhari").entities
    # Every word has a logit of 4 for I-PER, one of 3 for B-PER, and three of 0.
    person = np.exp(4) + np.exp(3)
    assert entity.score == round(person / (person + 3), 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_no_answer(toy_tokenizer: Tokenizer, value: float) -> None:
    class BrokenRuntime:
        def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
            logits = np.zeros((len(input_ids), len(LABELS)), dtype=np.float32)
            logits[1, 1] = value
            return logits

    with pytest.raises(FloatingPointError, match="not finite"):
        read(Pipeline(BrokenRuntime(), Encoder(toy_tokenizer, 24, 6), LABELS), "Kano")


def test_the_timer_counts_the_runtime_only(toy_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr("service.ner.timing.time.perf_counter", lambda: float(next(ticks)))
    runtime, timer = RuleRuntime(toy_tokenizer), Timer()
    run_to_end(Pipeline(runtime, Encoder(toy_tokenizer, 24, 6), LABELS).read_text("ya isa Kano " * 20, timer))
    assert runtime.windows > 1
    assert timer.inference.seconds == runtime.windows


def test_label_sentences_keeps_the_order(pipeline: Pipeline) -> None:
    labelled = list(label_sentences(pipeline, [["Buhari"], [], ["ya", "Kano"]]))
    assert labelled == [["B-PER"], [], ["O", "B-PER"]]


def test_probabilities_of_large_logits() -> None:
    probabilities = np.exp(log_softmax(np.array([[1e4, 0.0], [np.log(3), 0.0]], dtype=np.float32)))
    np.testing.assert_allclose(probabilities, [[1, 0], [0.75, 0.25]], atol=1e-7)
