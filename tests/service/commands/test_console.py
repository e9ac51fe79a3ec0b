"""The console script: its table of commands, and what it says of what is not there."""

import pkgutil
import sys
from pathlib import Path

import pytest

from service.commands import serve
from service.commands.console import COMMANDS, Command, main
from tests.fakes import write_artifacts


@pytest.fixture(autouse=True)
def arguments_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


def test_every_command_of_the_table_is_there() -> None:
    for command in COMMANDS.values():
        assert callable(pkgutil.resolve_name(command.entry))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for name in COMMANDS:
        assert f"kidogo {name}" in said


def test_an_unknown_command_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sevre"]) == 2
    assert "no command 'sevre'; choose from serve, build" in capsys.readouterr().err


def test_the_commands_of_the_build_go_by_their_own_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["build", "evaluate", "--help"])
    assert ended.value.code == 0
    # What comes before is this process's own name.
    assert "kidogo build evaluate [OPTIONS]" in " ".join(capsys.readouterr().out.split())


def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "build", Command("not_installed_anywhere.cli:main", "", extra="build"))
    assert main(["build"]) == 1
    assert (
        "needs the package not_installed_anywhere, which is not installed: pip install 'kidogo[build]'"
        in capsys.readouterr().err
    )


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str | None]:
    """The environment that the server gets, which is not started here."""
    environment: dict[str, str | None] = {}

    def execv(program: str, command: list[str]) -> None:
        assert program == sys.executable
        environment.update({name: serve.os.environ.get(name) for name in ("NER_ARTIFACTS", "NER_VARIANTS")})
        environment["command"] = " ".join(command)

    monkeypatch.setattr(serve.os, "execv", execv)
    for name in ("NER_ARTIFACTS", "NER_VARIANTS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return environment


def test_without_artefacts_the_bundled_variant_is_served(served: dict[str, str | None]) -> None:
    main(["serve", "--port", "8123"])
    assert served["NER_ARTIFACTS"] == str(serve.BUNDLED)
    assert served["NER_VARIANTS"] == "dynamic"
    assert str(served["command"]).endswith("--host 127.0.0.1 --port 8123")


def test_artefacts_in_the_folder_are_served(served: dict[str, str | None], tokenizer: Path, tmp_path: Path) -> None:
    write_artifacts(tmp_path / "artifacts", tokenizer, ["dense"])
    main(["serve"])
    assert served["NER_ARTIFACTS"] == str(tmp_path / "artifacts")
    assert served["NER_VARIANTS"] is None


def test_a_named_folder_without_artefacts_is_refused(
    served: dict[str, str | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--artifacts", str(tmp_path / "nothing")])
    assert f"{tmp_path / 'nothing'} contains no artefacts" in capsys.readouterr().err
    assert not served
