"""A client of the service under test: readiness, variants, metrics and reference answers."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from loadtests.errors import LoadTestError

_SERIES = re.compile(r"^(\w+)(\{.*\})? (\S+)$", re.MULTILINE)


def authorization() -> dict[str, str]:
    """The Authorization header with the token in ``NER_TOKEN``; empty if that is not set.

    Raises ``LoadTestError`` for characters that a header cannot have.
    """
    token = os.environ.get("NER_TOKEN", "").strip()
    if not token.isascii():
        raise LoadTestError("NER_TOKEN has characters that an HTTP header cannot have: set it to the server's token.")
    return {"Authorization": f"Bearer {token}"} if token else {}


class Service:
    """A service at a base address such as ``http://127.0.0.1:3000``."""

    def __init__(self, url: str):
        """Raises ``LoadTestError`` if ``url`` is not a valid HTTP URL."""
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            self._port = parts.port
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("no http:// or https:// followed by a host")
            parts.hostname.encode("idna")  # as sockets do, which raise UnicodeError for a host such as a..b
        except ValueError as error:
            raise LoadTestError(
                f"{url!r} is not an HTTP URL ({error}): pass one such as http://127.0.0.1:3000 with --host."
            ) from error
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._parts = parts

    def request(self, method: str, path: str, body: object = None, timeout: float = 120) -> tuple[int, bytes]:
        """Send a request and return status and body. Raises ``OSError`` if there is no response."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self._parts.hostname), self._port, timeout=timeout)
        try:
            content = None if body is None else json.dumps(body).encode()
            headers = authorization() | ({} if body is None else {"Content-Type": "application/json"})
            connection.request(method, self._parts.path.rstrip("/") + path, content, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def _asked(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """As ``request``, but raises ``LoadTestError`` if there is no response."""
        try:
            return self.request(method, path, body)
        except OSError as error:
            raise LoadTestError(f"{self.url}{path} gave no response ({error}): see the server's log.") from error

    @property
    def alive(self) -> bool:
        """Whether /livez responds."""
        try:
            return self.request("GET", "/livez", timeout=5)[0] == 200
        except OSError:
            return False

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until ready. Raises ``LoadTestError`` at once if the server is not reachable, or after ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                status, answer = self.request("GET", "/readyz", timeout=10)
            except OSError as error:
                raise LoadTestError(
                    f"No server responds at {self.url} ({error.strerror or error}). Start one with scripts/serve, or"
                    " omit --host to start one automatically."
                ) from error
            if status == 200:
                return
            if time.monotonic() > deadline:
                said = answer.decode(errors="replace")[:500]
                raise LoadTestError(f"{self.url} is not ready after {seconds:g} s (status {status}: {said}).")
            time.sleep(0.2)

    def variants(self) -> dict[str, dict[str, Any]]:
        """The entries of ``/variants`` by name."""
        status, answer = self._asked("GET", "/variants")
        if status == 401:
            raise LoadTestError(f"{self.url} requires a token: set NER_TOKEN to it for this command, too.")
        if status != 200:
            raise LoadTestError(f"{self.url}/variants returned status {status}: is this a Kidogo server?")
        try:
            known = {entry["name"]: entry for entry in json.loads(answer)}
            if not all("status" in entry for entry in known.values()):
                raise ValueError("an entry without a status")
        except (ValueError, TypeError, KeyError) as error:
            raise LoadTestError(
                f"{self.url}/variants returned no list of variants: is this a Kidogo server?"
            ) from error
        return known

    def choose(self, names: str | None) -> list[str]:
        """The variants in ``names``, with commas between them, or all that are ready.

        Raises ``LoadTestError`` if a variant is unknown or not ready.
        """
        known = self.variants()
        ready = [name for name in known if known[name]["status"] == "ready"]
        chosen = [name.strip() for name in names.split(",")] if names else ready
        for name in chosen:
            if name not in known:
                raise LoadTestError(f"There is no variant {name!r}. The server has: {', '.join(known)}.")
            if known[name]["status"] != "ready":
                reason = known[name].get("reason") or "it is still loading"
                raise LoadTestError(f"The variant {name} is {known[name]['status']}: {reason}.")
        if not chosen:
            raise LoadTestError(f"No variant of {self.url} is ready.")
        return list(dict.fromkeys(chosen))

    def answers(self, variant: str, texts: Sequence[str]) -> list[Any]:
        """The ``results`` of each text, requested one at a time: the reference answers."""
        return [self._answer(variant, text) for text in texts]

    def _answer(self, variant: str, text: str) -> Any:
        status, answer = self._asked("POST", f"/ner?variant={quote(variant)}", {"text": text})
        if status != 200:
            raise LoadTestError(
                f"{variant} returned status {status} for a text of {len(text)} characters without load:"
                f" {answer.decode(errors='replace')[:500]}"
            )
        try:
            return results_of(answer)
        except ValueError as error:
            raise LoadTestError(f"{self.url}/ner returned no results: is this a Kidogo server?") from error

    def answers_correctly(self, variant: str, text: str, expected: Any, timeout: float) -> bool:
        """Whether a request gets the expected ``results``; a refusal or no response does not count."""
        response = self._response(variant, text, timeout)
        try:
            return response is not None and response[0] == 200 and results_of(response[1]) == expected
        except ValueError:
            return False

    def responds(self, variant: str, text: str, timeout: float) -> bool:
        """Whether a request gets any response."""
        return self._response(variant, text, timeout) is not None

    def _response(self, variant: str, text: str, timeout: float) -> tuple[int, bytes] | None:
        """Status and body of the response to a text; None if there is none."""
        try:
            return self.request("POST", f"/ner?variant={quote(variant)}", {"text": text}, timeout)
        except OSError:
            return None

    def metrics(self) -> dict[str, float]:
        """Prometheus series by name and labels; empty if /metrics is not available."""
        try:
            status, answer = self.request("GET", "/metrics", timeout=10)
        except OSError:
            return {}
        if status != 200:
            return {}
        try:
            return {name + labels: float(value) for name, labels, value in _SERIES.findall(answer.decode())}
        except ValueError:
            # Something else than Prometheus' format.
            return {}

    def facts(self) -> dict[str, str]:
        """The labels of ``kidogo_service_info``: CPUs, threads, versions."""
        series = next((name for name in self.metrics() if name.startswith("kidogo_service_info")), "")
        return dict(re.findall(r'(\w+)="([^"]*)"', series))


def results_of(answer: bytes) -> Any:
    """The ``results`` in an answer of ``/ner``. Raises ``ValueError`` if there are none."""
    try:
        return json.loads(answer)["results"]
    except (TypeError, KeyError) as error:
        raise ValueError("no results") from error


@contextmanager
def started(artifacts: Path, log: Path, seconds: float, longest_wait: float | None = None) -> Iterator[Service]:
    """Run ``bentoml serve`` for ``artifacts`` on a free port until the block ends.

    ``longest_wait`` is the server's maximum queueing time in seconds; None uses the environment's. Raises
    ``LoadTestError`` with the end of the log if the server does not respond within ``seconds``.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    waits = {} if longest_wait is None else {"NER_MAX_WAIT_SECONDS": f"{longest_wait:g}"}
    command = [sys.executable, "-m", "bentoml", "serve", "service:NerService", "--host", "127.0.0.1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={**os.environ, "NER_ARTIFACTS": str(artifacts), **waits},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        service = Service(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + seconds
        while not service.alive:
            if process.poll() is not None or time.monotonic() > deadline:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
                raise LoadTestError(f"The server did not start; {log} ends with:\n{end}")
            time.sleep(0.2)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(90)
        finally:
            # It took too long, or the user pressed Ctrl+C again.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
