"""Bases given by the user: AfriBERTa's layout builds, and whatever cannot work says what is wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import processors
from transformers import (
    AutoTokenizer,
    BertTokenizer,
    MegatronBertConfig,
    MegatronBertForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.bases import source
from build_models.bases.base import import_base, train_tokenizer
from build_models.build import build
from build_models.data.loading import load_data
from build_models.errors import BuildError
from build_models.workspace.workspace import Workspace
from service.artifacts.manifest import verify
from tests.build_models.classifiers import change_json, write_classifier
from tests.build_models.conftest import TINY

MASK = {"content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False, "single_word": False}
SPECIAL = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": MASK,
}


@pytest.fixture(scope="session")
def sentencepiece_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [" ".join(sentence.words) for sentence in load_data(None, ("swa",), None, 1, 100).train]
    folder = tmp_path_factory.mktemp("pieces")
    train_tokenizer(texts, 400, folder)
    return folder / "sentencepiece.bpe.model"


def write_checkpoint(
    folder: Path, pieces: Path, weights: str = "model.safetensors", vocabulary: int = 400, positions: int = 514
) -> Path:
    """The files of ``castorini/afriberta_base`` with its configuration, only smaller.

    Its tokenizer states no ``model_max_length`` and has no ``tokenizer.json``.
    """
    folder.mkdir()
    shutil.copy(pieces, folder / "sentencepiece.bpe.model")
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**SPECIAL, "mask_token": {**MASK, "__type": "AddedToken"}})
    )
    torch.manual_seed(1)
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=96,
        max_position_embeddings=positions,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    model = XLMRobertaForMaskedLM(config)
    model.save_pretrained(folder, safe_serialization=True)
    if weights == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / weights)
    return folder


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_checkpoint_with_afriberta_s_layout_builds(tmp_path: Path, sentencepiece_model: Path, weights: str) -> None:
    checkpoint = write_checkpoint(tmp_path / "afriberta_tiny", sentencepiece_model, weights)
    settings = replace(
        TINY,
        out=tmp_path / "out",
        base=str(checkpoint),
        base_revision="0123abc",
        languages=("swa",),
        sample_sentences=20,
        finetune=replace(TINY.finetune, epochs=1),
    )
    (manifest,) = build(settings, ["dense"])
    verify(settings.out / "dense", manifest)
    assert (manifest.base_model, manifest.base_revision) == ("afriberta_tiny", "0123abc")
    assert manifest.parent == "afriberta_tiny"
    # The encoder's own weights are the start: what was imported is what was given.
    imported = XLMRobertaForMaskedLM.from_pretrained(settings.out / ".work" / "base").state_dict()
    given = XLMRobertaForMaskedLM.from_pretrained(checkpoint).state_dict()
    assert all(torch.equal(imported[name], value) for name, value in given.items())
    tokenizer = AutoTokenizer.from_pretrained(settings.out / "dense")
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == 512
    text = "Rais William Ruto alifika mjini Nairobi."
    slow = AutoTokenizer.from_pretrained(checkpoint, use_fast=False)
    assert tokenizer(text)["input_ids"] == slow(text)["input_ids"]
    assert [path.name for path in settings.out.rglob("*.bin")] == []


def test_another_base_is_built_anew(tmp_path: Path, sentencepiece_model: Path) -> None:
    """The same folder with other weights is another base."""
    checkpoint = write_checkpoint(tmp_path / "afriberta_tiny", sentencepiece_model)
    settings = replace(
        TINY, out=tmp_path / "out", base=str(checkpoint), languages=("swa",), sample_sentences=10,
        finetune=replace(TINY.finetune, epochs=1),
    )  # fmt: skip
    (first,) = build(settings, ["dense"])
    model = XLMRobertaForMaskedLM.from_pretrained(checkpoint)
    with torch.no_grad():
        model.roberta.embeddings.word_embeddings.weight.mul_(0.5)
    model.save_pretrained(checkpoint)
    (second,) = build(settings, ["dense"])
    assert first.parent_digest != second.parent_digest
    assert first.digest != second.digest


@pytest.mark.parametrize("command", [["--variants", "dense", "--out", "out"], ["experiments", "pretraining"]])
def test_words_are_respelled_only_with_sentencepiece(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_classifier(tmp_path / "given", architecture="bert")
    options = ["--base", "./given", "--regularize", "--languages", "swa", "--sample-sentences", "10"]
    answer = CliRunner().invoke(cli, [*command, *options], env={"COLUMNS": "400"})
    assert answer.exit_code == 1
    assert "given has no sentencepiece.bpe.model, which respelling words needs: leave out --regularize" in answer.output


def no_checkpoint(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing")


def cut_weights(folder: Path, pieces: Path) -> None:
    weights = write_checkpoint(folder, pieces) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def broken_pickle(folder: Path, pieces: Path) -> None:
    (write_checkpoint(folder, pieces, "pytorch_model.bin") / "pytorch_model.bin").write_bytes(b"not weights")


def broken_tokenizer(folder: Path, pieces: Path) -> None:
    (write_checkpoint(folder, pieces) / "sentencepiece.bpe.model").write_bytes(b"not a model")


def small_vocabulary(folder: Path, pieces: Path) -> None:
    write_checkpoint(folder, pieces, vocabulary=300)


def few_positions(folder: Path, pieces: Path) -> None:
    write_checkpoint(folder, pieces, positions=34)


def megatron_bert(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rais"]))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = MegatronBertConfig(
        vocab_size=6, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    MegatronBertForMaskedLM(config).save_pretrained(folder)


def pointers(folder: Path, pieces: Path) -> None:
    """What git without LFS leaves of a clone."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 443000000\n"
    (write_checkpoint(folder, pieces) / "model.safetensors").write_text(pointer)


def own_code(folder: Path, pieces: Path) -> None:
    change_json(write_checkpoint(folder, pieces) / "config.json", auto_map={"AutoModel": "model.Model"})
    (folder / "model.py").write_text("raise SystemExit(3)")


def adapter(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"")


def gguf(folder: Path, _: Path) -> None:
    folder.mkdir()
    (folder / "model-q4.gguf").write_bytes(b"GGUF")


def missing_layer(folder: Path, pieces: Path) -> None:
    weights = write_checkpoint(folder, pieces) / "model.safetensors"
    some = {name: value for name, value in load_file(weights).items() if ".layer.1." not in name}
    save_file(some, weights, {"format": "pt"})


def not_a_number(folder: Path, pieces: Path) -> None:
    weights = write_checkpoint(folder, pieces) / "model.safetensors"
    values = load_file(weights)
    values["roberta.embeddings.LayerNorm.bias"][0] = float("nan")
    save_file(values, weights, {"format": "pt"})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (no_checkpoint, r"is not a checkpoint that transformers can load: .+"),
        (cut_weights, r"is not a checkpoint that transformers can load: .+"),
        (broken_pickle, r"is not a checkpoint that transformers can load: .+"),
        (broken_tokenizer, r"has no tokenizer that transformers can load: .+"),
        (small_vocabulary, r"its tokenizer has 400 pieces but its model only 300 embeddings"),
        (few_positions, r"supports at most 32 pieces: pass --max-length 32"),
        (megatron_bert, r"is a megatron-bert model; Kidogo works with bert, camembert, .+"),
        (pointers, r"model.safetensors is a Git LFS pointer, not the file itself: run git lfs pull"),
        (own_code, r"requires custom code \(auto_map\); Kidogo runs no code that comes with a model"),
        (adapter, r"is a PEFT adapter without its base: merge the two"),
        (gguf, r"is a GGUF file, which holds weights for llama.cpp"),
        (missing_layer, r"has no weights for roberta.encoder.layer.1.\S+.* and \d+ more: they are incomplete"),
        (not_a_number, r"holds NaN or infinity in roberta.embeddings.LayerNorm.bias"),
        (lambda folder, _: None, r"is not a folder"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_a_base_says_why(
    tmp_path: Path, sentencepiece_model: Path, write: Callable[[Path, Path], None], message: str
) -> None:
    folder = tmp_path / "given"
    write(folder, sentencepiece_model)
    (tmp_path / "result").mkdir()
    with pytest.raises(BuildError, match=message) as caught:
        import_base(str(folder), None, 64, tmp_path / "result")
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "result").iterdir()) == []


def test_a_branch_of_the_hub_that_moved_is_imported_anew(
    tmp_path: Path, sentencepiece_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = write_checkpoint(tmp_path / "given", sentencepiece_model)
    imported: list[str] = []

    def import_this(name: str, revision: str | None, max_length: int, folder: Path) -> None:
        imported.append(name)
        import_base(str(given), revision, max_length, folder)

    monkeypatch.setattr(source, "import_base", import_this)
    settings = replace(TINY, out=tmp_path / "out", base="someone/base", max_length=64)
    dataset = load_data(None, ("swa",), None, 1, 10)
    for commit in ("first", "first", "second"):
        monkeypatch.setattr(source, "commit_of", lambda *_, commit=commit: commit)
        source.open_base(settings, dataset, Workspace(tmp_path / ".work"))
    assert imported == ["someone/base"] * 2


def test_a_tokenizer_without_special_pieces_is_refused(tmp_path: Path, sentencepiece_model: Path) -> None:
    folder = write_checkpoint(tmp_path / "given", sentencepiece_model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel()
    tokenizer.save_pretrained(folder)
    (folder / "sentencepiece.bpe.model").unlink()
    (tmp_path / "result").mkdir()
    with pytest.raises(BuildError, match="cannot be read by windows: the tokenizer puts 0 special pieces"):
        import_base(str(folder), None, 64, tmp_path / "result")


@pytest.mark.parametrize(
    ("options", "begins", "ends"),
    [
        (
            ["--base", "castorini/afriberta_base", "--languages", "swa", "--sample-sentences", "10"],
            "castorini/afriberta_base could not be downloaded from the hub",
            "If this machine is offline, download it elsewhere and pass the folder: --base ./afriberta_base",
        ),
        (
            ["--data", "masakhaner", "--languages", "swa"],
            "masakhane/masakhaner could not be downloaded from the hub",
            "download the CoNLL files elsewhere and pass the folder: --data ./masakhaner",
        ),
    ],
    ids=["base", "data"],
)
def test_the_hub_out_of_reach_is_one_line_that_says_what_to_do(
    tmp_path: Path, options: list[str], begins: str, ends: str
) -> None:
    """Without a network by the hub client's own switch."""
    result = CliRunner().invoke(cli, [*options, "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    (error,) = (line for line in result.stderr.splitlines() if "error: " in line)
    assert begins in error
    assert error.endswith(ends)
