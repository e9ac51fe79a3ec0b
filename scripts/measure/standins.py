"""Checkpoints with random weights in the dimensions and the file layout of those on the hub."""

import json
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification, XLMRobertaConfig

from build_models.bases.shapes import AFRIBERTA_PIECES
from build_models.data.sample.generate import generate_sample

LABELS = ("O", "B-DATE", "I-DATE", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
LEARNT = 8_000
"""Pieces that are learnt from text; the rest of a larger vocabulary is never used."""


@dataclass(frozen=True)
class Dimensions:
    layers: int
    width: int
    heads: int
    feed_forward: int
    pieces: int
    """With the special ones."""


DIMENSIONS = {
    "afriberta-large": Dimensions(layers=10, width=768, heads=6, feed_forward=3072, pieces=AFRIBERTA_PIECES),
    "xlm-roberta-base": Dimensions(layers=12, width=768, heads=12, feed_forward=3072, pieces=250_002),
    "afro-xlmr-large": Dimensions(layers=24, width=1024, heads=16, feed_forward=4096, pieces=250_002),
    "tiny": Dimensions(layers=2, width=32, heads=4, feed_forward=48, pieces=400),
}

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>",
                  "pad_token": "<pad>", "cls_token": "<s>"}  # fmt: skip
"""What transformers 4.3 wrote, with no mask token's options and no model_max_length."""


def write_pieces(path: Path, pieces: int) -> None:
    """A SentencePiece model of ``pieces`` pieces, learnt from the bundled sample and filled up with unused ones."""
    texts = [" ".join(sentence.words) for sentence in generate_sample(("hau", "swa"), 1, 300).train]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(path.with_suffix("")), vocab_size=min(pieces, LEARNT),
        hard_vocab_limit=False, model_type="unigram", num_threads=1, minloglevel=2,
    )  # fmt: skip
    path.with_suffix(".vocab").unlink()
    model = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    lowest = min(piece.score for piece in model.pieces)
    for number in range(pieces - len(model.pieces)):
        model.pieces.add(piece=f"\u2581unused{number}", score=lowest - 1)
    path.write_bytes(model.SerializeToString())


def write_standin(folder: Path, dimensions: Dimensions, classifier: bool, safetensors: bool = False) -> None:
    """An XLM-R checkpoint as AfriBERTa lies on the hub: ``pytorch_model.bin``, the SentencePiece model alone as
    tokenizer, a configuration of transformers 4.3. A ``classifier`` has a head for words, else there is none."""
    folder.mkdir(parents=True)
    # XLM-R numbers <pad> and <mask> beside SentencePiece's own.
    write_pieces(folder / "sentencepiece.bpe.model", dimensions.pieces - 2)
    config = XLMRobertaConfig(
        vocab_size=dimensions.pieces,
        hidden_size=dimensions.width,
        num_hidden_layers=dimensions.layers,
        num_attention_heads=dimensions.heads,
        intermediate_size=dimensions.feed_forward,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        **({"id2label": dict(enumerate(LABELS))} if classifier else {}),
    )
    torch.manual_seed(0)
    # Set below, all at once: initializing each layer takes longer.
    with torch.device("meta"):
        model = (AutoModelForTokenClassification if classifier else AutoModelForMaskedLM).from_config(config)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm.weight" in name or "layer_norm.weight" in name:
                weight.fill_(1.0)
            elif weight.dim() > 1:
                weight.normal_(0.0, 1.0 if name == "classifier.weight" else 0.02)
            else:
                weight.zero_()
    if safetensors:
        model.save_pretrained(folder, max_shard_size="100GB")
    else:
        # With the tied output layer, as old versions wrote it.
        left_out = ("position_ids", "token_type_ids")
        weights = {name: value for name, value in model.state_dict().items() if not name.endswith(left_out)}
        torch.save(weights, folder / "pytorch_model.bin")
    written = {
        "architectures": [type(model).__name__],
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": dimensions.width,
        "initializer_range": 0.02,
        "intermediate_size": dimensions.feed_forward,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 514,
        "model_type": "xlm-roberta",
        "num_attention_heads": dimensions.heads,
        "num_hidden_layers": dimensions.layers,
        "pad_token_id": 1,
        "position_embedding_type": "absolute",
        "transformers_version": "4.3.3",
        "type_vocab_size": 1,
        "use_cache": True,
        "vocab_size": dimensions.pieces,
    }
    if classifier:
        written["id2label"] = {str(number): label for number, label in enumerate(LABELS)}
        written["label2id"] = {label: number for number, label in enumerate(LABELS)}
    (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    mask = {"content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": True}
    special = {**SPECIAL_TOKENS, "mask_token": mask}
    (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")
    options = {**SPECIAL_TOKENS, "mask_token": {**mask, "__type": "AddedToken"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(options), encoding="utf-8")
