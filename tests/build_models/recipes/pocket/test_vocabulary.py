"""A trimmed tokenizer of every kind splits the texts at hand as before, and knows whatever character it knew."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from build_models.recipes.pocket.vocabulary import (
    MOST_UNSEEN,
    count_pieces,
    coverage,
    in_every_case,
    keep_embeddings,
    pieces_to_keep,
    write_tokenizer,
)
from build_models.training.finetune import load_classifier
from service.ner.encoder import Encoder
from tests.build_models.classifiers import IOB2, TOKENIZERS, write_classifier
from tests.service.conftest import TEXTS

AT_HAND = [text.split() for text in TEXTS[:4]]
ELSEWHERE = [
    *TEXTS[4:],
    "ኢትዮጵያ ውስጥ",
    "Москва 北京 القاهرة",
    "B\u006f\u0323\u0301la\u0301 a\u200bb … 👩🏾‍🌾",
    "<mask> [MASK] <s>",
]


class Trimmed:
    def __init__(self, folder: Path, architecture: str, most: int | None = None):
        self.given, self.folder = folder / "given", folder / "trimmed"
        write_classifier(self.given, architecture=architecture)
        self.folder.mkdir()
        self.content = json.loads((self.given / "tokenizer.json").read_text(encoding="utf-8"))
        self.before = Encoder.from_folder(self.given, 64, 16)
        self.model = load_classifier(self.given, IOB2)
        words = [word for words in AT_HAND for word in words]
        counts = count_pieces(self.before, in_every_case(dict.fromkeys(words, 1)))
        self.kept = pieces_to_keep(self.content, counts, int(self.model.config.pad_token_id), most)
        write_tokenizer(self.given, self.folder, self.kept)
        self.after = Encoder.from_folder(self.folder, 64, 16)

    def ids(self, words: list[str]) -> tuple[list[int], list[int]]:
        """The pieces before, and those afterwards by their old numbers."""
        return self.before.encode_all(words).pieces, [self.kept[piece] for piece in self.after.encode_all(words).pieces]

    def unknown(self, folder: Path, word: str) -> int:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return sum(piece in ("<unk>", "[UNK]") for piece in tokenizer.encode([word], is_pretokenized=True).tokens)


@pytest.fixture(scope="module", params=sorted(TOKENIZERS))
def trimmed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trimmed:
    return Trimmed(tmp_path_factory.mktemp(request.param), request.param)


def test_the_texts_at_hand_are_split_as_before(trimmed: Trimmed) -> None:
    assert len(trimmed.kept) < len(trimmed.before._tokenizer.get_vocab())
    for words in AT_HAND:
        for form in (words, [word.lower() for word in words], [word.upper() for word in words]):
            before, after = trimmed.ids(form)
            assert after == before


def test_nothing_becomes_unknown_that_was_not(trimmed: Trimmed) -> None:
    for word in " ".join(ELSEWHERE).split():
        assert trimmed.unknown(trimmed.folder, word) <= trimmed.unknown(trimmed.given, word)
        tokens = trimmed.after.encode_all([word])
        assert (tokens.heads == [-1]) == (trimmed.before.encode_all([word]).heads == [-1])


def test_transformers_reads_the_same_pieces(trimmed: Trimmed) -> None:
    theirs = AutoTokenizer.from_pretrained(trimmed.folder)
    before = Tokenizer.from_file(str(trimmed.given / "tokenizer.json"))
    assert len(theirs) == len(trimmed.kept)
    for name in ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token"):
        token = getattr(theirs, name)
        assert trimmed.kept[theirs.convert_tokens_to_ids(token)] == before.token_to_id(token)
    ((_, window),) = trimmed.after.windows(trimmed.after.encode_all(["Nairobi"]))
    (_, old) = next(trimmed.before.windows(trimmed.before.encode_all(["Nairobi"])))
    assert [trimmed.kept[piece] for piece in window.input_ids] == old.input_ids.tolist()


def test_the_model_answers_the_same(trimmed: Trimmed) -> None:
    model = trimmed.model
    (_, old), (_, new) = (next(some.windows(some.encode_all(AT_HAND[0]))) for some in (trimmed.before, trimmed.after))
    with torch.inference_mode():
        before = model(input_ids=torch.from_numpy(old.input_ids[None])).logits
        keep_embeddings(model, trimmed.kept)
        after = model(input_ids=torch.from_numpy(new.input_ids[None])).logits
    assert torch.allclose(before, after, atol=1e-5)
    assert model.config.vocab_size == len(trimmed.kept)
    tokenizer = AutoTokenizer.from_pretrained(trimmed.folder)
    assert model.config.pad_token_id == tokenizer.pad_token_id


def test_a_limit_takes_the_pieces_that_are_used_most(tmp_path: Path) -> None:
    whole = Trimmed(tmp_path / "whole", "xlm-roberta")
    fewer = Trimmed(tmp_path / "fewer", "xlm-roberta", most=5)
    assert set(fewer.kept) < set(whole.kept)
    assert all(piece in fewer.kept for piece in whole.before.encode_all(["a", "▁"]).pieces)
    assert fewer.after.encode_all(AT_HAND[0]).pieces, "what is gone is read by its characters"


def test_a_character_that_is_no_piece_of_its_own_keeps_the_pieces_that_hold_it() -> None:
    vocabulary = [["<unk>", 0.0], ["▁", -1.0], ["a", -2.0], ["b", -2.0], ["ab", -1.5], ["xa", -3.0]]
    content = {"added_tokens": [], "model": {"type": "Unigram", "unk_id": 0, "vocab": vocabulary}}
    assert pieces_to_keep(content, np.array([], dtype=np.intp), 0, None) == [0, 1, 2, 3, 5]


def test_too_few_texts_say_how_many_are_needed(make_encoder: object) -> None:
    assert callable(make_encoder)
    encoder = make_encoder(64, 16)
    few = coverage(encoder, AT_HAND)
    assert few.unseen > MOST_UNSEEN
    many = coverage(encoder, AT_HAND * 20)
    assert many.unseen == 0
    # Every text brings something new, less and less of it.
    words = [f"{a}{b}" for a in "ranki" for b in "ubosh"]
    growing = coverage(encoder, [words[: 2 + number % 20] for number in range(10)] + [["Kigali"], ["Ndakaaru"]])
    assert growing.needed is None or growing.needed > 0
