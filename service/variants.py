"""The variants that Kidogo builds and serves. To add one, add a line here and a recipe in ``build_models/recipes``."""

from typing import Literal, NamedTuple

Runtime = Literal["onnx", "llm_int8", "torch"]


class Variant(NamedTuple):
    """The dense model or a compressed form of it.

    ``runtime`` is its module in ``service/runtimes``; ``recipe`` is the module that builds it, as a string because the
    service must not import the build.
    """

    name: str
    technique: str
    runtime: Runtime
    recipe: str


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("dense", "fine-tuned, not compressed (fp32)", "onnx", "build_models.recipes.dense"),
        Variant("pruned", "unstructured magnitude pruning", "onnx", "build_models.recipes.pruned"),
        Variant("distilled", "knowledge distillation into fewer layers", "onnx", "build_models.recipes.distilled"),
        Variant("int8", "LLM.int8() by bitsandbytes", "llm_int8", "build_models.recipes.int8"),
        Variant("dynamic", "dynamic int8 quantization by ONNX Runtime", "onnx", "build_models.recipes.dynamic"),
        Variant(
            "distilled-dynamic",
            "the distilled student, quantized like dynamic",
            "onnx",
            "build_models.recipes.distilled_dynamic",
        ),
        Variant(
            "pocket",
            "fewer pieces, narrower and shallower, taught by dense, quantized",
            "onnx",
            "build_models.recipes.pocket.pocket",
        ),
    )
}

REFERENCE = Variant(
    "dense-torch",
    "dense in plain PyTorch, the baseline for ONNX Runtime",
    "torch",
    "build_models.recipes.dense_torch",
)
"""The baseline of measurements, built and served only on request."""

KNOWN_VARIANTS = {**VARIANTS, REFERENCE.name: REFERENCE}

DEFAULT_VARIANT = "dense"

BUNDLED_VARIANT = "dynamic"
"""The variant of the bundled model that is installed with Kidogo, ready to serve."""
