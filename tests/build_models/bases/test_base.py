"""Bases given by the user: AfriBERTa's layout builds, and whatever cannot work says what is wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
import torch
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
from build_models.bases import base
from build_models.bases.base import import_base, train_tokenizer
from build_models.build import build
from build_models.data.hub import load_hub_data
from build_models.data.loading import load_data
from build_models.errors import BuildError, DataError
from service.artifacts.manifest import verify
from service.evaluation.reading import Rules
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


def test_the_commit_that_the_hub_gave_is_recorded(
    tmp_path: Path, sentencepiece_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_checkpoint(tmp_path / "afriberta_tiny", sentencepiece_model)
    load = base.AutoModelForMaskedLM.from_pretrained

    def from_the_hub(*arguments: object, **options: object) -> tuple[XLMRobertaForMaskedLM, dict[str, object]]:
        model, loading = load(*arguments, **options)
        model.config._commit_hash = "c0ffee"
        return model, loading

    monkeypatch.setattr(base.AutoModelForMaskedLM, "from_pretrained", from_the_hub)
    settings = replace(
        TINY, out=tmp_path / "out", base=str(checkpoint), languages=("swa",), sample_sentences=10,
        finetune=replace(TINY.finetune, epochs=1),
    )  # fmt: skip
    (manifest,) = build(settings, ["dense"])
    assert manifest.base_revision == "c0ffee"


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


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (no_checkpoint, r"is not a checkpoint that transformers can load: .+"),
        (cut_weights, r"is not a checkpoint that transformers can load: .+"),
        (broken_pickle, r"is not a checkpoint that transformers can load: .+"),
        (broken_tokenizer, r"is not a checkpoint that transformers can load: .+"),
        (small_vocabulary, r"its tokenizer has 400 pieces but its model only 300 embeddings"),
        (few_positions, r"supports at most 32 pieces: pass --max-length 32"),
        (megatron_bert, r"is a megatron-bert model; Kidogo works with bert, camembert, .+"),
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
            "masakhane/masakhaner (refs/convert/parquet) could not be downloaded from the hub",
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


LABELS = ["O", "B-PER", "I-PER"]
TAGS = datasets.Sequence(datasets.ClassLabel(names=LABELS))
WORDS = datasets.Sequence(datasets.Value("string"))


def rows(
    tags: object = TAGS, column: str = "ner_tags", splits: tuple[str, ...] = ("train", "validation", "test")
) -> datasets.DatasetDict:
    """A data set of one sentence a split, as the hub's client gives it."""
    features = datasets.Features({"tokens": WORDS, column: tags})
    return datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict({"tokens": [["Uhuru", "Kenyatta", split]], column: [[1, 2, 0]]}, features)
            for split in splits
        }
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str, str], object]:
    """Stands in for the hub: what is put here under identifier, configuration and revision can be loaded."""
    there: dict[tuple[str, str, str], object] = {}

    def configurations(identifier: str, revision: str) -> list[str]:
        found = [key[1] for key in there if (key[0], key[2]) == (identifier, revision)]
        if not found:
            raise datasets.exceptions.DatasetNotFoundError(f"{identifier} is not there")
        return found

    monkeypatch.setattr(datasets, "get_dataset_config_names", configurations)
    monkeypatch.setattr(datasets, "load_dataset", lambda name, language, revision: there[name, language, revision])
    return there


def test_data_of_the_hub_is_read(hub: dict[tuple[str, str, str], object]) -> None:
    for language in ("yor", "hau", "swa"):
        hub["masakhane/masakhaner", language, "refs/convert/parquet"] = rows()
    data = load_hub_data("masakhaner", ["swa", "hau"], None)
    assert data.languages == ["hau", "swa"]
    assert data.label_list == LABELS
    assert len(data.train) == len(data.dev) == len(data.test) == 2
    assert data.dev[0].words == ["Uhuru", "Kenyatta", "validation"]
    assert data.dev[0].labels == ["B-PER", "I-PER", "O"]
    assert load_data("masakhaner", None, None, 1, 1).languages == ["hau", "swa", "yor"]


def test_a_revision_and_an_identifier_are_passed_on(hub: dict[tuple[str, str, str], object]) -> None:
    hub["somebody/names", "run", "abc123"] = rows()
    assert load_hub_data("somebody/names", None, "abc123").languages == ["run"]
    with pytest.raises(
        BuildError, match=r"somebody/names \(def456\) could not be downloaded .* somebody/names is not there"
    ):
        load_hub_data("somebody/names", None, "def456")


def test_a_language_that_the_hub_has_not(hub: dict[tuple[str, str, str], object]) -> None:
    hub["masakhane/masakhaner", "hau", "refs/convert/parquet"] = rows()
    with pytest.raises(BuildError, match=r"has no xxx; it has hau"):
        load_hub_data("masakhaner", ["xxx"], None)


def many_rows(splits: tuple[str, ...], tokens: list[list[str]], tags: list[list[str]]) -> datasets.DatasetDict:
    """The same sentences in each split, labels as strings."""
    features = datasets.Features({"tokens": WORDS, "ner_tags": WORDS})
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_dict({"tokens": tokens, "ner_tags": tags}, features) for split in splits}
    )


def test_rows_of_the_hub_are_cleaned_like_files(
    hub: dict[tuple[str, str, str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    tokens, tags = [["", "Uhuru Kenyatta", "yuko"]], [["I-PER", "I-PER", "O"]]
    hub["somebody/names", "swa", "x"] = many_rows(("train", "validation", "test"), tokens, tags)
    data = load_hub_data("somebody/names", None, "x")
    assert data.train[0][1:] == (["Uhuru", "Kenyatta", "yuko"], ["B-PER", "I-PER", "O"])
    said = capsys.readouterr().err
    assert "labels in IO converted to IOB2" in said
    assert "left out: 3 empty tokens (first: somebody/names, swa, train, row 0, token 0)" in said
    assert "3 tokens with white space inside split into words" in said
    with pytest.raises(DataError, match="somebody/names, swa, train, row 0, token 0: the token is empty"):
        load_hub_data("somebody/names", None, "x", rules=Rules(strict=True))


def test_missing_splits_of_the_hub_are_cut(hub: dict[tuple[str, str, str], object]) -> None:
    tokens = [[f"Mtu{number}", "yuko"] for number in range(50)]
    hub["somebody/names", "swa", "x"] = many_rows(("train",), tokens, [["B-PER", "O"]] * 50)
    data = load_hub_data("somebody/names", None, "x")
    assert (len(data.train), len(data.dev), len(data.test)) == (40, 5, 5)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (rows(column="entities"), r"hau, train: expected the columns tokens and ner_tags; it has tokens, entities"),
        (rows(splits=("validation", "test")), r"has no train split; it has dev, test"),
        (rows(tags=datasets.Sequence(datasets.Value("int64"))), r"hau, train: ner_tags are neither class labels"),
    ],
    ids=["other columns", "no train", "numbers"],
)
def test_data_of_the_hub_with_another_shape(
    hub: dict[tuple[str, str, str], object], found: object, message: str
) -> None:
    hub["masakhane/masakhaner", "hau", "refs/convert/parquet"] = found
    with pytest.raises(DataError, match=message):
        load_hub_data("masakhaner", None, None)
