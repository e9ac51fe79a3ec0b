"""Pretraining on a corpus of a few lines, and what is said of corpora that cannot be used."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, CamembertConfig, XLMRobertaConfig, XLMRobertaForMaskedLM

from build_models.bases import pretraining as module
from build_models.bases.base import import_base
from build_models.bases.masked import hide, model_config
from build_models.bases.pretraining import RECORD, pretrain
from build_models.bases.shapes import SHAPES
from build_models.bases.streams import Streams, encode_lines, sampling_probabilities
from build_models.errors import BuildError
from build_models.training import loop as training
from build_models.workspace.workspace import Workspace, lock
from tests.build_models.conftest import tiny


def test_a_base_that_the_build_takes(base: Path, tmp_path: Path) -> None:
    import_base(str(base), None, 64, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert weights["roberta.embeddings.word_embeddings.weight"].shape == (len(tokenizer), SHAPES["tiny"].width)
    assert tokenizer.model_max_length == 512


def test_the_record_beside_a_base_says_how_it_was_made(base: Path) -> None:
    record = json.loads((base / RECORD).read_text(encoding="utf-8"))
    assert record["settings"]["steps"] == 4
    assert record["corpus"].keys() == {"hau", "swa"}
    assert all(language["pieces"] > 100 for language in record["corpus"].values())


def test_a_killed_pretraining_goes_on_to_the_same_weights(
    corpus: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    real: Callable[..., Tensor] = module.masked_loss
    steps = iter(range(10))

    def failing(*arguments: object) -> Tensor:
        if next(steps) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "masked_loss", failing)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny(corpus, tmp_path / "killed"))
    again = pretrain(tiny(corpus, tmp_path / "killed"))
    assert "resuming at step 2" in capsys.readouterr().err
    expected = load_file(base / "model.safetensors")
    for name, weight in load_file(again / "model.safetensors").items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=0)


def test_a_base_that_is_there_is_kept(base: Path, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(tiny(corpus, base))
    assert "unchanged, kept" in capsys.readouterr().err


def test_a_base_under_way_is_left_to_the_process_that_makes_it(corpus: Path, tmp_path: Path) -> None:
    with lock(tmp_path / ".base.lock"), pytest.raises(BuildError, match="Another process is pretraining"):
        pretrain(tiny(corpus, tmp_path / "base"))


def write(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("files", "languages", "said"),
    [
        ({"swa__txt": "Habari za leo\nJina lake \xff\n".encode("latin-1")}, None, r"swa\.txt, line 2: not UTF-8"),
        ({"swa__txt": b""}, None, r"swa\.txt has no text.*--languages"),
        ({"swa__txt": b"\n \n"}, None, r"swa\.txt has no text"),
        ({"swa__txt": b"Habari\n"}, ("swa", "hau"), r"has no hau; it has swa"),
        ({"swa__txt__xz": lzma.compress(b"Habari\n" * 90)[:-9]}, None, r"swa\.txt\.xz, after line \d+: cannot be read"),
        ({"readme__md": b"nothing"}, None, r"has no <language>\.txt or <language>\.txt\.xz"),
    ],
    ids=["invalid UTF-8", "empty", "blank", "missing language", "cut xz", "no text"],
)
def test_a_corpus_that_cannot_be_used(
    files: dict[str, bytes], languages: tuple[str, ...] | None, said: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, **files)
    with pytest.raises(BuildError, match=said):
        pretrain(tiny(folder, tmp_path / "out" / "base", languages=languages))
    assert not (tmp_path / "out" / "base").exists()


def test_a_text_shorter_than_a_row_is_named(corpus: Path, tmp_path: Path) -> None:
    write(tmp_path, hau__txt=(corpus / "hau.txt").read_bytes(), swa__txt=b"Habari za leo\n")
    with pytest.raises(BuildError, match=r"The text of swa has \d+ pieces, fewer than a row of 32"):
        pretrain(tiny(tmp_path, tmp_path / "out" / "base"))


@pytest.mark.parametrize(("shape", "millions"), [("small", 83.2), ("base", 111.5), ("large", 125.7)])
def test_the_named_shapes_have_afriberta_s_size(shape: str, millions: float) -> None:
    with torch.device("meta"):
        model = XLMRobertaForMaskedLM(model_config(SHAPES[shape], 70_006, 512, 0.1))
    assert sum(weight.numel() for weight in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_small_languages_are_drawn_more_often_than_their_share() -> None:
    sizes = [1000, 10]
    assert sampling_probabilities(sizes, 1.0) == pytest.approx([1000 / 1010, 10 / 1010])
    assert sampling_probabilities(sizes, 0.0) == pytest.approx([0.5, 0.5])
    assert sampling_probabilities(sizes, 0.5) == pytest.approx([10 / 11, 1 / 11])


def test_rows_are_the_same_for_the_same_step_and_cut_from_one_text(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    lines = ["Rais alikutana na wajumbe mjini Nairobi."] * 30
    pieces = encode_lines(tokenizer, lines, "swa")
    streams = Streams({"swa": pieces}, 1.0, 16, tokenizer.bos_token_id)
    rows = streams.draw(5, seed=1, step=7)
    assert rows.shape == (5, 16)
    assert torch.equal(rows, streams.draw(5, seed=1, step=7))
    assert not torch.equal(rows, streams.draw(5, seed=1, step=8))
    text = " ".join(map(str, pieces))
    for row in rows.tolist():
        assert row[0] == tokenizer.bos_token_id
        assert " ".join(map(str, row[1:])) in text


def test_a_folder_that_is_no_base_is_not_replaced(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bases" / "mini").mkdir(parents=True)
    (tmp_path / "bases" / "mini" / RECORD).write_text("{}")
    with pytest.raises(BuildError, match=r"bases exists but has no pretraining\.json"):
        pretrain(tiny(corpus, tmp_path / "bases"))
    assert (tmp_path / "bases" / "mini" / RECORD).exists()


def test_a_name_that_begins_another_leaves_its_progress_alone(tmp_path: Path) -> None:
    other, stale = tmp_path / ".mini.v2.0123456789abcdef", tmp_path / ".mini.0123456789abcdef"
    other.mkdir()
    stale.mkdir()
    Workspace(tmp_path).stage("mini", {}, lambda result, progress: None)
    assert other.exists()
    assert not stale.exists()


def test_hidden_pieces_become_the_mask_of_their_tokenizer() -> None:
    shown, chosen = hide(torch.full((20, 100), 7), 1.0, XLMRobertaConfig(vocab_size=50), mask=40)
    assert chosen.all()
    assert (shown == 40).float().mean() == pytest.approx(0.8, abs=0.05)
    assert not (shown == 49).any()


def test_special_pieces_are_not_hidden() -> None:
    rows = torch.tensor([[5, 11, 12, 6, 1]] * 100)
    _, chosen = hide(rows, 1.0, CamembertConfig(vocab_size=50, bos_token_id=5, eos_token_id=6), mask=40)
    assert (chosen == torch.tensor([False, True, True, False, False])).all()
