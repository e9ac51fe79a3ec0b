"""Pushes to a repository that is there already: what is in it still works, or nothing is uploaded."""

from pathlib import Path

import pytest

from build_models.build import build
from tests.build_models.classifiers import settings_for_every_variant, write_classifier
from tests.hub.commands import Commands, Done
from tests.hub.server import TOKEN, Hub


class Pusher:
    """Pushes what was built in ``out``."""

    def __init__(self, commands: Commands, out: Path):
        self.out = out
        self._commands = commands

    def __call__(self, variant: str, repository: str, *options: str, out: Path | None = None) -> Done:
        place = ["--variant", variant, "--repo", repository, "--out", out or self.out]
        return self._commands.run("push", *place, *options, HF_TOKEN=TOKEN)


@pytest.fixture(scope="module")
def push(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Pusher:
    folder = tmp_path_factory.mktemp("built")
    write_classifier(folder / "given")
    settings = settings_for_every_variant(folder, str(folder / "given"), max_length=64)
    build(settings, ["dense", "dynamic", "pocket"])
    return Pusher(commands, settings.out)


def test_private_is_never_public(hub: Hub, push: Pusher) -> None:
    hub.add("me/seen", {"README.md": b"Mine"})
    done = push("dynamic", "me/seen", "--private", "--revision", "v1")
    assert done.status == 1
    assert "error: me/seen is public, and nothing was uploaded: make it private in its settings" in done.said
    assert list(hub.get("me/seen").revisions) == ["main"]
    assert hub.get("me/seen").files() == {"README.md": b"Mine"}
    hub.get("me/seen").private = True
    assert push("dynamic", "me/seen", "--private").status == 0
