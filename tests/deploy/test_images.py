"""What the images leave out: nothing that an artefact needs."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests import ROOT

LOADED = """
import sys
from pathlib import Path
import transformers
from transformers import AutoConfig, AutoModelForTokenClassification
assert Path(transformers.__file__).is_relative_to(sys.argv[1]), transformers.__file__
size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
for name in sys.argv[2:]:
    options = {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8} if name == "distilbert" else size
    config = AutoConfig.for_model(name, vocab_size=20, pad_token_id=0, bos_token_id=1, eos_token_id=2, **options)
    for token in ("cls_token_id", "sep_token_id"):
        if hasattr(config, token):
            setattr(config, token, 1)
    folder = Path(sys.argv[1]) / name
    AutoModelForTokenClassification.from_config(config).save_pretrained(folder)
    AutoModelForTokenClassification.from_pretrained(folder, device_map="cpu", use_safetensors=True)
"""


def test_the_full_image_keeps_the_architectures_of_the_table(tmp_path: Path) -> None:
    """With the rest of transformers' architectures removed as the Dockerfile does, each of the table is loaded."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (removal,) = re.findall(r"find transformers/models .*?rm -rf", dockerfile, re.DOTALL)
    kept = set(re.findall(r"! -name (\w+)", removal))
    spec = find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent

    def others(folder: str, names: list[str]) -> list[str]:
        if Path(folder) != installed / "models":
            return [name for name in names if name == "__pycache__"]
        return [name for name in names if (installed / "models" / name).is_dir() and name not in kept]

    shutil.copytree(installed, tmp_path / "transformers", ignore=others)
    table = re.findall(r'^    "([\w-]+)": Architecture', (ROOT / "build_models/architectures.py").read_text(), re.M)
    assert len(table) >= 8
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(tmp_path), *table],
        env={"PYTHONPATH": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
