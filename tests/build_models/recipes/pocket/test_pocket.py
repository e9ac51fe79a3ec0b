"""``pocket`` as it is built, wished for and read elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optimum.onnxruntime import ORTModelForTokenClassification
from transformers import AutoTokenizer

from build_models.artifacts.scores import open_artifact
from build_models.bases.shapes import Shape
from build_models.build import build, open_context
from build_models.data.sample.generate import generate_sample
from build_models.errors import BuildError
from build_models.recipes.pocket import pocket
from build_models.recipes.pocket.pocket import answers_of_dense, training_of, trimmed
from build_models.settings import BuildSettings, FinetuneSettings, PocketSettings
from build_models.workspace.workspace import Workspace
from service.artifacts.manifest import Manifest
from service.ner.pipeline import label_sentences
from tests.build_models.classifiers import write_classifier
from tests.build_models.conftest import Built

SHAPE = PocketSettings(width=16, layers=1, hidden_epochs=1, epochs=1)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> BuildSettings:
    """A tiny classifier and texts enough to choose pieces by."""
    folder = tmp_path_factory.mktemp("given")
    write_classifier(folder / "model", architecture="bert")
    lines = [" ".join(sentence.words) for sentence in generate_sample(["swa"], 1, 150).train]
    (folder / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    return BuildSettings(
        out=folder / "out",
        model=str(folder / "model"),
        texts=folder / "texts.txt",
        model_scheme="IOB2",
        max_length=64,
        overlap=16,
        dynamic_timed=False,
        finetune=FinetuneSettings.of_given(),
        pocket=SHAPE,
        threads=1,
    )


@pytest.fixture(scope="module")
def made(given: BuildSettings) -> dict[str, Manifest]:
    return {manifest.variant: manifest for manifest in build(given, ["dense", "dynamic", "pocket"])}


def test_it_is_smaller_in_every_way(made: dict[str, Manifest]) -> None:
    dense, pocket = made["dense"], made["pocket"]
    assert pocket.parameters < dense.parameters
    assert pocket.artifact_bytes < made["dynamic"].artifact_bytes
    assert pocket.recipe.parameters["shape"] == {"width": 16, "layers": 1, "heads": 2, "feed_forward": 24}
    assert (pocket.parent, pocket.parent_digest) == ("dense", dense.parent_digest)
    assert set(pocket.agreement) == {"dev", "test"}


def test_dense_answers_in_its_own_pieces(made: dict[str, Manifest], given: BuildSettings, tmp_path: Path) -> None:
    """With few pieces, nearly every word is split otherwise than by dense."""
    settings = replace(given, out=tmp_path, pocket=replace(SHAPE, pieces=5))
    workspace = Workspace(tmp_path)
    with workspace.locked():
        context = open_context(settings, None, workspace)
        answers, examples = answers_of_dense(context), context.encoded(trimmed(context), answers_of_dense(context))
    _, dense = open_artifact(given.out / "dense", 1)
    pieces = 0
    for sentence, answered in zip(context.shown[0], answers, strict=True):
        for places, window in dense.encoder.windows(dense.encoder.encode_all(sentence.words)):
            logits = dense.runtime.logits(window.input_ids)[window.heads]
            assert answered[places] == pytest.approx(logits, rel=1e-2, abs=1e-2)
            pieces += len(window.input_ids)
    learnt = [example.answers for example in examples if example.answers is not None]
    assert (np.concatenate(learnt) == np.concatenate(answers)).all(), "every word of these sentences has pieces"
    assert sum(len(example.pieces) for example in examples) > 1.1 * pieces


def test_optimum_and_transformers_read_it(made: dict[str, Manifest], given: BuildSettings) -> None:
    folder = given.out / "pocket"
    _, pipeline = open_artifact(folder, 1)
    words = ["Rais", "Uhuru", "Kenyatta", "alitembelea", "Nairobi"]
    encoded = AutoTokenizer.from_pretrained(folder)(words, is_split_into_words=True, return_tensors="np")
    theirs = ORTModelForTokenClassification.from_pretrained(folder)(**encoded).logits
    (_, window) = next(pipeline.encoder.windows(pipeline.encoder.encode_all(words)))
    assert encoded["input_ids"][0].tolist() == window.input_ids.tolist()
    assert np.abs(theirs[0] - pipeline.runtime.logits(window.input_ids)).max() < 1e-5


@pytest.mark.parametrize(
    "text", ["北京 是 中国 的 首都", "ذهب الرئيس إلى القاهرة", "ქართული 👩🏾‍🌾 ﷽", "\u200b \x00 a"]
)
def test_a_script_that_the_texts_never_show_is_read(made: dict[str, Manifest], given: BuildSettings, text: str) -> None:
    _, pipeline = open_artifact(given.out / "pocket", 1)
    words = text.split()
    (labels,) = label_sentences(pipeline, [words])
    assert len(labels) == len(words)


def test_the_same_again_runs_nothing(
    made: dict[str, Manifest], given: BuildSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    (again,) = build(given, ["pocket"])
    assert again == made["pocket"]
    assert "started" not in capsys.readouterr().err


def wished(given: BuildSettings, out: Path, **wishes: object) -> BuildSettings:
    return replace(given, out=out, pocket=replace(SHAPE, width=None, layers=None, **wishes))  # type: ignore[arg-type]


def test_the_largest_shape_that_is_small_enough_is_taken(
    given: BuildSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftover = tmp_path / ".work" / ".trial-of-a-killed-build"
    leftover.mkdir(parents=True)
    (manifest,) = build(wished(given, tmp_path, size=0.11), ["pocket"])
    assert not leftover.exists()
    # Times vary, so another search could decide for another shape.
    with monkeypatch.context() as patched:
        patched.setattr(pocket, "search", lambda *_: pytest.fail("the shape is sought again"))
        assert build(wished(given, tmp_path, size=0.11), ["pocket"]) == [manifest]
    tried = manifest.recipe.parameters["tried"]
    assert manifest.recipe.parameters["shape"] == tried[-1]["shape"]
    assert [trial["megabytes"] <= 0.11 for trial in tried] == [False] * (len(tried) - 1) + [True]
    assert manifest.artifact_bytes / 1e6 == pytest.approx(tried[-1]["megabytes"], abs=0.03)


def test_a_size_that_no_shape_has_names_the_nearest(given: BuildSettings, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"gives 0\.001 MB\. The nearest is 1 layer, 4 wide.*--pocket-size 0\.\d\d"):
        build(wished(given, tmp_path, size=0.001), ["pocket"])
    with pytest.raises(BuildError, match=r"gives 0\.07 MB and 1000 times the speed of dense\. .*--pocket-speed \d"):
        build(wished(given, tmp_path, size=0.07, speed=1000.0), ["pocket"])


def test_a_loss_is_tried_by_teaching_from_the_smallest_up(given: BuildSettings, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"No shape loses at most -101 points.*The nearest is .*--pocket-loss -?\d"):
        build(wished(given, tmp_path, size=0.13, loss=-101.0), ["pocket"])
    (manifest,) = build(wished(given, tmp_path, size=0.13, loss=100.0), ["pocket"])
    tried = manifest.recipe.parameters["tried"]
    assert manifest.recipe.parameters["shape"] == tried[-1]["shape"]
    assert [trial["loss"] is not None for trial in tried] == [False] * (len(tried) - 1) + [True]


def test_a_loss_without_texts_cannot_be_measured(given: BuildSettings, tmp_path: Path) -> None:
    settings = replace(wished(given, tmp_path, loss=1.0), texts=None, languages=("swa",))
    with pytest.raises(BuildError, match="--pocket-loss cannot be measured without texts"):
        build(settings, ["pocket"])


def test_too_few_texts_leave_all_pieces(
    built: Built, given: BuildSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Path(str(given.texts)).read_text(encoding="utf-8").splitlines()[:30]
    (tmp_path / "few.txt").write_text("\n".join(lines), encoding="utf-8")
    settings = replace(given, out=tmp_path / "out", model=str(built.checkpoint("dense")), texts=tmp_path / "few.txt")
    (manifest,) = build(replace(settings, pocket=PocketSettings(hidden_epochs=0, epochs=0)), ["pocket"])
    said = " ".join(capsys.readouterr().err.split())
    assert "24 texts are too few to choose pieces by" in said
    assert "texts are needed for 2%; all pieces stay" in said
    assert manifest.parameters == built.manifests["dense"].parameters


@pytest.mark.parametrize(("width", "rate", "matrices"), [(768, 1.5e-4, 3.5e-4), (192, 1.2e-3, 2.8e-3)])
def test_a_narrow_student_learns_at_higher_rates(
    given: BuildSettings, width: int, rate: float, matrices: float
) -> None:
    settings = training_of(given, Shape(width, 2, 2, 4 * width))
    assert settings.learning_rate == pytest.approx(rate)
    assert settings.matrix_learning_rate == pytest.approx(matrices)


def test_a_base_made_here_keeps_its_own_rates(given: BuildSettings) -> None:
    own = FinetuneSettings.defaults(base_given=False, data_given=True)
    from_scratch = replace(given, model=None, texts=None, finetune=own)
    assert training_of(from_scratch, Shape(96, 2, 4, 256)) == own
