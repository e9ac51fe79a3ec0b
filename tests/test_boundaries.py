"""The directions of import that the architecture promises: loadtests -> nothing, build_models -> service."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "onnxruntime", "bitsandbytes"}
PICKLES = {"pickle", "cPickle", "_pickle", "joblib", "shelve", "marshal", "dill", "cloudpickle"}


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """The top package of every import anywhere in the module, written out or by ``import_module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield str(node.module).partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            yield ast.unparse(node.args[0]).strip("f'\"").partition(".")[0]


def imported_on_import(tree: ast.Module) -> set[str]:
    """The top packages imported when the module itself is: not inside functions, nor for type checkers only."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= set(imported(node))
        else:
            pending += ast.iter_child_nodes(node)
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("path", modules("service"), ids=relative)
def test_the_service_imports_nothing_of_the_build_or_the_load_tests(path: Path) -> None:
    assert not set(imported(parsed(path))) & {"build_models", "loadtests", "tests"}


@pytest.mark.parametrize("path", modules("build_models"), ids=relative)
def test_the_build_imports_nothing_of_the_load_tests(path: Path) -> None:
    assert not set(imported(parsed(path))) & {"loadtests", "tests"}


@pytest.mark.parametrize("path", modules("loadtests"), ids=relative)
def test_the_load_tests_talk_http_only(path: Path) -> None:
    assert not set(imported(parsed(path))) & {"service", "build_models", "tests", *HEAVY}


@pytest.mark.parametrize("path", modules("service", "build_models"), ids=relative)
def test_nothing_is_pickled(path: Path) -> None:
    tree = parsed(path)
    assert not set(imported(tree)) & PICKLES
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"torch.load", "torch.save"}
    from_torch = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "torch"]
    assert not {alias.name for node in from_torch for alias in node.names} & {"load", "save"}


@pytest.mark.parametrize("path", [path for path in modules("service") if path.parent.name != "runtimes"], ids=relative)
def test_only_runtimes_import_the_engines(path: Path) -> None:
    assert not imported_on_import(parsed(path)) & HEAVY


def test_importing_the_service_s_ground_floor_is_light() -> None:
    script = (
        "import sys, service, service.pipeline, service.manifest, service.scoring, service.scheduler\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(answer.stdout.split())
    assert "service" in loaded
    assert not loaded & (HEAVY | {"bentoml", "build_models", "fastapi"})


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch.nn", {"torch"}),
        ("if True:\n    from torch import nn", {"torch"}),
        ("class A:\n    import torch", {"torch"}),
        ("try:\n    import torch\nexcept ImportError:\n    import onnx", {"torch", "onnx"}),
        ("def f():\n    import torch", set()),
        ("if TYPE_CHECKING:\n    import torch", set()),
    ],
)
def test_the_walk_itself(source: str, found: set[str]) -> None:
    assert imported_on_import(ast.parse(source)) == found
