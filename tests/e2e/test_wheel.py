"""A wheel installed without extras serves every variant: nothing of the build is imported."""

import json
import subprocess
import sys
from pathlib import Path

from service.variants import VARIANTS
from tests.e2e.servers import ROOT, serving

BUILD_ONLY = ["build_models", "datasets", "onnx", "optimum", "sentencepiece", "typer"]

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


def test_the_wheel_serves_without_the_build(artifacts: Path, tmp_path: Path) -> None:
    wheel_folder, site = tmp_path / "wheel", tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheel_folder), str(ROOT)], check=True, timeout=300)
    (wheel,) = wheel_folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=120)
    (site / "sitecustomize.py").write_text(BLOCKER.format(blocked=json.dumps(BUILD_ONLY)), encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving(artifacts, tmp_path / "log", folder=elsewhere, PYTHONPATH=str(site)) as server:
        for variant in VARIANTS:
            assert server.ner(variant, text="Rais Ruto yuko Nairobi.").status_code == 200, server.variants()[variant]
