"""The commands in the documentation exist and take the options that are written there.

``tests/e2e/test_documentation.py`` sends the requests to a server, and the slow ``test_builds.py`` runs the builds.
"""

import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import typer

from service.commands.console import COMMANDS
from tests import ROOT
from tests.docs.pages import Command, commands

ALL = list(commands())


def parsed(cli: typer.Typer, words: list[str]) -> None:
    """Parse a command line as far as the program would before it begins its work."""
    group = typer.main.get_command(cli)
    context = group.make_context("command", list(words))
    rest = [*getattr(context, "_protected_args", []), *context.args]
    if rest:
        name, command, rest = group.resolve_command(context, rest)  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=context)


def check_build(words: list[str]) -> None:
    from build_models.__main__ import cli

    parsed(cli, words)


def check_kidogo(words: list[str]) -> None:
    assert words[0] in COMMANDS
    known_options(words, help_of("-m", "service.commands.console", words[0]))


def check_loadtests(words: list[str]) -> None:
    known_options(words, help_of("-m", "loadtests", *(word for word in words[:1] if word in ("compare", "soak"))))


def check_locust(words: list[str]) -> None:
    own = (ROOT / words[words.index("-f") + 1]).read_text(encoding="utf-8")
    known_options(words, help_of("-m", "locust") + own)


@cache
def help_of(*words: str) -> str:
    run = subprocess.run([sys.executable, *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return re.sub(r"\x1b\[[0-9;]*m", "", run.stdout)


def known_options(words: list[str], text: str) -> None:
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), f"there is no {word}"


def check_script(words: list[str]) -> None:
    path = ROOT / words[0]
    assert path.stat().st_mode & 0o111
    known_options(words[1:], path.read_text(encoding="utf-8"))


def check_measurement(words: list[str]) -> None:
    known_options(words[1:], (ROOT / words[0]).read_text(encoding="utf-8"))


def check_docker(words: list[str]) -> None:
    if words[0] == "build":
        stages = re.findall(r"^FROM .* AS (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[words.index("--target") + 1] in stages if "--target" in words else stages
    else:
        assert words[0] in ("run", "compose", "kill", "stop")


def check_kubectl(words: list[str]) -> None:
    assert (ROOT / words[words.index("-k") + 1] / "kustomization.yaml").is_file()


def check_pip(words: list[str]) -> None:
    for option, value in itertools.pairwise(words):
        if option == "-r":
            assert (ROOT / value).is_file()


def check_bentoml(words: list[str]) -> None:
    assert words[0] in ("serve", "build", "containerize")
    assert words[1:] in ([], ["service:NerService"], ["service:NerService", "--host", "127.0.0.1"], ["kidogo:latest"])


def check_copy(words: list[str]) -> None:
    assert all((ROOT / source).exists() for source in words[:-1])


def check_systemctl(words: list[str]) -> None:
    assert words[0] in ("enable", "reload")
    services = [word for word in words[1:] if not word.startswith("-")]
    assert all(name == "nginx" or (ROOT / "deploy" / "systemd" / f"{name}.service").exists() for name in services)


def nothing_to_check(words: list[str]) -> None:
    pass


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "python -m build_models": check_build,
    "kidogo build": check_build,
    "kidogo": check_kidogo,
    "python -m loadtests": check_loadtests,
    "locust": check_locust,
    "bentoml": check_bentoml,
    "pip": check_pip,
    "docker": check_docker,
    "kubectl": check_kubectl,
    # tests/e2e/test_documentation.py sends these.
    "curl": nothing_to_check,
    # The reader's own shell.
    "git clone": nothing_to_check,
    # The hub's own command.
    "hf auth login": nothing_to_check,
    "cd": nothing_to_check,
    "cp": check_copy,
    "python3 -m venv": nothing_to_check,
    "/opt/kidogo/bin/pip": check_pip,
    "rsync": nothing_to_check,
    "systemctl": check_systemctl,
    "export": nothing_to_check,
}
"""How a command is checked, by what it begins with."""


def find_check(words: list[str]) -> tuple[Callable[[list[str]], None], list[str]]:
    plain = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    if plain[0].startswith("scripts/"):
        return check_script, plain
    if plain[0] == "python" and plain[1].startswith("scripts/"):
        return check_measurement, plain[1:]
    for begins, check in CHECKS.items():
        length = len(begins.split())
        if plain[:length] == begins.split():
            return check, plain[length:]
    raise AssertionError(f"no test knows what {words[0]} is: add it to CHECKS")


@pytest.mark.parametrize("command", ALL, ids=[command.place for command in ALL])
def test_a_documented_command_exists(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = command.words
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    check, rest = find_check(words)
    check(rest)


def test_the_commands_are_found() -> None:
    assert len(ALL) > 30
    assert {Path(command.place).suffix.partition(":")[0] for command in ALL} == {".md"}


def test_an_option_that_is_gone_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        check_build(["--no-such-option"])
    with pytest.raises(Exception, match="No such command"):
        check_build(["no-such-command"])
    with pytest.raises(AssertionError, match="no test knows"):
        find_check(["frobnicate"])
