"""What the wheel serves with and without its extras."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.variants import BUNDLED_VARIANT, VARIANTS
from tests.e2e.servers import ROOT, Server, serving

BUILD_ONLY = ["build_models", "datasets", "onnx", "optimum", "sentencepiece", "typer"]
INT8_ONLY = ["accelerate", "bitsandbytes", "safetensors", "torch", "transformers"]

TEXT = "Rais William Ruto yuko Nairobi."
# As the installed script does, this does not look for modules in the folder where it is called.
KIDOGO_SERVE = [sys.executable, "-P", "-m", "service.commands.console", "serve"]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]

BLOCKER = """
import importlib.abc, importlib.util, sys

# Libraries that ask whether a package is there, rather than import it, must hear that it is not.
ask = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name.partition(".")[0] in {blocked} else ask(name, *package)

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError("blocked by the test: " + name, name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([*PIP, "wheel", "--no-deps", "-w", str(folder), str(ROOT)], check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with a module of the user's own that has the name of one of Kidogo's packages."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "service.py").write_text("raise SystemExit('the wrong module')\n", encoding="utf-8")
    return folder


def installed_without(blocked: list[str], wheel: Path, site: Path) -> Path:
    """The wheel in the folder ``site``; for whom has it on its path, the ``blocked`` packages are not there."""
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=120)
    (site / "sitecustomize.py").write_text(BLOCKER.format(blocked=json.dumps(blocked)), encoding="utf-8")
    return site


def test_the_wheel_serves_every_variant_without_the_build(
    artifacts: Path, wheel: Path, tmp_path: Path, elsewhere: Path
) -> None:
    site = installed_without(BUILD_ONLY, wheel, tmp_path / "site")
    with serving(artifacts, tmp_path / "log", elsewhere, command=KIDOGO_SERVE, PYTHONPATH=str(site)) as server:
        for variant in VARIANTS:
            assert server.ner(variant, text=TEXT).status_code == 200, server.variants()[variant]


def test_without_extras_the_bundled_model_answers_at_once(wheel: Path, tmp_path: Path, elsewhere: Path) -> None:
    site = installed_without([*BUILD_ONLY, *INT8_ONLY], wheel, tmp_path / "site")
    with serving(None, tmp_path / "log", elsewhere, command=KIDOGO_SERVE, PYTHONPATH=str(site)) as server:
        assert_bundled_model_answers(server)


@pytest.mark.slow
def test_a_fresh_environment_without_extras(wheel: Path, tmp_path: Path, elsewhere: Path) -> None:
    environment, uv = tmp_path / "environment", [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], check=True, timeout=60)
    install = [*uv, "pip", "install", "--python", str(environment / "bin" / "python"), str(wheel)]
    subprocess.run(install, check=True, timeout=600)
    installed = {path.name for path in environment.glob("lib/python*/site-packages/*")}
    assert not installed & {*BUILD_ONLY, *INT8_ONLY} - {"build_models"}
    command = [str(environment / "bin" / "kidogo"), "serve"]
    with serving(None, tmp_path / "log", elsewhere, command=command, PYTHONPATH="") as server:
        assert_bundled_model_answers(server)
    build = subprocess.run([command[0], "build"], capture_output=True, text=True, check=False, timeout=60)
    assert build.returncode == 1
    assert build.stderr.endswith("which is not installed: pip install 'kidogo[build]'\n")


def assert_bundled_model_answers(server: Server) -> None:
    answer = server.ner(BUNDLED_VARIANT, text=TEXT)
    assert answer.status_code == 200
    found = {(entity["label"], entity["text"]) for entity in answer.json()["results"][0]["entities"]}
    assert ("LOC", "Nairobi") in found
    states = {name: entry["status"] for name, entry in server.variants().items()}
    assert [name for name, state in states.items() if state == "ready"] == [BUNDLED_VARIANT]
    assert httpx.post(f"{server.url}/ner", json={"text": TEXT}, timeout=60).json()["variant"] == BUNDLED_VARIANT
