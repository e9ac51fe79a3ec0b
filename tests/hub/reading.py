"""Loads repositories of the hub as their model cards say, and prints the label of each word.

python -m tests.hub.reading REPOSITORY...
"""

import json
import sys

import numpy as np
import onnxruntime
import torch
from huggingface_hub import hf_hub_download, list_repo_files
from optimum.onnxruntime import ORTModelForTokenClassification
from transformers import AutoModelForTokenClassification, AutoTokenizer, BatchEncoding

QUANTIZED = "model_quantized.onnx"
SENTENCES = [
    text.split()
    for text in (
        "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu .",
        "Shugaba Muhammadu Buhari ya je Kano ranar Talata , 5 Mayu 2019 .",
        "Ọ̀gbẹ́ni Adébáyọ̀ lọ sí Ìbàdàn lánàá .",
    )
]


def label(encoded: BatchEncoding, logits: np.ndarray, names: dict[int, str]) -> list[str]:
    """Of the first piece of each word."""
    numbers = encoded.word_ids(0)
    heads = [place for place, word in enumerate(numbers) if word is not None and word != numbers[place - 1]]
    return [names[int(number)] for number in logits[0].argmax(axis=-1)[heads]]


def read(repository: str) -> dict[str, list[list[str]]]:
    tokenizer = AutoTokenizer.from_pretrained(repository)
    encoded = [tokenizer(words, is_split_into_words=True, return_tensors="pt") for words in SENTENCES]
    files = [file for file in list_repo_files(repository) if file.endswith(".onnx")]
    if not files:
        model = AutoModelForTokenClassification.from_pretrained(repository, device_map="cpu").eval()
        with torch.inference_mode():
            found = [label(one, model(**one).logits.float().numpy(), model.config.id2label) for one in encoded]
        return {"transformers": found}
    # Like the cards: without a name, Optimum looks for model.onnx.
    named = {"file_name": QUANTIZED} if any(file.endswith(QUANTIZED) for file in files) else {}
    optimum = ORTModelForTokenClassification.from_pretrained(repository, **named)
    names = optimum.config.id2label
    session = onnxruntime.InferenceSession(hf_hub_download(repository, files[0]), providers=["CPUExecutionProvider"])
    return {
        "optimum": [label(one, optimum(**one).logits.numpy(), names) for one in encoded],
        "onnxruntime": [
            label(one, session.run(["logits"], {name: value.numpy() for name, value in one.items()})[0], names)
            for one in encoded
        ],
    }


if __name__ == "__main__":
    print(json.dumps({repository: read(repository) for repository in sys.argv[1:]}))
