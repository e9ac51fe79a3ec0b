"""Tiny token classifiers with random weights, in the layout in which the hub has them, one for each architecture."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tokenizers.implementations import BertWordPieceTokenizer, ByteLevelBPETokenizer
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    BertTokenizerFast,
    CamembertTokenizerFast,
    DebertaV2TokenizerFast,
    DistilBertTokenizerFast,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
    XLMRobertaTokenizerFast,
)

from build_models.settings import BuildSettings, DistillationSettings, FinetuneSettings, PocketSettings
from tests.service.conftest import TEXTS

IOB2 = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
CORPUS = TEXTS * 8


def wordpiece(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = BertWordPieceTokenizer(lowercase=False)
    tokenizer.train_from_iterator(CORPUS, vocab_size=400, show_progress=False)
    tokenizer.save_model(str(folder))
    return BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False, model_max_length=512)


def distilbert(folder: Path) -> PreTrainedTokenizerBase:
    wordpiece(folder)
    return DistilBertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False, model_max_length=512)


def byte_level(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(CORPUS, vocab_size=500, special_tokens=special, show_progress=False)
    tokenizer.save_model(str(folder))
    return RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=512)


def modern(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=512, model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def _sentencepiece(folder: Path, name: str, **options: object) -> str:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_prefix=str(folder / name), vocab_size=300, hard_vocab_limit=False,
        minloglevel=2, num_threads=1, **options,
    )  # fmt: skip
    return str(folder / f"{name}.model")


def xlm_r(folder: Path) -> PreTrainedTokenizerBase:
    return XLMRobertaTokenizerFast(vocab_file=_sentencepiece(folder, "sentencepiece.bpe"), model_max_length=512)


def camembert(folder: Path) -> PreTrainedTokenizerBase:
    return CamembertTokenizerFast(vocab_file=_sentencepiece(folder, "sentencepiece.bpe"), model_max_length=512)


def deberta(folder: Path) -> PreTrainedTokenizerBase:
    pieces = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    names = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    model = _sentencepiece(folder, "spm", **pieces, **names)
    return DebertaV2TokenizerFast(vocab_file=model, model_max_length=512)


TOKENIZERS: dict[str, Callable[[Path], PreTrainedTokenizerBase]] = {
    "bert": wordpiece,
    "camembert": camembert,
    "deberta-v2": deberta,
    "distilbert": distilbert,
    "electra": wordpiece,
    "modernbert": modern,
    "roberta": byte_level,
    "xlm-roberta": xlm_r,
}


def write_classifier(
    folder: Path, labels: Sequence[str] = IOB2, architecture: str = "xlm-roberta", **changes: object
) -> PreTrainedModel:
    """Write a checkpoint; ``changes`` go into its configuration."""
    folder.mkdir(parents=True)
    tokenizer = TOKENIZERS[architecture](folder)
    tokenizer.save_pretrained(folder)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    if architecture == "distilbert":
        size = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
    if architecture == "electra":
        size["embedding_size"] = 32
    if architecture == "deberta-v2":
        # As in DeBERTa-v3.
        size |= {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
        size |= {"norm_rel_ebd": "layer_norm", "share_att_key": True, "position_buckets": 32, "type_vocab_size": 0}
    from_padding = architecture in ("xlm-roberta", "roberta", "camembert")
    options = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 514 if from_padding else 512,
        "pad_token_id": tokenizer.pad_token_id,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    config = AutoConfig.for_model(architecture, **options, **size)
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForTokenClassification.from_config(config)
    with torch.no_grad():
        # Far from uniform, so that labels hang on no rounding.
        model.classifier.weight.mul_(20)
    model.save_pretrained(folder)
    return model


def change_json(path: Path, **changes: object) -> None:
    """Set keys of a JSON file; None removes one."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), encoding="utf-8")


def settings_for_every_variant(folder: Path, model: str, max_length: int) -> BuildSettings:
    """A quick build of any variant of ``model``, taught by a few texts in ``folder``, into ``folder / "out"``."""
    (folder / "texts.txt").write_text("\n".join(f"{text} {number}" for number, text in enumerate(CORPUS)))
    return BuildSettings(
        out=folder / "out",
        model=model,
        texts=folder / "texts.txt",
        model_scheme="IOB2",
        max_length=max_length,
        overlap=16,
        dynamic_timed=False,
        finetune=replace(FinetuneSettings.of_given(), epochs=1),
        distillation=DistillationSettings(),
        pocket=PocketSettings(width=16, layers=1, hidden_epochs=1, epochs=1),
    )
