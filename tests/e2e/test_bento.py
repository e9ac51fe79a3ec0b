"""``bentoml build`` makes a Bento that holds and serves the variants by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from service.variants import VARIANTS
from tests.e2e.servers import ROOT, serving


def test_a_bento_serves_the_variants_that_it_holds(artifacts: Path, tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "bentoml"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("service", "build_models", "deploy"):
        shutil.copytree(ROOT / folder, project / folder, ignore=ignored)
    for file in ("bentofile.yaml", "README.md"):
        shutil.copy(ROOT / file, project)
    shutil.copytree(artifacts, project / "artifacts")
    environment = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(project)}
    build = [sys.executable, "-m", "bentoml", "build", "--output", "tag", "--version", "test"]
    subprocess.run(
        build, cwd=project, env={**os.environ, **environment}, check=True, capture_output=True, text=True, timeout=120
    )

    bento = home / "bentos" / "kidogo" / "test"
    assert sorted(path.name for path in (bento / "src").iterdir()) == ["artifacts", "bentofile.yaml", "service"]
    assert {path.name for path in (bento / "src" / "artifacts").iterdir()} == {*VARIANTS, "data"}
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    assert "torch==2.13.0+cpu" in requirements
    assert "bentoml==" in requirements
    shutil.rmtree(project)

    # Neither the project's folder nor its modules are there any more: what answers is the Bento.
    environment["PYTHONPATH"] = ""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with serving(Path("artifacts"), tmp_path / "log", elsewhere, "kidogo:test", **environment) as server:
        assert {name: entry["status"] for name, entry in server.variants().items()} == dict.fromkeys(VARIANTS, "ready")
        assert server.ner("int8", text="Rais alikutana na wajumbe mjini Nairobi.").status_code == 200
