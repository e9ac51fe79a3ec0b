"""The obvious implementation: FastAPI around transformers' pipeline.

python scripts/measure/contenders/fastapi_pipeline.py CHECKPOINT PORT
"""

import sys
import threading
import time
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from shape import DESCRIPTION, answer
from transformers import pipeline


class Document(BaseModel):
    text: str


def main(checkpoint: str, port: str) -> None:
    app = FastAPI()
    recognize = pipeline("token-classification", model=checkpoint, aggregation_strategy="simple", device="cpu")
    # Concurrent calls of its tokenizer raise "Already borrowed".
    alone = threading.Lock()

    @app.post("/ner")
    def ner(document: Document) -> dict[str, Any]:
        with alone:
            started = time.perf_counter()
            return answer(recognize(document.text), started)

    @app.get("/livez")
    @app.get("/readyz")
    def ready() -> None: ...

    @app.get("/variants")
    def variants() -> list[dict[str, Any]]:
        return [DESCRIPTION]

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
