"""The load itself: who asks what and when. One ``Session`` in each generating process, shared by its users.

Closed loop: each user asks again as soon as it has its answer. Open loop: requests are due at the times of a Poisson
process whatever became of the earlier ones; the users are a pool that takes them in turn, and a request that had to
wait for a free user keeps the time at which it was due.
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

POOL_USERS = 200
"""Requests that an open loop keeps under way at the most; later ones are sent late, and counted as that."""

PAUSE_SECONDS = 0.1
"""What a user waits after a request without an answer, so that a dead server is not asked in a busy loop."""


@dataclass(frozen=True)
class Plan:
    """A stretch of load and the right answers to it. Plain values only: it travels to other machines as a message.

    ``answers`` holds for each variant the ``results`` of each document. The last ``long`` documents are drawn with
    the probability ``long_share``. ``rate`` is requests a second of an open loop, None for a closed one; ``seconds``
    None means until stopped.
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

    def share(self, processes: int, process: int) -> "Plan":
        """The part of one of several generating processes: Poisson processes add up to one."""
        rate = self.rate / processes if self.rate is not None else None
        return replace(self, rate=rate, seed=f"{self.seed} {process}")


@dataclass(eq=False)
class Request:
    """A request that a user has taken and that has no sample yet; ``started`` is NaN until it is sent."""

    intended: float
    variant: str = ""
    document: int = -1
    started: float = math.nan


class Session:
    """A plan under way in this process. Times are seconds from the end of the warm-up."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.samples: list[Sample] = []
        self.bodies = [json.dumps({"text": document}).encode() for document in plan.documents]
        # Apart, so that the same seed gives the same arrivals whoever draws documents in between.
        self._arrivals = random.Random(f"{plan.seed} arrivals")
        self._chance = random.Random(f"{plan.seed} documents")
        self._zero = time.perf_counter() + plan.warm_up
        self._due = -plan.warm_up
        self._end = math.inf if plan.seconds is None else plan.seconds
        self._closed = Event()
        self._under_way: set[Request] = set()

    def now(self) -> float:
        return time.perf_counter() - self._zero

    @property
    def over(self) -> bool:
        """Whether no further request is due."""
        return self._closed.is_set() or self.now() >= self._end

    def close(self) -> None:
        """Let nothing more become due; what is may still be sent and answered."""
        if not self._closed.is_set():
            self._end = min(self._end, self.now())
            self._closed.set()

    def stop(self) -> None:
        """Close, and give up what is under way: all that was due by then has a sample, whatever became of it."""
        self.close()
        now = self.now()
        for request in sorted(self._under_way, key=lambda request: request.intended):
            if not math.isnan(request.started):
                self.finish(request, now, NO_ANSWER)
            elif request.intended < self._end:
                self.finish(request, math.nan, UNSENT)
        self._under_way.clear()
        while self.plan.rate is not None and (due := self._next()) < self._end:
            self.samples.append(Sample("", -1, due, math.nan, math.nan, UNSENT, math.nan, math.nan))

    def take(self, intended: float) -> Request:
        """A request that is due at ``intended``. From now on it gets a sample, answered or not."""
        request = Request(intended)
        self._under_way.add(request)
        return request

    def send(self, request: Request) -> None:
        """Wait until it is due and draw what it asks. Raises ``StopUser`` if nothing more is sent then."""
        self._closed.wait(max(0.0, request.intended - self.now()))
        if request.intended >= self._end or request not in self._under_way:
            raise StopUser
        request.variant, request.document = self.draw()
        request.started = self.now()

    def finish(
        self, request: Request, ended: float, outcome: str, queue: float = math.nan, inference: float = math.nan
    ) -> None:
        """Keep what became of it, unless it was given up before."""
        if request in self._under_way:
            self._under_way.remove(request)
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
        """A variant and a document."""
        plan = self.plan
        short = len(plan.documents) - plan.long
        if plan.long and self._chance.random() < plan.long_share:
            document = self._chance.randrange(short, len(plan.documents))
        else:
            document = self._chance.randrange(short)
        return self._chance.choice(plan.variants), document


class NerUser(FastHttpUser):
    """Asks ``/ner`` for one document after the other and checks every answer."""

    session: ClassVar[Session]
    network_timeout = 120.0
    connection_timeout = 10.0

    def on_start(self) -> None:
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
            data=session.bodies[document],  # type: ignore[arg-type] # bytes are what is sent
            headers={"Content-Type": "application/json"},
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
    """The outcome of an answer and the server's milliseconds of queue and inference."""
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
