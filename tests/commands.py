"""Runs the build's command in processes of their own, which begin with its libraries imported.

They are forked from a process that has imported what all of these commands import and has done nothing else: importing
takes most of the time of small builds.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# The hub's client reads this when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["build_models.__main__", "build_models.build", "build_models.experiments.run"])


def start_command(arguments: Sequence[object], log: Path) -> ForkServerProcess:
    """``python -m build_models`` with these arguments; what it says on its standard error goes to ``log``.

    It leads a session of its own, so that a kill reaches it and its children and nothing else.
    """
    process = _CONTEXT.Process(target=_run, args=([str(argument) for argument in arguments], log))
    process.start()
    return process


def _run(arguments: list[str], log: Path) -> None:
    from build_models.__main__ import cli

    os.setsid()
    with log.open("wb", buffering=0) as said:
        os.dup2(said.fileno(), 2)
    sys.argv = ["build_models", *arguments]
    cli()
