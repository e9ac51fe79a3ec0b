import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from service.ner.encoder import CHARACTERS_AT_ONCE, Encoder, Tokens, Window
from service.ner.pipeline import WORDS_AT_ONCE

MakeEncoder = Callable[[int, int], Encoder]
thorough = settings(max_examples=100, deadline=None)
WORDS = st.lists(st.sampled_from(["Kano", "na", ".", "Muhammadu", "\u200b", "አበባ", "x" * 40, "Bọ́lá"]), max_size=60)


def lay_out(encoder: Encoder, words: list[str]) -> tuple[Tokens, list[tuple[list[int], Window]]]:
    tokens = encoder.encode_all(words)
    return tokens, [(decided.tolist(), window) for decided, window in encoder.windows(tokens)]


def tokens_of(lengths: list[int]) -> Tokens:
    """Words of so many pieces, every piece different, so that a window tells which part it holds."""
    starts = np.cumsum([0, *lengths]).tolist()
    heads = [start if length else -1 for start, length in zip(starts, lengths, strict=False)]
    return Tokens(list(range(100, 100 + starts[-1])), heads)


def spans_of(encoder: Encoder, lengths: list[int]) -> list[tuple[int, int]]:
    """Which pieces each window holds, end exclusive."""
    windows = [window.input_ids[1:-1] - 100 for _, window in encoder.windows(tokens_of(lengths))]
    return [(int(ids[0]), int(ids[-1]) + 1) for ids in windows]


@thorough
@given(words=WORDS, max_length=st.integers(4, 30), data=st.data())
def test_every_word_with_pieces_is_decided_once_in_order_at_its_first_piece(
    make_encoder: MakeEncoder, words: list[str], max_length: int, data: st.DataObject
) -> None:
    encoder = make_encoder(max_length, data.draw(st.integers(0, max_length - 3)))
    tokens, windows = lay_out(encoder, words)
    decided = [word for some, _ in windows for word in some]
    assert decided == [word for word, head in enumerate(tokens.heads) if head >= 0]
    for some, window in windows:
        assert len(window.input_ids) <= max_length
        first_pieces = [tokens.pieces[tokens.heads[word]] for word in some]
        assert window.input_ids[window.heads].tolist() == first_pieces


@thorough
@given(lengths=st.lists(st.integers(0, 12), max_size=80), overlap=st.integers(0, 11))
def test_windows_cover_every_piece_and_each_brings_new_ones(
    make_encoder: MakeEncoder, lengths: list[int], overlap: int
) -> None:
    spans = spans_of(make_encoder(14, overlap), lengths)
    assert {piece for span in spans for piece in range(*span)} == set(range(sum(lengths)))
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert start < next_start <= end < next_end


@thorough
@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=80))
def test_neighbours_overlap_by_at_most_what_was_asked_and_at_least_what_whole_words_allow(
    make_encoder: MakeEncoder, lengths: list[int]
) -> None:
    overlap = 8
    for (_, end), (next_start, _) in pairwise(spans_of(make_encoder(22, overlap), lengths)):
        assert overlap - 3 <= end - next_start <= overlap


@thorough
@given(lengths=st.lists(st.integers(1, 6), max_size=60))
def test_an_overlap_of_nothing_reads_every_piece_once(make_encoder: MakeEncoder, lengths: list[int]) -> None:
    spans = spans_of(make_encoder(10, 0), lengths)
    assert [piece for span in spans for piece in range(*span)] == list(range(sum(lengths)))


def test_the_border_between_two_windows_is_the_middle_of_what_they_share(make_encoder: MakeEncoder) -> None:
    # Windows of 10 pieces: 0-9 and 6-15. They share 6 to 9, whose middle is 8.
    windows = list(make_encoder(12, 4).windows(tokens_of([1] * 16)))
    assert [decided.tolist() for decided, _ in windows] == [list(range(8)), list(range(8, 16))]


def test_a_window_is_framed_by_the_special_pieces(toy_tokenizer: Tokenizer, make_encoder: MakeEncoder) -> None:
    _, [(_, window)] = lay_out(make_encoder(64, 8), ["Kano"])
    assert window.input_ids[0] == toy_tokenizer.token_to_id("<s>")
    assert window.input_ids[-1] == toy_tokenizer.token_to_id("</s>")


@pytest.mark.parametrize("words", [[], [""], ["\u200b", ""]])
def test_words_of_no_pieces_need_no_window(make_encoder: MakeEncoder, words: list[str]) -> None:
    tokens, windows = lay_out(make_encoder(16, 4), words)
    assert tokens.heads == [-1] * len(words)
    assert windows == []


def test_words_of_no_pieces_are_left_out_between_others(make_encoder: MakeEncoder) -> None:
    _, [(decided, _)] = lay_out(make_encoder(64, 8), ["Kano", "", "\u200b", "Abuja"])
    assert decided == [0, 3]


def test_a_word_longer_than_a_window_is_represented_by_its_beginning(
    toy_tokenizer: Tokenizer, make_encoder: MakeEncoder
) -> None:
    encoder = make_encoder(10, 2)
    word = "xzqwkjv" * 20
    whole = toy_tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).ids
    tokens, _ = lay_out(encoder, [word])
    assert len(whole) > 8
    assert tokens.pieces == whole[:8]


def test_a_long_document_is_encoded_in_steps_with_the_same_pieces(
    toy_tokenizer: Tokenizer, make_encoder: MakeEncoder
) -> None:
    encoder = make_encoder(64, 16)
    words = ["Muhammadu", "Buhari", "na", "Kano"] * WORDS_AT_ONCE
    steps = [len(tokens.heads) for tokens in encoder.encode(words)]
    assert steps == [WORDS_AT_ONCE * number for number in (1, 2, 3, 4)]
    tokens, windows = lay_out(encoder, words)
    assert tokens.pieces == toy_tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False).ids
    assert [word for decided, _ in windows for word in decided] == list(range(len(words)))


def test_a_word_that_grows_in_normalization_is_cut_first(make_encoder: MakeEncoder) -> None:
    # U+FDFA becomes 18 characters.
    started = time.process_time()
    tokens = make_encoder(64, 16).encode_all(["\ufdfa" * 100_000, "Kano"])
    assert time.process_time() - started < 0.5
    assert 0 <= tokens.heads[0] < tokens.heads[1] <= 62


def test_long_words_are_encoded_few_at_a_time(make_encoder: MakeEncoder) -> None:
    words = ["m" * 400] * 100
    steps = [0, *(len(tokens.heads) for tokens in make_encoder(64, 16).encode(words))]
    assert steps[-1] == len(words)
    assert all(0 < (after - before) * 400 <= CHARACTERS_AT_ONCE for before, after in pairwise(steps))


@pytest.mark.parametrize("word", ["<s>", "</s>", "<pad>", "<mask>", "Kano</s><s>na"])
def test_a_word_that_spells_a_special_piece_is_text(
    toy_tokenizer: Tokenizer, make_encoder: MakeEncoder, word: str
) -> None:
    pieces = make_encoder(64, 16).encode_all([word]).pieces
    specials = {toy_tokenizer.token_to_id(special) for special in ("<s>", "</s>", "<pad>", "<mask>")}
    assert pieces
    assert not specials & set(pieces)


@thorough
@given(st.text(min_size=1, max_size=20))
def test_a_word_has_the_same_pieces_whatever_stands_beside_it(make_encoder: MakeEncoder, word: str) -> None:
    encoder = make_encoder(64, 16)
    alone = encoder.encode_all([word]).pieces
    assume(alone)
    tokens = encoder.encode_all(["Kano", word, "Abuja"])
    assert tokens.pieces[tokens.heads[1] : tokens.heads[2]] == alone


@pytest.mark.parametrize(("max_length", "overlap"), [(16, 14), (16, -1), (2, 0), (16, 100)])
def test_windows_that_could_not_advance_are_refused(make_encoder: MakeEncoder, max_length: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=f"overlap of {overlap} "):
        make_encoder(max_length, overlap)


def test_a_tokenizer_of_another_layout_is_refused(tokenizer_file: Path, tmp_path: Path) -> None:
    content = json.loads(tokenizer_file.read_text(encoding="utf-8")) | {"post_processor": None}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="0 special pieces"):
        Encoder.from_folder(tmp_path, 16, 4)
