"""LLM.int8(): 8-bit linear layers with outlier features in higher precision (Dettmers et al. 2022, arXiv 2208.07339).

bitsandbytes quantizes the dense checkpoint through transformers. All weights but the encoder's linear layers are
saved in 16 bits. The manifest requires no CPU features: without AVX-512, bitsandbytes multiplies the same integers in
fp32.
"""

from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, BitsAndBytesConfig

from build_models.recipes import dense
from build_models.recipes.context import Context, Made
from service.artifacts.manifest import Manifest

SIXTEEN_BITS = ["classifier"]
"""Linear layers that are not quantized."""


def build(context: Context, parent: Path | None = None) -> Manifest:
    """Quantize ``parent``, by default the dense checkpoint."""
    parent = parent or dense.checkpoint(context)
    # Empty would mean the default of transformers.
    kept = ["none"] if context.settings.int8_classifier else SIXTEEN_BITS
    parameters = {
        "threshold": context.settings.int8_threshold,
        "other_weights": "float16",
        "not_quantized": kept,
    }

    def fill(folder: Path) -> Made:
        model = AutoModelForTokenClassification.from_pretrained(
            parent,
            quantization_config=BitsAndBytesConfig(
                load_in_8bit=True,
                llm_int8_threshold=context.settings.int8_threshold,
                # Left to the default, transformers 4 keeps these in 16 bits, 5 does not, and cannot read what 4 wrote.
                llm_int8_skip_modules=kept,
            ),
            torch_dtype=torch.float16,
            device_map="cpu",
            local_files_only=True,
            use_safetensors=True,
        )
        model.save_pretrained(folder, safe_serialization=True)
        weights = [weight.data for weight in model.parameters()]
        return Made(sum(weight.numel() for weight in weights), sum(int(weight.count_nonzero()) for weight in weights))

    return context.artifact("int8", parent, context.parent("dense", parent), parameters, fill)
