"""scripts/serve: a first start, a build that is killed, the next start, and how they end.

The server is the real one. Instead of compressing anything, the build copies finished artefacts when the test says so.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from service.artifacts.building import LOCK, WORKSPACE
from tests import ROOT
from tests.e2e.servers import Server

BUILD = f"""
import fcntl, os, shutil, sys, time
from pathlib import Path
source, folder, out = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[sys.argv.index("--out") + 1])
(out / "{WORKSPACE}").mkdir(exist_ok=True)
lock = (out / "{WORKSPACE}" / "{LOCK}").open("w")
fcntl.flock(lock, fcntl.LOCK_EX)
(folder / "build.pid").write_text(str(os.getpid()))
for name in sorted(path.parent.name for path in source.glob("*/manifest.json")):
    while not (folder / "go" / name).exists():
        time.sleep(0.05)
    if not (out / name).exists():
        shutil.copytree(source / name, out / f".{{name}}.new")
        (out / f".{{name}}.new").rename(out / name)
"""

PYTHON = """#!/bin/sh
if [ "$2" = build_models ]; then exec {python} {folder}/build.py {source} {folder} "$@"; fi
exec {python} "$@"
"""


@pytest.fixture
def project(built_folder: Path, tmp_path: Path) -> Path:
    """A clone in which everything is installed already."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("measure"))
    for name in ("pyproject.toml", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "service").symlink_to(ROOT / "service")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "build.py").write_text(BUILD, encoding="utf-8")
    (programs / "python").write_text(PYTHON.format(python=sys.executable, folder=tmp_path, source=built_folder))
    (programs / "bentoml").write_text(f'#!/bin/sh\nexec {sys.executable} -m bentoml "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    stamp = (
        '. scripts/common.sh; echo "$(cat requirements-dev.lock pyproject.toml | sha256sum) $TORCH" >.venv/.installed'
    )
    subprocess.run(["bash", "-c", stamp], cwd=tmp_path, check=True)
    (tmp_path / "go").mkdir()
    return tmp_path


@contextmanager
def script(project: Path) -> Iterator[Server]:
    """scripts/serve as the leader of a process group, of which nothing is left in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = project / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            ["scripts/serve", "--port", str(port)],
            cwd=project,
            env={name: value for name, value in os.environ.items() if not name.startswith("NER_")},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # pytest may have been started in the background, where Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        yield Server(process, port, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def allow(project: Path, *names: str) -> None:
    for name in names:
        (project / "go" / name).touch()


def until(condition: Callable[[], bool], server: Server) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.1)


def statuses(server: Server) -> dict[str, str]:
    return {name: entry["status"] for name, entry in server.variants().items()}


def end(server: Server, number: signal.Signals) -> int:
    """Signal the whole group, as a terminal does, and see that all of it ends."""
    group = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    os.killpg(server.process.pid, number)
    status = server.process.wait(60)
    _, alive = psutil.wait_procs(group, 10)
    assert not alive, server.log.read_text()
    return status


def test_a_killed_build_leaves_what_is_ready_and_the_next_start_resumes(project: Path) -> None:
    unfinished = project / "artifacts" / ".sample-build-unfinished"
    with script(project) as server:
        allow(project, "dense")
        server.wait_until_ready()
        until(lambda: statuses(server)["dynamic"] == "loading", server)
        assert server.ner("dense", text="Rais yuko Nairobi.").status_code == 200
        allow(project, "distilled")
        until(lambda: statuses(server)["distilled"] == "ready", server)
        os.kill(int((project / "build.pid").read_text()), signal.SIGKILL)
        until(lambda: statuses(server)["dynamic"] == "failed", server)
        assert server.ner("distilled", text="Rais yuko Nairobi.").status_code == 200
        assert "build: failed (status 137); what is ready is served" in server.log.read_text()
        assert end(server, signal.SIGINT) == 130
    assert unfinished.exists()
    allow(project, "dynamic", "int8", "pruned")
    with script(project) as server:
        server.wait_until_ready()
        until(lambda: set(statuses(server).values()) == {"ready"}, server)
        until(lambda: "build: finished" in server.log.read_text(), server)
        assert not unfinished.exists()
        assert end(server, signal.SIGTERM) == 143


def test_a_build_that_fails_at_once_is_no_server(project: Path) -> None:
    (project / "build.py").write_text("raise SystemExit(3)")
    with script(project) as server:
        assert server.process.wait(60) == 3
        assert "serving:" not in server.log.read_text()


def test_interrupted_before_anything_is_ready(project: Path) -> None:
    with script(project) as server:
        until(lambda: (project / "build.pid").exists(), server)
        assert end(server, signal.SIGINT) == 130


def test_artefacts_of_one_s_own_are_served_as_they_are(project: Path) -> None:
    own = project / "artifacts" / "dynamic"
    own.mkdir(parents=True)
    (own / "manifest.json").write_text("{}")
    # Stands for the server, which is not the subject here.
    (project / ".venv" / "bin" / "bentoml").write_text("#!/bin/sh\necho started $NER_ARTIFACTS $*\n")
    with script(project) as server:
        assert server.process.wait(60) == 0
        assert "started artifacts serve service:NerService" in server.log.read_text()
    assert not (project / "build.pid").exists()
