"""Keeps asking a service while a test does something to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

TEXT = "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu."


@dataclass
class Answers:
    """What came back, in no order; ``lost`` are requests that got no answer."""

    answered: list[httpx.Response] = field(default_factory=list)
    lost: list[httpx.TransportError] = field(default_factory=list)

    def statuses(self) -> set[int]:
        return {response.status_code for response in self.answered}


@contextmanager
def load(url: str, variants: list[str], pause: float = 0.0, keep_alive: bool = True) -> Iterator[Answers]:
    """Ask each of the variants over and over, each in a thread of its own, until the block ends."""
    answers, stop = Answers(), threading.Event()

    def ask(variant: str) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if keep_alive else 0)
        with httpx.Client(base_url=url, timeout=60, limits=limits) as client:
            while not stop.wait(pause):
                try:
                    answers.answered.append(client.post("/ner", params={"variant": variant}, json={"text": TEXT}))
                except httpx.TransportError as error:
                    answers.lost.append(error)

    threads = [threading.Thread(target=ask, args=(variant,)) for variant in variants]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
