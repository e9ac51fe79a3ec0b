"""Reads server-sent events from a real server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx


def events(port: int, path: str, body: object) -> Iterator[tuple[str, Any]]:
    """POST ``body`` and yield the events of the answer as they come. Closing the generator closes the connection."""
    with httpx.stream(
        "POST", f"http://127.0.0.1:{port}{path}", json=body, headers={"Accept": "text/event-stream"}, timeout=30
    ) as response:
        if response.status_code != 200:
            response.read()
            raise AssertionError(response.text)
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
