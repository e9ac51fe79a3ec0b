import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import start_command
from tests.e2e.servers import Server, serving

SMALL_BUILD = ["--languages", "hau,swa,pcm", "--sample-sentences", "400", "--base-steps", "5", "--epochs", "2"]


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variants, built by the command line from a part of the sample.

    KIDOGO_ARTIFACTS names a finished build to take instead, for runs of a single test.
    """
    if finished := os.environ.get("KIDOGO_ARTIFACTS"):
        return Path(finished)
    folder = tmp_path_factory.mktemp("built") / "artifacts"
    log = folder.parent / "log"
    process = start_command(["--out", folder, *SMALL_BUILD], log)
    process.join(400)
    assert process.exitcode == 0, log.read_text()
    return folder


@pytest.fixture(scope="session")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(artifacts, tmp_path_factory.mktemp("server") / "log") as running:
        yield running
