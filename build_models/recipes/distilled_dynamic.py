"""The distilled student, quantized like ``dynamic``."""

from build_models.recipes import distilled, dynamic
from build_models.recipes.context import Context
from service.artifacts.manifest import Manifest


def build(context: Context) -> Manifest:
    student, _ = distilled.trained_student(context)
    parent = context.parent("distilled", student)
    return dynamic.quantized(context, "distilled-dynamic", "distilled", student, parent)
