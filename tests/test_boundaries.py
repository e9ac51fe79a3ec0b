"""The architecture as a test: floors of packages, no circles, no heavy imports, no pickles."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("service", "build_models", "loadtests")
HEAVY = {"torch", "transformers", "onnxruntime", "bitsandbytes"}
PICKLES = {"pickle", "cPickle", "_pickle", "joblib", "shelve", "marshal", "dill", "cloudpickle"}


FLOORS = [
    # The service, from the ground up.
    {"service.errors", "service.variants", "service.ner", "service.scheduling"},
    {"service.settings"},
    {"service.runtimes"},
    {"service.artifacts"},
    {"service.schemas", "service.telemetry"},
    {"service.admission"},
    {"service.inference"},
    {"service.evaluation"},
    {"service.http", "service.annotation"},
    {"service.process", "service.batch"},
    {"service.app"},
    {"service.commands"},
    {"service.__main__"},
    # The build.
    {"build_models.errors", "build_models.progress", "build_models.settings"},
    {"build_models.hub", "build_models.architectures"},
    {"build_models.workspace", "build_models.training", "build_models.data"},
    {"build_models.bases", "build_models.artifacts"},
    {"build_models.recipes", "build_models.bundled"},
    {"build_models.build"},
    {"build_models.experiments"},
    {"build_models.experiments.report"},
    {"build_models.commands"},
    {"build_models.__main__"},
    # The load tests.
    {"loadtests.errors"},
    {"loadtests.load"},
    {"loadtests.report"},
    {"loadtests.runs"},
    {"loadtests.__main__", "loadtests.locustfile"},
]
"""Packages import only from floors below their own; two of one floor know nothing of each other."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


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


def dotted_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str | None:
    """The package on a floor that a module belongs to; None for the bare top packages."""
    while module and module not in FLOOR_OF:
        module = module.rpartition(".")[0]
    return module or None


def modules_imported(path: Path) -> Iterator[str]:
    """Modules of the project that a file imports anywhere, functions and type checking included."""
    for node in ast.walk(parsed(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=relative)
def test_every_module_has_a_floor_and_imports_only_from_below(path: Path) -> None:
    name = dotted_name(path)
    if name in PACKAGES:
        return
    room = room_of(name)
    assert room is not None, f"{name} belongs to no package named in FLOORS"
    for imported_name in modules_imported(path):
        other = room_of(imported_name)
        if other is not None and other != room:
            assert FLOOR_OF[other] < FLOOR_OF[room], f"{name} imports {imported_name}, which is not below it"


def module_graph() -> dict[str, set[str]]:
    known = {dotted_name(path) for path in modules(*PACKAGES)}
    graph: dict[str, set[str]] = {}
    for path in modules(*PACKAGES):
        # `from a.b import c` is the module a.b.c if there is one, a.b otherwise.
        found = {name if name in known else name.rpartition(".")[0] for name in modules_imported(path)}
        graph[dotted_name(path)] = (found & known) - {dotted_name(path), *PACKAGES}
    return graph


def test_no_circle_of_imports() -> None:
    # Raises CycleError, which names the circle.
    assert list(TopologicalSorter(module_graph()).static_order())


@pytest.mark.parametrize("package", sorted({path.parent for path in modules(*PACKAGES)}), ids=relative)
def test_no_package_has_more_than_a_dozen_files(package: Path) -> None:
    files = [path for path in package.iterdir() if path.is_file() and path.name != "__init__.py"]
    assert len(files) <= 12, sorted(path.name for path in files)


@pytest.mark.parametrize("package", sorted({path.parent for path in modules(*PACKAGES)}), ids=relative)
def test_every_package_says_what_lives_there(package: Path) -> None:
    docstring = ast.get_docstring(parsed(package / "__init__.py"))
    if package.parent != ROOT:
        assert docstring is not None
        assert "import" in docstring.lower()


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=relative)
def test_no_file_is_long_without_a_reason(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300 or "# Over 300 lines: " in text


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
        "import sys, service.ner.pipeline, service.artifacts.manifest, service.evaluation.scoring\n"
        "import service.scheduling.scheduler\n"
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
