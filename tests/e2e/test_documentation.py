"""The requests in the documentation, sent to a server."""

import json
import subprocess

import pytest

from tests.docs.pages import Command, commands
from tests.e2e.servers import Server

CURL = [command for command in commands() if command.words[0] == "curl"]


@pytest.mark.parametrize("command", CURL, ids=[command.place for command in CURL])
def test_a_documented_request_is_answered(command: Command, server: Server) -> None:
    words = [word.replace("localhost:3000", server.url.removeprefix("http://")) for word in command.words]
    # The model of the tests has learnt next to nothing.
    words = [word.replace("min_f1=0.8", "min_f1=0.1") for word in words]
    # Fails for every status but success.
    run = subprocess.run([*words, "--fail-with-body"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout)
