"""The servers that the measuring scripts start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests import ROOT

# A server that answers /readyz, whose child outlives it as LitServe's workers do.
PEER = """
import subprocess, sys, http.server
child = subprocess.Popen(["sleep", "300"])
open(sys.argv[2], "w").write(str(child.pid))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

MAIN = """
import signal, sys, time
from pathlib import Path
from scripts.measure.servers import free_port, server
# A shell starts what runs behind its back with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
port, folder = free_port(), Path(sys.argv[1])
with server([sys.executable, "-c", sys.argv[2], str(port), str(folder / "child")], port, folder / "log"):
    (folder / "ready").touch()
    time.sleep(60)
"""


def test_an_interrupted_measurement_leaves_no_process_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, str(tmp_path), PEER], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    child = int((tmp_path / "child").read_text())
    process.send_signal(signal.SIGINT)
    process.wait(30)
    state = Path(f"/proc/{child}/stat")
    # What nobody has waited for yet is still listed, as a zombie.
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
