"""Uploaded variants, read by transformers.js in Node as the service reads them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from build_models.architectures import ARCHITECTURES
from build_models.artifacts.scores import open_artifact
from build_models.build import build
from build_models.recipes import dynamic
from build_models.settings import BUNDLED
from service.variants import VARIANTS
from tests import ROOT
from tests.build_models.classifiers import settings_for_every_variant, write_classifier
from tests.hub.commands import Commands
from tests.hub.server import TOKEN, Hub

pytestmark = pytest.mark.slow

VERSION = "4.3.2"
PUSHED = [variant for variant in VARIANTS if variant != "int8"]
TEXTS = [
    "Rais Uhuru Kenyatta alitembelea Nairobi siku ya Jumatatu .",
    "Ààrẹ Bọ́lá Tinubu dé sí ìlú Èkó",
    "Bo\u0323la\u0301 e\u0301 NFD",
    "ጠቅላይ ሚኒስትር ኃይለማርያም ደሳለኝ ትናንት አዲስ አበባ ገቡ ። የሥራ ዕድል ፀሐይ ዓለም",
    "Ndị ọchịchị nọ n'Abuja kwuru … 2,000 Ng'ombe ﬁ № 🇰🇪 Kano",
]


@pytest.fixture(scope="session")
def with_transformers_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which Node finds it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node with npm")
    folder = tmp_path_factory.mktemp("transformers-js")
    # The scripts of these packages would only download libraries for GPUs.
    options = ["--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
    done = subprocess.run(
        ["npm", "install", *options, f"@huggingface/transformers@{VERSION}"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot install transformers.js: {done.stderr.strip()}")
    return folder


@pytest.mark.parametrize("model", [BUNDLED, *sorted(ARCHITECTURES)])
def test_words_are_labelled_as_served(
    with_transformers_js: Path,
    hub: Hub,
    commands: Commands,
    tmp_path: Path,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if model != BUNDLED:
        write_classifier(tmp_path / "given", architecture=model)
    settings = settings_for_every_variant(
        tmp_path, model if model == BUNDLED else str(tmp_path / "given"), max_length=128
    )
    monkeypatch.setattr(dynamic, "CANDIDATES", [dynamic.CANDIDATES[0], dynamic.CANDIDATES[-1]])
    build(settings, PUSHED)
    for variant in PUSHED:
        done = commands.run(
            "push", "--variant", variant, "--repo", f"me/{model}-{variant}", "--out", settings.out, HF_TOKEN=TOKEN
        )
        assert done.status == 0, done.said
    types = {f"me/{model}-{variant}": "q8" if "dynamic" in variant else "fp32" for variant in PUSHED}
    done = subprocess.run(
        ["node", str(ROOT / "tests" / "hub" / "transformers_js.mjs"), hub.url],
        input=json.dumps({"texts": TEXTS, "repositories": types}), cwd=with_transformers_js,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    for variant in PUSHED:
        manifest, pipeline = open_artifact(settings.out / variant, 1)
        for text, answer in zip(TEXTS, answers[f"me/{model}-{variant}"], strict=True):
            ((_, window),) = pipeline.encoder.windows(pipeline.encoder.encode_all(text.split()))
            assert answer["pieces"] == window.input_ids.tolist()
            labels = [manifest.labels[number] for number in pipeline.runtime.logits(window.input_ids).argmax(axis=-1)]
            assert [answer["labels"][head] for head in window.heads] == [labels[head] for head in window.heads]
            # The pipeline itself is silent on unknown pieces and on spaces alone.
            assert answer["answered"]
            for answered in answer["answered"]:
                assert answered["entity"] == answer["labels"][answered["index"]]
