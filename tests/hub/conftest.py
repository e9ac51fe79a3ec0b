"""A hub, and the commands that talk to it."""

from collections.abc import Iterator

import pytest

from tests.hub.commands import Commands, commands_with
from tests.hub.server import Hub, serving


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture(scope="module")
def commands(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with commands_with(hub, tmp_path_factory.mktemp("home")) as commands:
        yield commands
