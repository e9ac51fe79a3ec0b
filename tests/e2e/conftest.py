import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.servers import Server, serving


@pytest.fixture(scope="session")
def artifacts(request: pytest.FixtureRequest) -> Path:
    """The variants of the shared build.

    KIDOGO_ARTIFACTS names a finished build to take instead, for runs of a single test.
    """
    if finished := os.environ.get("KIDOGO_ARTIFACTS"):
        return Path(finished)
    built: Path = request.getfixturevalue("built_folder")
    return built


@pytest.fixture(scope="session")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(artifacts, tmp_path_factory.mktemp("server") / "log") as running:
        yield running
