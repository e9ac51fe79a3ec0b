"""How many threads a model computes on."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.runtimes import NARROW, load_runtime


@pytest.mark.parametrize(
    ("config", "threads"),
    [
        (json.dumps({"hidden_size": NARROW}), 1),
        (json.dumps({"hidden_size": NARROW + 1}), 4),
        (json.dumps({"hidden_size": None}), 4),
        (json.dumps({}), 4),
        ("[1]", 4),
        ("{", 4),
        (None, 4),
    ],
)
def test_narrow_models_compute_on_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, threads: int
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    loaded = []
    runtime = SimpleNamespace(load=lambda folder, number: loaded.append((folder, number)))
    monkeypatch.setattr("service.runtimes.importlib.import_module", lambda name: runtime)
    load_runtime("onnx", tmp_path, 4)
    assert loaded == [(tmp_path, threads)]
