"""Half the layers in 8 bits: the distilled student, quantized as ``dynamic`` quantizes dense."""

from build_models.recipes import distilled, dynamic
from build_models.recipes.context import Context
from service.artifacts.manifest import Manifest


def build(context: Context) -> Manifest:
    student, _ = distilled.trained_student(context)
    return dynamic.quantized(context, "distilled-dynamic", "distilled", student)
