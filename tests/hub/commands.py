"""Runs the build's commands against a hub: in processes forked from one that has imported everything, because the hub's
clients read HF_ENDPOINT when they are imported.

python -m tests.hub.commands: each line of the standard input is a JSON list of arguments, with the environment that the
command gets beside its own; the answer is a line with its exit status and what it said.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import ROOT
from tests.hub.server import Hub


class Done(NamedTuple):
    status: int
    said: str


class Commands:
    """``python -m build_models`` with a hub of its own and an empty cache."""

    def __init__(self, process: subprocess.Popen[str], home: Path):
        self.home = home
        self._process = process

    def run(self, *arguments: object, **environment: str) -> Done:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(map(str, arguments)), environment]) + "\n")
        self._process.stdin.flush()
        status, said = json.loads(self._process.stdout.readline())
        return Done(status, " ".join(said.split()))


@contextmanager
def commands_with(hub: Hub, home: Path) -> Iterator[Commands]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hub.commands"], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            yield Commands(process, home)
        finally:
            process.kill()


def _serve() -> None:
    import build_models.build
    from build_models.__main__ import cli

    assert build_models.build
    for line in sys.stdin:
        arguments, environment = json.loads(line)
        with tempfile.TemporaryFile("w+") as said:
            child = os.fork()
            if child == 0:
                os.environ.update(environment)
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                sys.argv = ["build_models", *arguments]
                status = 1
                try:
                    cli()
                except SystemExit as end:
                    status = int(end.code or 0)
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            print(json.dumps([status, said.read()]), flush=True)


if __name__ == "__main__":
    _serve()
