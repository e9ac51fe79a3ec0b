"""Reads artefacts by the ecosystem's own calls alone, in whatever versions are installed; prints what it read.

python reading_elsewhere.py FOLDER VARIANT...
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

TEXTS = [
    "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu.",
    "Shugaba Muhammadu Buhari ya je Kano ranar Talata, 5 Mayu 2019.",
    "Ọ̀gbẹ́ni Adébáyọ̀ lọ sí Ìbàdàn  <mask> \u200b leo",
]


def read(folder: Path) -> dict[str, object]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pieces = [tokenizer(text)["input_ids"] for text in TEXTS]
    found: dict[str, object] = {
        "pieces": pieces,
        "special": [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, tokenizer.mask_token_id],
        "inputs": sorted(tokenizer(TEXTS[0])),
        "max_length": tokenizer.model_max_length,
    }
    if (folder / "model.onnx").exists():
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

        def logits(ids: list[int]) -> np.ndarray:
            one = np.array([ids])
            return session.run(["logits"], {"input_ids": one, "attention_mask": np.ones_like(one)})[0]
    else:
        model = AutoModelForTokenClassification.from_pretrained(folder, device_map="cpu").eval()
        kinds = {name: type(module).__name__ for name, module in model.named_modules()}
        found["linear"] = {name: kind for name, kind in kinds.items() if kind.startswith("Linear")}
        found["types"] = sorted({str(weight.dtype) for weight in model.parameters()})

        def logits(ids: list[int]) -> np.ndarray:
            with torch.inference_mode():
                return model(input_ids=torch.tensor([ids])).logits.float().numpy()

    return {**found, "logits": [logits(ids)[0].tolist() for ids in pieces]}


if __name__ == "__main__":
    artifacts = Path(sys.argv[1])
    answer = {name: read(artifacts / name) for name in sys.argv[2:]}
    print(json.dumps({"transformers": version("transformers"), "variants": answer}))
