"""What the tests of every package share: the kinds of tests, the toy tokenizer, and one build of all variants.

pytest's workers share a machine: tests that use the same server, browser or models go to one worker, and what several
workers need is made by the first that asks for it.
"""

import os
import tempfile
from pathlib import Path

# The hub's client reads these when it is imported: no test reaches for a network, or finds what a user has loaded.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(tempfile.gettempdir()) / "kidogo-tests-without-hub")
# Must be set before a tokenizer runs: the machine is shared, and a fork after a parallel run warns.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from collections.abc import Callable

import pytest
from filelock import FileLock
from tokenizers import Tokenizer

from service.ner.encoder import Encoder
from tests.kinds import group_of, kinds_of, place_in_order

TEXTS = [
    "Rais Uhuru Kenyatta alitembelea Nairobi siku ya Jumatatu.",
    "Ndị ọchịchị nọ n'Abuja kwuru na ha ga-abịa echi.",
    "Shugaba Muhammadu Buhari ya isa Kano a ranar Talata.",
    "Ààrẹ Bọ́lá Tinubu dé sí ìlú Èkó ní àná.",
    "ጠቅላይ ሚኒስትሩ ትናንት አዲስ አበባ ገቡ።",
    "Perezida Paul Kagame yageze i Kigali ejo.",
    "Njiitu réew mi dem na Ndakaaru tay ci suba.",
    "Ng'ombe wa mkulima wameuzwa sokoni kwa 2,000.",
]

BUILD_OPTIONS = (
    "--from-scratch --languages swa,hau --sample-sentences 200 --vocabulary 1000 --base-steps 5"
    " --max-length 64 --overlap 16"
)
"""Of the build that the tests share."""


# Before -m, which reads the kinds.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for kind in kinds_of(item.nodeid, getattr(item, "fixturenames", ())):
            item.add_marker(kind)
    items.sort(key=lambda item: place_in_order(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give each group of tests to one worker. xdist's own groups are lost on pytest 9."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    # In the order of tests/kinds.py, not by how many tests there are in a group.
    config.option.loadscopereorder = False
    return Groups(config, log)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all workers see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def built_folder(shared_folder: Path) -> Path:
    """All variants, built once a run by the build's command. Tests that change them work on a copy."""
    from typer.testing import CliRunner

    from build_models.__main__ import cli

    folder, done = shared_folder / "built" / "artifacts", shared_folder / "built" / "done"
    with FileLock(shared_folder / "built.lock"):
        if not done.exists():
            result = CliRunner().invoke(cli, [*BUILD_OPTIONS.split(), "--out", str(folder)])
            assert result.exit_code == 0, result.output
            done.touch()
    return folder


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real SentencePiece tokenizer of about 300 pieces, saved as an artefact holds it."""
    from build_models.bases.base import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS * 4, 300, folder)
    return folder / "tokenizer.json"


@pytest.fixture(scope="session")
def toy_tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_file))


@pytest.fixture(scope="session")
def make_encoder(toy_tokenizer: Tokenizer) -> Callable[[int, int], Encoder]:
    """Makes an encoder of the toy tokenizer, given the length of windows and their overlap."""
    return lambda max_length, overlap: Encoder(toy_tokenizer, max_length, overlap)
