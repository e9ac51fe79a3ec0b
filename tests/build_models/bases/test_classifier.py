"""Token classifiers given by the user: what is taken, what is said of it, and what is refused with what to do."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForTokenClassification,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaForSequenceClassification,
)

from build_models.bases import classifier
from build_models.bases.base import import_base
from build_models.bases.classifier import Wanted, import_classifier, imported_head
from build_models.bases.probe import begins_inside_mostly
from build_models.errors import BuildError
from service.ner.encoder import Encoder
from tests.build_models.classifiers import IOB2, change_json, write_classifier


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "ner"
    write_classifier(folder)
    return folder


@pytest.fixture
def given(original: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may change."""
    return Path(shutil.copytree(original, tmp_path / "given"))


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A random model would be asked about a hundred sentences each time."""
    monkeypatch.setattr(classifier, "begins_inside_mostly", lambda *arguments: False)


def take(given: Path, tmp_path: Path, **options: object) -> Path:
    result = tmp_path / "result"
    result.mkdir()
    import_classifier(Wanted(str(given), **options), 64, 16, result)  # type: ignore[arg-type]
    return result


def same_weights(folder: Path, original: Path, tolerance: float = 0.0) -> bool:
    ours, theirs = (
        AutoModelForTokenClassification.from_pretrained(path, torch_dtype=torch.float32).state_dict()
        for path in (folder, original)
    )
    return all(torch.allclose(ours[key], value, rtol=0, atol=tolerance) for key, value in theirs.items())


def test_weights_labels_and_their_order_are_taken(given: Path, original: Path, tmp_path: Path) -> None:
    labels = ["I-LOC", "O", "B-LOC", "B-PER", "I-PER"]
    change_json(given / "config.json", id2label=dict(enumerate(labels)))
    result = take(given, tmp_path)
    assert imported_head(result) == (labels, "IOB2")
    assert same_weights(result, original)
    assert [path.name for path in result.glob("*.safetensors")] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (("I-PER", "O", "I-LOC", "B-LOC", "I-ORG"), "IOB1"),
        (("PER", "O", "LOC", "ORG", "DATE"), "IO"),
        (("O", "B-PER", "I-PER", "L-PER", "U-PER"), "BILOU"),
        (("O", "B-PER", "I-PER", "E-PER", "S-PER"), "IOBES"),
    ],
)
def test_the_scheme_is_recognized(given: Path, tmp_path: Path, labels: tuple[str, ...], scheme: str) -> None:
    change_json(given / "config.json", id2label=dict(enumerate(labels)))
    assert imported_head(take(given, tmp_path)) == (list(labels), scheme)


def test_labels_and_scheme_given_by_the_user(given: Path, tmp_path: Path) -> None:
    change_json(given / "config.json", id2label={number: f"LABEL_{number}" for number in range(5)})
    head = imported_head(take(given, tmp_path, labels=IOB2, scheme="IOB1"))
    assert head == (list(IOB2), "IOB1")


def half(given: Path, kind: torch.dtype) -> None:
    weights = {key: value.to(kind) for key, value in load_file(given / "model.safetensors").items()}
    save_file(weights, given / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(("kind", "named"), [(torch.float16, "F16"), (torch.bfloat16, "BF16")])
def test_half_precision_is_read_as_fp32(
    given: Path, original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: torch.dtype, named: str
) -> None:
    half(given, kind)
    result = take(given, tmp_path)
    assert {value.dtype for value in load_file(result / "model.safetensors").values()} == {torch.float32}
    assert same_weights(result, given)
    assert f"stored as {named} and read as F32" in capsys.readouterr().err


def test_sharded_weights(given: Path, original: Path, tmp_path: Path) -> None:
    model = AutoModelForTokenClassification.from_pretrained(given)
    (given / "model.safetensors").unlink()
    model.save_pretrained(given, max_shard_size="20KB")
    assert len(list(given.glob("model-*-of-*.safetensors"))) > 1
    assert same_weights(take(given, tmp_path), original)


def test_weights_and_files_that_are_not_used_are_named(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(given / "model.safetensors")
    weights["roberta.pooler.dense.weight"] = torch.zeros(32, 32)
    save_file(weights, given / "model.safetensors", {"format": "pt"})
    (given / "optimizer.pt").write_bytes(b"state")
    (given / "pytorch_model.bin").write_bytes(b"old")
    (given / "README.md").write_text("A model.")
    take(given, tmp_path)
    said = " ".join(capsys.readouterr().err.split())
    assert "files that are not used: optimizer.pt, pytorch_model.bin" in said
    assert "README" not in said
    assert "weights that are not used: roberta.pooler.dense.weight" in said


def test_a_model_that_begins_entities_with_i_is_recognized(tmp_path: Path) -> None:
    """Its labels fit IOB2; only its answers say that it is IOB1."""
    folder = tmp_path / "given"
    model = write_classifier(folder)
    for label, expected in ((2, True), (1, False)):
        with torch.no_grad():
            model.classifier.weight.zero_()
            model.classifier.bias.copy_(torch.eye(5)[label])
        assert begins_inside_mostly(model, Encoder.from_folder(folder, 64, 16), IOB2) == expected


def labels(*names: str) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / "config.json", id2label=dict(enumerate(names)))


def no_scheme_named(folder: Path) -> None:
    change_json(folder / "config.json", id2label=None, label2id=None)


def short_head(folder: Path) -> None:
    labels("O", "B-PER", "I-PER")(folder)


def slow_tokenizer(folder: Path) -> None:
    for path in (*folder.glob("token*"), *folder.glob("sentencepiece*"), *folder.glob("special*")):
        path.unlink()
    (folder / "vocab.json").write_text('{"a": 0, "<unk>": 1}')
    change_json(folder / "config.json")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')


def other(model_class: type) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        config = XLMRobertaConfig.from_pretrained(folder, num_labels=2)
        (folder / "model.safetensors").unlink()
        model_class(config).save_pretrained(folder)

    return write


def adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "xlm-roberta-base"}')


def gguf(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "model-q4.gguf").write_bytes(b"GGUF")


def nan(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def headless(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "classifier" not in k}, folder / "model.safetensors", {"format": "pt"}
    )


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def pointer(folder: Path) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 443000000\n"
    (folder / "model.safetensors").write_text(text)


def positions(folder: Path) -> None:
    shutil.rmtree(folder)
    write_classifier(folder, max_position_embeddings=34)


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def no_frame(folder: Path) -> None:
    change_json(folder / "tokenizer.json", post_processor=None)
    # transformers would put XLM-R's own frame back.
    change_json(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (labels("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"), r"what its labels mean .*--labels O,B-PER"),
        (no_scheme_named, r"no id2label in config.json\): name them in the order of its head"),
        (labels("NOUN", "VERB", "ADJ", "ADV", "X"), r"follow none of IOB2, IOB1, IO, BILOU, IOBES.*no O.*--labels"),
        (labels("O", "B-PER", "I-PER", "LOC", "ORG"), r"not a list of IOB2 labels: LOC"),
        (labels("O", "B-PER", "I-PER", "B-PER", "I-LOC"), r"labels that mean the same: B-PER"),
        (short_head, r"has a head for 5 labels and 3 names for them \(O, B-PER, I-PER\)"),
        (slow_tokenizer, r"only a slow tokenizer \(ByT5Tokenizer\).*tokenizer.json"),
        (broken_tokenizer, r"has no tokenizer that transformers can load"),
        (no_frame, r"cannot be read by windows: the tokenizer puts 0 special pieces around a text"),
        (other(XLMRobertaForSequenceClassification), r"ForSequenceClassification: it labels whole texts.*--base"),
        (other(XLMRobertaForMaskedLM), r"ForMaskedLM: it finds hidden pieces.*--base"),
        (pointer, r"model.safetensors is a Git LFS pointer, not the file itself: run git lfs pull"),
        (gguf, r"is a GGUF file, which holds weights for llama.cpp: give the checkpoint"),
        (adapter, r"is a PEFT adapter without its base: merge the two \(merge_and_unload"),
        (lambda folder: change_json(folder / "config.json", auto_map={"AutoModel": "m.M"}), r"runs no code that comes"),
        (
            lambda folder: change_json(folder / "config.json", model_type="t5"),
            r"is a t5 model; Kidogo works",
        ),
        (
            lambda folder: change_json(folder / "config.json", quantization_config={"load_in_8bit": True}),
            r"is quantized already",
        ),
        (lambda folder: (folder / "config.json").unlink(), r"it has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"it has no weights \(model.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config.json cannot be read"),
        (nan, r"holds NaN or infinity in classifier.bias"),
        (headless, r"has no weights for classifier.bias, classifier.weight: it is not fine-tuned"),
        (cut, r"is not a checkpoint that transformers can load"),
        (positions, r"reads 32 pieces at most: give a --max-length"),
    ],
    ids=lambda value: getattr(value, "__name__", "") if callable(value) else value[:30],
)
def test_what_cannot_be_taken_says_why(
    given: Path, tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    change(given)
    with pytest.raises(BuildError, match=message) as caught:
        take(given, tmp_path)
    assert str(caught.value).startswith(str(given))
    assert "\n" not in str(caught.value)


def test_labels_of_another_number_are_refused(given: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"has 5 labels and --labels names 2"):
        take(given, tmp_path, labels=("O", "PER"))


def test_a_gguf_file_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(BuildError, match="is a GGUF file"):
        import_classifier(Wanted(str(tmp_path / "m.gguf")), 64, 16, tmp_path)
    with pytest.raises(BuildError, match="is not a folder"):
        import_classifier(Wanted("./nowhere"), 64, 16, tmp_path)


def test_a_base_with_a_trained_head_says_that_it_is_dropped(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_base(str(given), None, 64, tmp_path)
    said = " ".join(capsys.readouterr().err.split())
    assert "its head is dropped (classifier.bias, classifier.weight)" in said
    assert re.search(r"To keep it, give --model \S*given", said)
    assert not [key for key in load_file(tmp_path / "model.safetensors") if key.startswith("classifier")]


def test_the_record_of_an_import(given: Path, tmp_path: Path) -> None:
    record = json.loads((take(given, tmp_path) / "source.json").read_text())
    unknown = dict.fromkeys(("name", "asked", "commit", "licence"))
    assert record == {**unknown, "labels": list(IOB2), "scheme": "IOB2"}


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: cc-by-4.0\n---\n# A model\n", "cc-by-4.0"),
        ("# A model\n", None),
        ("---\nlicense: [\n---\n", None),
    ],
)
def test_the_licence_is_what_the_model_card_says(given: Path, tmp_path: Path, card: str, licence: str | None) -> None:
    (given / "README.md").write_text(card)
    assert json.loads((take(given, tmp_path) / "source.json").read_text())["licence"] == licence
