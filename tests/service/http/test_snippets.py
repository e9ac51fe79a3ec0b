"""The snippets of docs/api.md, run as they stand there."""

import re
import shutil
import subprocess
import sys
import threading

import pytest

from tests import ROOT
from tests.service.conftest import Service, Services
from tests.service.http.servers import served
from tests.waiting import eventually

COMMANDS = {
    "python": [sys.executable, "-"],
    "js": [shutil.which("node") or "", "--input-type=module", "-"],
    "sh": ["sh", "-s"],
}


def snippet(language: str) -> str:
    """The first of a language under "Finding entities"."""
    section = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Finding entities")[2]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def run(language: str, port: int) -> str:
    if not COMMANDS[language][0]:
        pytest.skip("there is no Node")
    code = snippet(language).replace("localhost:3000", f"127.0.0.1:{port}")
    ran = subprocess.run(COMMANDS[language], input=code, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("language", COMMANDS)
def test_it_finds_entities(service: Service, language: str) -> None:
    with served(service.front) as port:
        assert "Nairobi" in run(language, port)


@pytest.mark.parametrize("language", ["python", "js"])
def test_it_asks_again_where_the_server_is_busy(services: Services, service: Service, language: str) -> None:
    busy = services.make(service.engine.pool, service.runtimes, max_in_flight=1)
    refused = busy.engine.metrics.errors.labels("/ner", "", "overloaded")
    said: list[str] = []
    with served(busy.front) as port:
        with busy.engine.admission.enter() as visit:
            visit.proceed({})
            asking = threading.Thread(target=lambda: said.append(run(language, port)))
            asking.start()
            assert eventually(lambda: refused._value.get() > 0 or not asking.is_alive())
        asking.join()
    assert "Nairobi" in said[0]
    assert refused._value.get() > 0
