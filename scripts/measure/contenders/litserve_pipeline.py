"""LitServe around transformers' pipeline, with default settings.

python scripts/measure/contenders/litserve_pipeline.py CHECKPOINT PORT
"""

import sys
import time
from typing import Any

import litserve
from shape import DESCRIPTION, answer
from transformers import pipeline


class Recognizer(litserve.LitAPI):
    """Instantiated in each of LitServe's worker processes."""

    def __init__(self, checkpoint: str):
        super().__init__(api_path="/ner")
        self.checkpoint = checkpoint

    def setup(self, device: str) -> None:
        self.recognize = pipeline(
            "token-classification", model=self.checkpoint, aggregation_strategy="simple", device="cpu"
        )

    def decode_request(self, request: dict[str, Any]) -> str:
        return str(request["text"])

    def predict(self, text: str) -> dict[str, Any]:
        started = time.perf_counter()
        return answer(self.recognize(text), started)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main(checkpoint: str, port: str) -> None:
    server = litserve.LitServer(Recognizer(checkpoint), accelerator="cpu", healthcheck_path="/readyz")
    server.app.get("/livez")(lambda: None)
    server.app.get("/variants")(lambda: [DESCRIPTION])
    server.run(host="127.0.0.1", port=int(port), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
