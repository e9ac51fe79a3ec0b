"""Nothing that the service loads, and nothing that the build writes, is a pickle."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import ROOT

PLAIN = {".json", ".onnx", ".safetensors", ".model", ".conll", ".md"}
"""What artefacts are made of: JSON, protocol buffers, tensors behind a JSON header, text."""
UNPICKLES = {"load", "loads", "Unpickler", "read_pickle"}
PICKLING_MODULES = {"pickle", "dill", "joblib", "cloudpickle", "torch", "marshal", "shelve", "pd", "pandas"}


def is_pickle(path: Path) -> bool:
    """Whether it begins as pickles of protocol 2 and later do, or is the archive of them that torch writes."""
    if zipfile.is_zipfile(path):
        return any(name.endswith(".pkl") for name in zipfile.ZipFile(path).namelist())
    with path.open("rb") as file:
        start = file.read(2)
    return start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")


def test_artefacts_hold_no_pickle(artifacts: Path) -> None:
    files = [path for path in artifacts.rglob("*") if path.is_file() and ".work" not in path.parts]
    assert len(files) > 20
    for path in files:
        assert path.suffix in PLAIN, path
        assert not is_pickle(path), path


def test_a_pickle_would_be_found(tmp_path: Path) -> None:
    script = (
        "import pickle, sys, torch\n"
        "pickle.dump({'a': 1}, open(sys.argv[1] + '/plain', 'wb'))\n"
        "torch.save(torch.ones(1), sys.argv[1] + '/torch')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert is_pickle(tmp_path / "plain")
    assert is_pickle(tmp_path / "torch")


@pytest.mark.parametrize("package", ["service", "build_models", "loadtests"])
def test_nothing_is_unpickled(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in UNPICKLES:
                assert node.value.id not in PICKLING_MODULES, f"{path}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
                safe = ast.unparse(node.value) == ("True" if node.arg == "weights_only" else "False")
                assert safe, path
