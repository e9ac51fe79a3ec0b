"""The variant of the bundled model that the wheel carries: whole, small, and made from the model of this version."""

import pytest

from build_models.artifacts.scores import open_artifact
from build_models.build import BUNDLED_MODEL
from build_models.bundled.export import DIGESTS
from service.artifacts.bundled import BUNDLED
from service.artifacts.manifest import file_sha256, read_manifest, verify
from service.ner.pipeline import run_to_end
from service.ner.timing import Timer
from service.variants import BUNDLED_VARIANT

FOLDER = BUNDLED / BUNDLED_VARIANT


def test_it_is_what_its_manifest_says() -> None:
    manifest = read_manifest(FOLDER)
    verify(FOLDER, manifest)
    assert manifest.variant == BUNDLED_VARIANT
    assert manifest.artifact_bytes <= 6_000_000
    assert [path.name for path in BUNDLED.iterdir()] == [BUNDLED_VARIANT]


def test_it_was_made_from_the_bundled_model() -> None:
    assert read_manifest(FOLDER).base_revision == file_sha256(BUNDLED_MODEL / DIGESTS), "run scripts/bundle"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi.", {"PER", "ORG", "LOC"}),
        ("Shugaba Muhammadu Buhari ya isa Kano a ranar Talata.", {"PER", "LOC", "DATE"}),
    ],
)
def test_it_finds_names(text: str, names: set[str]) -> None:
    _, pipeline = open_artifact(FOLDER, threads=1)
    assert {entity.label for entity in run_to_end(pipeline.read_text(text, Timer())).entities} == names
