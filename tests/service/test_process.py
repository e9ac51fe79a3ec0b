"""A serving process that runs out of memory ends, and does not hang."""

import os
import signal
import subprocess
import sys

import pytest

from tests import ROOT

PARSE = """
import json, resource, threading
import psutil
import service.process
from pydantic_core import from_json

body = json.dumps([{"text": str(number)} for number in range(100_000)]).encode()

def parse():
    limit = psutil.Process().memory_info().vms + 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    kept = [from_json(body) for _ in range(50)]

# As the service parses large bodies. The thread's own stack comes before the limit.
thread = threading.Thread(target=parse)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of memory")
def test_a_parser_without_memory_ends_the_process() -> None:
    environment = {**os.environ, "RUST_BACKTRACE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", PARSE], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == -signal.SIGABRT, ended.stderr
    assert "stack backtrace" not in ended.stderr
