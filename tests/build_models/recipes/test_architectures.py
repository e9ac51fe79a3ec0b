"""Every variant of every architecture in the table, from tiny random checkpoints, against transformers' own answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from build_models.architectures import ARCHITECTURES
from build_models.artifacts.scores import open_artifact
from build_models.build import build
from build_models.recipes import dynamic
from service.ner.pipeline import Pipeline
from service.variants import VARIANTS
from tests.build_models.classifiers import TOKENIZERS, settings_for_every_variant, write_classifier

TRICKY = [
    "Rais Uhuru Kenyatta alitembelea Nairobi siku ya Jumatatu .",
    "Ààrẹ Bọ́lá Tinubu dé sí ìlú Èkó",
    "B\u006f\u0323\u0301la\u0301 e\u0301 NFD",
    "ጠቅላይ ሚኒስትሩ ትናንት አዲስ አበባ ገቡ ።",
    "a\u200bb soft\u00adhyphen … 2,000 Ng'ombe 👩🏾‍🌾 🇰🇪 Kano",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Kano",
]


def theirs(folder: Path, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The pieces that transformers makes of the words, and the logits of each word's first piece."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, attn_implementation="eager").eval()
    try:
        encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    except AssertionError:
        tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
        encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**encoded).logits[0].numpy()
    numbers = encoded.word_ids(0)
    heads = [place for place, word in enumerate(numbers) if word is not None and word != numbers[place - 1]]
    return encoded["input_ids"][0].numpy(), logits[heads]


def ours(pipeline: Pipeline, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    ((_, window),) = pipeline.encoder.windows(pipeline.encoder.encode_all(words))
    return window.input_ids, pipeline.runtime.logits(window.input_ids)[window.heads]


LIKE_OTHERS = {"camembert": "xlm-roberta", "electra": "bert", "xlm-roberta": "the bundled model"}
"""What reads pieces and names its layers like another that is tested more often."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in LIKE_OTHERS else []) for name in sorted(ARCHITECTURES)
    ],
)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The given checkpoint, and all variants made of it with a few texts."""
    folder = tmp_path_factory.mktemp(request.param)
    write_classifier(folder / "given", architecture=request.param)
    settings = settings_for_every_variant(folder, str(folder / "given"), max_length=64)
    with pytest.MonkeyPatch.context() as patch:
        # One of the fused graph and one of the plain one; test_dynamic.py has all of them.
        patch.setattr(dynamic, "CANDIDATES", [dynamic.CANDIDATES[0], dynamic.CANDIDATES[-1]])
        build(settings, list(VARIANTS))
    return folder / "given", folder / "out"


def test_the_table_is_what_the_tests_know() -> None:
    assert sorted(TOKENIZERS) == sorted(ARCHITECTURES)


def test_dense_is_the_model_itself(folders: tuple[Path, Path]) -> None:
    given, out = folders
    _, pipeline = open_artifact(out / "dense", 1)
    for text in TRICKY:
        pieces, logits = theirs(given, text.split())
        our_pieces, our_logits = ours(pipeline, text.split())
        assert our_pieces.tolist() == pieces.tolist()
        assert np.abs(our_logits - logits).max() < 1e-4
        assert (our_logits.argmax(axis=-1) == logits.argmax(axis=-1)).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_served_and_reads_documents_longer_than_a_window(
    folders: tuple[Path, Path], variant: str
) -> None:
    manifest, pipeline = open_artifact(folders[1] / variant, 1)
    words = " ".join(TRICKY * 6).split()
    tokens = pipeline.encoder.encode_all(words)
    windows = list(pipeline.encoder.windows(tokens))
    assert len(windows) > 3
    decided = [word for some, _ in windows for word in some]
    assert decided == [word for word, head in enumerate(tokens.heads) if head >= 0]
    for _, window in windows:
        assert np.isfinite(pipeline.runtime.logits(window.input_ids)).all()
    assert manifest.metrics == {}
    assert set(manifest.agreement) == {"dev", "test"}


def test_compression_compresses(folders: tuple[Path, Path]) -> None:
    made = {name: open_artifact(folders[1] / name, 1)[0] for name in VARIANTS}
    assert made["dense"].agreement["test"].f1 in (0.0, 1.0)
    assert made["pruned"].nonzero_parameters < 0.9 * made["dense"].nonzero_parameters
    assert made["distilled"].parameters < made["dense"].parameters
    assert made["dynamic"].artifact_bytes < made["dense"].artifact_bytes
    assert made["distilled-dynamic"].artifact_bytes < made["distilled"].artifact_bytes
    assert made["pocket"].artifact_bytes < made["distilled-dynamic"].artifact_bytes
