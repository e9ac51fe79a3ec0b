"""Trims a vocabulary to the pieces that some texts use and all characters that the tokenizer knows.

The texts are split exactly as before, because they do not use the removed pieces: Unigram takes the best sequence of
pieces, WordPiece the longest pieces, and BPE keeps every merge whose parts and result remain.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from build_models.recipes.pocket.normalizer import trim_normalizer
from service.ner.encoder import Encoder

MOST_UNSEEN = 0.02
"""The share of the pieces of further text that may be missing from the vocabulary, by Good and Turing's estimate."""


class Coverage(NamedTuple):
    """``unseen``: the estimated share of the pieces of further text that are not among those of ``sentences`` texts;
    ``needed``: how many texts bring it down to ``MOST_UNSEEN``, or None if that cannot be told."""

    sentences: int
    unseen: float
    needed: int | None


def coverage(encoder: Encoder, sentences: Sequence[Sequence[str]]) -> Coverage:
    """How well the pieces of the texts cover others like them.

    The share of pieces that occur once estimates the share that is new in further text (Good 1953). Its decline from
    half of the texts to all of them is taken to go on.
    """

    def unseen(some: Sequence[Sequence[str]]) -> float:
        counts = count_pieces(encoder, Counter(word for words in some for word in words))
        return float((counts == 1).sum() / max(1, counts.sum()))

    # Every second one: data often stand sorted by language.
    half, whole = unseen(sentences[::2]), unseen(sentences)
    needed = None
    if 0 < whole < half:
        halvings = np.log(whole / MOST_UNSEEN) / np.log(half / whole)
        needed = int(np.ceil(len(sentences) * 2.0 ** min(halvings, 20)))
    return Coverage(len(sentences), whole, needed)


def count_pieces(encoder: Encoder, words: Mapping[str, int]) -> NDArray[np.intp]:
    """How often each piece occurs in words that occur as often as ``words`` says."""
    distinct = list(words)
    tokens = encoder.encode_all(distinct)
    split = [word for word, head in zip(distinct, tokens.heads, strict=True) if head >= 0]
    lengths = np.diff([*(head for head in tokens.heads if head >= 0), len(tokens.pieces)])
    weights = np.repeat([words[word] for word in split], lengths)
    return np.bincount(tokens.pieces, weights=weights).astype(np.intp)


def in_every_case(words: Mapping[str, int]) -> dict[str, int]:
    """The words with how often they occur, and once each in lower case, capitalised and in capitals, if not among them:
    another text writes them otherwise."""
    others = {form: 1 for word in words for form in (word.lower(), word[:1].upper() + word[1:].lower(), word.upper())}
    return {**others, **words}


def pieces_to_keep(content: Mapping[str, Any], counts: NDArray[np.intp], first: int, most: int | None) -> list[int]:
    """The ids to keep, in order, given a parsed ``tokenizer.json`` and how often texts use each piece.

    These are the added tokens and the ``first`` ids; all single characters, and pieces with a character that is
    not itself a piece; and the ``most`` frequently used pieces.
    """
    vocabulary = vocabulary_of(content)
    unknown = content["model"].get("unk_token")
    always = {token["id"] for token in content["added_tokens"]} | set(range(first))
    always |= {number for piece, number in vocabulary.items() if piece == unknown}
    if content["model"]["type"] == "Unigram":
        always.add(content["model"]["unk_id"])
    prefix = content["model"].get("continuing_subword_prefix") or ""
    characters = {piece: number for piece, number in vocabulary.items() if len(bare(piece, prefix)) <= 1}
    always |= set(characters.values())
    always |= {number for piece, number in vocabulary.items() if is_byte(piece)}
    always |= {
        number
        for piece, number in vocabulary.items()
        if not all(part in characters for part in spelt(piece, prefix))
    }  # fmt: skip
    used = [int(number) for number in np.argsort(-counts, kind="stable") if counts[number]]
    kept = always | set(used if most is None else used[:most])
    if content["model"]["type"] == "BPE":
        kept = with_parts(content["model"]["merges"], vocabulary, kept)
    return sorted(kept)


def all_pieces(content: Mapping[str, Any]) -> list[int]:
    """The ids of all pieces and added tokens of a parsed ``tokenizer.json``."""
    return sorted({*vocabulary_of(content).values(), *(token["id"] for token in content["added_tokens"])})


def vocabulary_of(content: Mapping[str, Any]) -> dict[str, int]:
    """The ids of the pieces of a tokenizer's model, without tokens that are only added to it."""
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, dict):
        return dict(vocabulary)
    return {piece: number for number, (piece, _) in enumerate(vocabulary)}


def bare(piece: str, prefix: str) -> str:
    """The piece without the mark of a continuation."""
    return piece.removeprefix(prefix) if prefix and piece != prefix else piece


def spelt(piece: str, prefix: str) -> list[str]:
    """The characters of a piece, each as the piece that stands for it in that place."""
    if not prefix:
        return list(piece)
    text = bare(piece, prefix)
    first = prefix + text[:1] if piece.startswith(prefix) else text[:1]
    return [first, *(prefix + character for character in text[1:])]


def is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def with_parts(merges: Sequence[str | Sequence[str]], vocabulary: Mapping[str, int], kept: set[int]) -> set[int]:
    """The pieces and all those that they are merged from."""
    parts: dict[int, list[tuple[int, int]]] = {}
    for left, right in map(pair, merges):
        if left + right in vocabulary:
            parts.setdefault(vocabulary[left + right], []).append((vocabulary[left], vocabulary[right]))
    found, pending = set(kept), list(kept)
    while pending:
        for part in chain.from_iterable(parts.get(pending.pop(), [])):
            if part not in found:
                found.add(part)
                pending.append(part)
    return found


def pair(merge: str | Sequence[str]) -> tuple[str, str]:
    """The two parts of a merge, in either of the two ways in which tokenizer.json writes it."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def trim_tokenizer(content: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """A parsed ``tokenizer.json`` with only the pieces ``kept``, numbered anew in the same order."""
    new = {old: number for number, old in enumerate(kept)}
    model = dict(content["model"])
    if model["type"] == "Unigram":
        places = [number for number in kept if number < len(model["vocab"])]
        # SentencePiece's own precision: the rest of the digits would be half of the file.
        model["vocab"] = [[model["vocab"][old][0], short(model["vocab"][old][1])] for old in places]
        model["unk_id"] = new[model["unk_id"]]
        characters = {character for piece, _ in model["vocab"] for character in piece}
        content = {**content, "normalizer": trim_normalizer(content["normalizer"], characters)}
    else:
        vocabulary = {piece: new[old] for piece, old in model["vocab"].items() if old in new}
        model["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
        if model["type"] == "BPE":
            model["merges"] = [
                merge
                for merge in model["merges"]
                if {*pair(merge), "".join(pair(merge))} <= vocabulary.keys()
            ]  # fmt: skip
    added = [{**token, "id": new[token["id"]]} for token in content["added_tokens"]]
    padding = content["padding"] and {**content["padding"], "pad_id": new[content["padding"]["pad_id"]]}
    processor = renumbered(content["post_processor"], new)
    return {**content, "model": model, "added_tokens": added, "padding": padding, "post_processor": processor}


def short(score: float) -> float:
    return float(np.format_float_positional(np.float32(score)))


def renumbered(processor: Any, new: Mapping[int, int]) -> Any:
    """A post-processor with the new ids of its special tokens."""
    if processor is None:
        return None
    processor = dict(processor)
    if "processors" in processor:
        processor["processors"] = [renumbered(part, new) for part in processor["processors"]]
    for name in ("sep", "cls"):
        if name in processor:
            processor[name] = [processor[name][0], new[processor[name][1]]]
    if "special_tokens" in processor:
        processor["special_tokens"] = {
            name: {**token, "ids": [new[number] for number in token["ids"]]}
            for name, token in processor["special_tokens"].items()
        }
    return processor


def keep_embeddings(model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Drop the other rows of the embeddings, in place, and number the special pieces of the configuration anew."""
    new = {old: number for number, old in enumerate(kept)}
    weight = model.get_input_embeddings().weight.detach()[torch.tensor(kept)]
    for name, value in model.config.to_dict().items():
        if name.endswith("_token_id") and isinstance(value, int):
            setattr(model.config, name, new.get(value, value))
    model.resize_token_embeddings(len(kept), mean_resizing=False)
    model.get_input_embeddings().weight.data.copy_(weight)


def write_tokenizer(source: Path, folder: Path, kept: Sequence[int]) -> None:
    """Write the trimmed tokenizer of the checkpoint ``source``, as JSON alone."""
    new = {old: number for number, old in enumerate(kept)}
    content = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    files = {"tokenizer.json": trim_tokenizer(content, kept)}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (source / name).exists():
            files[name] = json.loads((source / name).read_text(encoding="utf-8"))
    configuration = files["tokenizer_config.json"]
    configuration["tokenizer_class"] = "PreTrainedTokenizerFast"
    if "added_tokens_decoder" in configuration:
        decoder = configuration["added_tokens_decoder"]
        configuration["added_tokens_decoder"] = {str(new[int(old)]): token for old, token in decoder.items()}
    for name, written in files.items():
        text = json.dumps(written, ensure_ascii=False, separators=(",", ":"))
        (folder / name).write_text(text, encoding="utf-8")
