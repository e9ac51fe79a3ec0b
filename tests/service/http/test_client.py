"""A client that openapi-python-client generates from the OpenAPI document."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import Service
from tests.service.http.servers import served

USE = """
import sys
from kidogo_client import Client
from kidogo_client.api.entities import compare_variants, find_entities
from kidogo_client.api.evaluation import check_accuracy
from kidogo_client.api.operation import list_variants
from kidogo_client.models import AccuracyRequest, CompareRequest, ErrorAnswer, FindEntitiesVariant, NerRequest

client = Client(base_url=sys.argv[1])
text = "leo William Ruto yuko Nairobi"
pruned = FindEntitiesVariant.PRUNED
answer = find_entities.sync(client=client, body=NerRequest(text=text), variant=pruned, min_score=0.1)
print(answer.variant, [(entity.label, entity.text) for entity in answer.results[0].entities])
refused = find_entities.sync(client=client, body=NerRequest())
assert isinstance(refused, ErrorAnswer) and refused.error.code == "invalid_request", refused
assert len(compare_variants.sync(client=client, body=CompareRequest(text=text)).variants) == 6
checked = check_accuracy.sync(client=client, body=AccuracyRequest(conll="Nairobi B-PER"))
assert checked.f1 == 1 and checked.mistakes.missed == 0
assert [variant.name for variant in list_variants.sync(client=client)][0] == "dense"
"""


@pytest.mark.slow
def test_a_generated_client_works(service: Service, tmp_path: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    python = tmp_path / "venv" / "bin" / "python"
    for command in (
        [*uv, "venv", "--quiet", str(tmp_path / "venv")],
        [*uv, "pip", "install", "--quiet", "--python", str(python), "openapi-python-client>=0.25"],
    ):
        subprocess.run(command, check=True, timeout=300)
    with served(service.front) as port:
        document = httpx.get(f"http://127.0.0.1:{port}/openapi.json").json()
        document["info"]["title"] = "kidogo"
        (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
        # Without the formatters that it would run over the client.
        (tmp_path / "config.yml").write_text("post_hooks: []", encoding="utf-8")
        generate = [
            "-m",
            "openapi_python_client",
            "generate",
            "--path",
            "openapi.json",
            "--config",
            "config.yml",
            "--fail-on-warning",
        ]
        for arguments in (
            [*generate, "--output-path", "kidogo_client", "--meta", "none"],
            ["-c", USE, f"http://127.0.0.1:{port}"],
        ):
            ran = subprocess.run([str(python), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120)
            assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.strip() == "pruned [('LOC', 'William Ruto'), ('LOC', 'Nairobi')]"
