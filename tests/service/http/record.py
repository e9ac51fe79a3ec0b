"""Writes the examples of the OpenAPI document: asks a server of real artefacts; run by ``scripts/examples``."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests import ROOT
from tests.e2e.servers import serving

FILE = ROOT / "service" / "http" / "examples.json"

TEXT = "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu."
TOKENS = ["Shugaba", "Bola", "Tinubu", "ya", "isa", "Kano", "."]
LABELS = ["O", "B-PER", "I-PER", "O", "O", "B-LOC", "O"]
CONLL = "Rais O\nWilliam B-PER\nRuto I-PER\nyuko O\nNairobi B-LOC\n"

BODIES: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "/ner": {
        "one text": ("variant=dynamic", {"text": TEXT}),
        "several texts": ("variant=dynamic", {"texts": [TEXT, "Wizkid ya isa Legas ranar Juma'a."]}),
        "words": ("variant=dense&min_score=0.5", {"tokens": [TOKENS]}),
        "the server chooses": ("variant=auto&max_latency_ms=50", {"text": TEXT}),
    },
    "/compare": {"one text": ("", {"text": "Wizkid ya isa Kano ranar Juma'a."})},
    "/accuracy": {
        "CoNLL": ("variant=dynamic&language=swa", {"conll": CONLL}),
        "sentences": (
            "variant=pruned&noise=lower",
            {"examples": [{"tokens": TOKENS, "labels": LABELS, "language": "hau"}]},
        ),
    },
}
SHOWN = ("dense", "dynamic", "int8")
METRIC = "kidogo_requests"


def record(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, bodies in BODIES.items():
        found[path] = {"body": {}, "application/json": {}}
        for name, (query, body) in bodies.items():
            found[path]["body"][name] = body
            answer = client.post(f"{path}?{query}", json=body).raise_for_status()
            found[path]["application/json"][name] = answer.json()
        if path != "/ner":
            events = client.post(f"{path}?{query}", json=body, headers={"Accept": "text/event-stream"})
            found[path]["text/event-stream"] = {"events": events.raise_for_status().text}
    variants = [each for each in client.get("/variants").json() if each["name"] in SHOWN]
    found["/variants"] = {"application/json": {"some variants": variants}}
    for path in ("/livez", "/readyz"):
        found[path] = {"application/json": {"yes": client.get(path).raise_for_status().json()}}
    lines = [line for line in client.get("/metrics").text.splitlines() if METRIC in line]
    found["/metrics"] = {"text/plain": {"a few lines": "\n".join(lines[:6]) + "\n"}}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(arguments.artifacts, Path(folder) / "log") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        FILE.write_text(json.dumps(record(client), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(FILE)


if __name__ == "__main__":
    main()
