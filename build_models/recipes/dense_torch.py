"""The dense checkpoint served by plain PyTorch, the baseline that shows what ONNX Runtime gains."""

import shutil
from pathlib import Path

from build_models.artifacts.checkpoint_files import WEIGHTS, count_parameters
from build_models.recipes import dense
from build_models.recipes.context import Context, Made
from service.artifacts.manifest import Manifest


def build(context: Context) -> Manifest:
    trained = dense.checkpoint(context)

    def fill(folder: Path) -> Made:
        shutil.copy(trained / WEIGHTS, folder)
        return Made(*count_parameters(trained))

    return context.artifact("dense-torch", trained, context.parent("dense", trained), {}, fill)
