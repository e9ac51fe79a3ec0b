from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.settings import FinetuneSettings
from build_models.training import answers
from build_models.training.answers import answers_of
from build_models.training.examples import IGNORED, collate, encode_examples, plan_batches, rows_of
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

LABELS = ["O", "B-LOC", "I-LOC"]
SENTENCES = [
    Sentence("swa", words, ["O"] * len(words))
    for words in (
        ["Uhuru", "\u200b", "Kenyatta", "alitembelea", "Nairobi"],
        ["Nairobi"],
        ["Rais", "Uhuru", "Kenyatta", "alitembelea", "Nairobi", "na", "Mombasa", "juzi", "jioni"],
        ["\u200b"],
    )
]


def classifier(tokenizer: Tokenizer) -> XLMRobertaForTokenClassification:
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=8,
        num_labels=len(LABELS),
        initializer_range=1.0,
    )
    return XLMRobertaForTokenClassification(config).eval()


def test_answers_are_the_logits_at_first_pieces_in_any_window(
    toy_tokenizer: Tokenizer, make_encoder: Callable[[int, int], Encoder]
) -> None:
    model, encoder = classifier(toy_tokenizer), make_encoder(20, 4)
    windows = 0
    for sentence, found in zip(SENTENCES, answers_of(model, encoder, SENTENCES), strict=True):
        assert found.shape == (len(sentence.words), len(LABELS))
        expected = np.zeros(found.shape)
        for places, window in encoder.windows(encoder.encode_all(sentence.words)):
            with torch.inference_mode():
                logits = model(input_ids=torch.from_numpy(window.input_ids)[None]).logits[0].numpy()
            expected[places] = logits[window.heads]
            windows += 1
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert windows > len(SENTENCES)


def test_each_word_keeps_its_answer_in_windows_and_joined_rows(make_encoder: Callable[[int, int], Encoder]) -> None:
    """The answers are the numbers of the words."""
    first = np.cumsum([0, *(len(sentence.words) for sentence in SENTENCES)])
    numbers = [
        np.repeat(np.arange(start, start + len(sentence.words), dtype=np.float16)[:, None], len(LABELS), axis=1)
        for start, sentence in zip(first, SENTENCES, strict=False)
    ]
    encoder = make_encoder(20, 4)
    examples = encode_examples(SENTENCES, encoder, LABELS, answers=numbers)
    words = [word for sentence in SENTENCES for word in sentence.words]
    settings = FinetuneSettings(epochs=3, learning_rate=1.0, hidden_share=0.0, batch_pieces=64, join_share=1.0)
    seen, joined = set(), 0
    for plan in plan_batches(examples, settings, 40, 1):
        joined += sum(len(row) > 1 for row in plan)
        batch = collate(rows_of(examples, plan), 1)
        assert batch.answers is not None
        assert batch.answers.shape == (*batch.pieces.shape, len(LABELS))
        assert not batch.answers[batch.labels == IGNORED].any()
        for row, place in (batch.labels != IGNORED).nonzero().tolist():
            number = int(batch.answers[row, place, 0])
            pieces = encoder.encode_all([words[number]]).pieces
            assert batch.pieces[row, place : place + len(pieces)].tolist() == pieces
            seen.add(number)
    assert joined
    assert seen == {number for number, word in enumerate(words) if word != "\u200b"}


def test_what_was_answered_before_a_kill_is_not_asked_again(
    toy_tokenizer: Tokenizer,
    make_encoder: Callable[[int, int], Encoder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, encoder = classifier(toy_tokenizer), make_encoder(20, 4)
    monkeypatch.setattr(answers, "SENTENCES_AT_ONCE", 1)
    result, state = tmp_path / "result", tmp_path / "state"
    result.mkdir()
    state.mkdir()
    answers.write_answers(model, encoder, SENTENCES, state, result)
    whole = answers.read_answers(result, SENTENCES)
    for one, other in zip(whole, answers_of(model, encoder, SENTENCES), strict=True):
        assert one == pytest.approx(other, rel=1e-2, abs=1e-2)
    first, second, *rest = sorted(state.iterdir())
    assert len(rest) == len(SENTENCES) - 2
    kept = np.load(first)
    with first.open("wb") as file:
        np.save(file, kept + 1)
    second.write_bytes(second.read_bytes()[:-3])
    rest[0].unlink()
    answers.write_answers(model, encoder, SENTENCES, state, result)
    again = answers.read_answers(result, SENTENCES)
    assert (again[0] == whole[0] + 1).all(), "kept from before"
    assert all((one == other).all() for one, other in zip(again[1:], whole[1:], strict=True)), "and the rest made anew"


def test_without_a_teacher_there_are_no_answers(make_encoder: Callable[[int, int], Encoder]) -> None:
    examples = encode_examples(SENTENCES, make_encoder(20, 4), LABELS)
    assert collate(examples, 1).answers is None
