"""Generates requests. Each generating process has one ``Session``, shared by its users.

Closed loop: each user sends its next request as soon as it gets a response. Open loop: requests are due at the times
of a Poisson process, independent of earlier responses. A pool of users sends them, and a request that waits for a free
user keeps the time at which it was due.
"""

import json
import math
import random
import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import quote

import gevent
from gevent.event import Event
from locust import FastHttpUser, task
from locust.exception import StopUser

from loadtests.load.samples import NO_ANSWER, OK, UNSENT, WRONG, Sample
from loadtests.load.service import authorization

POOL_USERS = 200
"""Maximum number of requests in flight in an open loop; others are sent late, which their latency includes."""

PAUSE_SECONDS = 0.1
"""Pause of a user after a request without a response, to avoid a busy loop if the server is down."""


@dataclass(frozen=True)
class Plan:
    """One load level and its reference answers. Has only plain values, because it is sent to workers.

    ``answers`` maps each variant to the ``results`` of the documents. The last ``long`` documents are drawn with
    probability ``long_share``. ``rate`` is the requests per second of an open loop, or None for a closed loop. The load
    lasts ``seconds``, or until stopped if None. Requests that were due by then, but not sent because no user was free,
    are still sent, unless ``drop_unsent``.
    """

    variants: list[str]
    documents: list[str]
    answers: dict[str, list[Any]]
    seed: str
    long: int = 0
    long_share: float = 0.0
    rate: float | None = None
    warm_up: float = 1.0
    seconds: float | None = None
    drop_unsent: bool = False

    def share(self, processes: int, process: int) -> "Plan":
        """The share of one of several generating processes; their Poisson processes add up."""
        rate = self.rate / processes if self.rate is not None else None
        return replace(self, rate=rate, seed=f"{self.seed} {process}")


@dataclass(eq=False)
class Request:
    """A request without a sample yet; ``started`` is NaN until it is sent."""

    intended: float
    variant: str = ""
    document: int = -1
    started: float = math.nan


class Session:
    """A running plan. Times are seconds since the end of the warm-up."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.samples: list[Sample] = []
        self.bodies = [json.dumps({"text": document}).encode() for document in plan.documents]
        # Separate generators, so that arrivals do not depend on when documents are drawn.
        self._arrivals = random.Random(f"{plan.seed} arrivals")
        self._chance = random.Random(f"{plan.seed} documents")
        self._zero = time.perf_counter() + plan.warm_up
        self._due = -plan.warm_up
        self._end = math.inf if plan.seconds is None else plan.seconds
        self._closed = Event()
        self._in_flight: set[Request] = set()

    def now(self) -> float:
        return time.perf_counter() - self._zero

    @property
    def over(self) -> bool:
        """Whether no further request is due."""
        return self._closed.is_set() or self.now() >= self._end

    def close(self) -> None:
        """Make no further requests due; see ``Plan`` for those already due."""
        if not self._closed.is_set():
            self._end = min(self._end, self.now())
            self._closed.set()

    def stop(self) -> None:
        """Close and abandon requests in flight, so that every request that was due has a sample."""
        self.close()
        now = self.now()
        for request in sorted(self._in_flight, key=lambda request: request.intended):
            if not math.isnan(request.started):
                self.finish(request, now, NO_ANSWER)
            elif request.intended < self._end:
                self.finish(request, math.nan, UNSENT)
        self._in_flight.clear()
        while self.plan.rate is not None and (due := self._next()) < self._end:
            self.samples.append(Sample("", -1, due, math.nan, math.nan, UNSENT, math.nan, math.nan))

    def take(self, intended: float) -> Request:
        """A new request due at ``intended``, which will get a sample whether answered or not."""
        request = Request(intended)
        self._in_flight.add(request)
        return request

    def send(self, request: Request) -> None:
        """Wait until the request is due and draw its contents. Raises ``StopUser`` if the session has ended."""
        self._closed.wait(max(0.0, request.intended - self.now()))
        if request.intended >= self._end or request not in self._in_flight or (self.plan.drop_unsent and self.over):
            raise StopUser
        request.variant, request.document = self.draw()
        request.started = self.now()

    def finish(
        self, request: Request, ended: float, outcome: str, queue: float = math.nan, inference: float = math.nan
    ) -> None:
        """Record the outcome of a request unless it was abandoned."""
        if request in self._in_flight:
            self._in_flight.remove(request)
            self.samples.append(
                Sample(
                    variant=request.variant,
                    document=request.document,
                    intended=request.intended,
                    started=request.started,
                    ended=ended,
                    outcome=outcome,
                    queue_ms=queue,
                    inference_ms=inference,
                )
            )

    def next_due(self) -> float:
        """When the next request of the open loop is due. Raises ``StopUser`` after the last."""
        if self._closed.is_set() or (due := self._next()) >= self._end:
            raise StopUser
        return due

    def _next(self) -> float:
        assert self.plan.rate is not None
        self._due += self._arrivals.expovariate(self.plan.rate)
        return self._due

    def draw(self) -> tuple[str, int]:
        """A random variant and document."""
        plan = self.plan
        short = len(plan.documents) - plan.long
        if plan.long and self._chance.random() < plan.long_share:
            document = self._chance.randrange(short, len(plan.documents))
        else:
            document = self._chance.randrange(short)
        return self._chance.choice(plan.variants), document


class NerUser(FastHttpUser):
    """Sends documents to ``/ner`` and checks every answer."""

    session: ClassVar[Session]
    network_timeout = 120.0
    connection_timeout = 10.0

    def on_start(self) -> None:
        self._headers = {"Content-Type": "application/json", **authorization()}
        self._free_since = self.session.now()

    @task
    def ask(self) -> None:
        session = self.session
        if session.plan.rate is None:
            if session.over:
                raise StopUser
            request = session.take(self._free_since)
        else:
            request = session.take(session.next_due())
        session.send(request)
        variant, document = request.variant, request.document
        with self.client.post(
            f"/ner?variant={quote(variant)}",
            data=session.bodies[document],  # type: ignore[arg-type] # bytes are accepted
            headers=self._headers,
            name=variant,
            catch_response=True,
        ) as response:
            ended = self._free_since = session.now()
            outcome, queue, inference = judge(
                response.status_code, response.content, variant, session.plan.answers[variant][document]
            )
            if outcome == OK:
                response.success()
            else:
                response.failure(outcome)
        session.finish(request, ended, outcome, queue, inference)
        if outcome == NO_ANSWER:
            gevent.sleep(PAUSE_SECONDS)


def judge(status: int, content: bytes | None, variant: str, expected: Any) -> tuple[str, float, float]:
    """The outcome of a response and the server's queueing and inference milliseconds."""
    if status == 0:
        return NO_ANSWER, math.nan, math.nan
    if status != 200:
        return f"status {status}", math.nan, math.nan
    try:
        answer = json.loads(content or b"")
        timing = answer["timing"]
        right = answer["variant"] == variant and answer["results"] == expected
        return OK if right else WRONG, float(timing["queue_ms"]), float(timing["inference_ms"])
    except (ValueError, KeyError, TypeError):
        return WRONG, math.nan, math.nan
