"""Runs plans with locust in this process."""

import logging
from dataclasses import dataclass

import gevent
import psutil
from locust.env import Environment

from loadtests.load.samples import NO_ANSWER, UNSENT, Sample
from loadtests.load.service import Service
from loadtests.load.traffic import NerUser, Plan, Session

DRAIN_SECONDS = 30.0
"""Maximum time to wait for outstanding answers after the end of a plan."""

GIVE_UP_AFTER = 20
"""After this many unanswered requests in a row, the server is probed, and is gone if it does not respond."""

PROBE_SECONDS = 30.0
"""How long a request may take without load, after a plan that left requests unanswered, before the server is gone."""


@dataclass(frozen=True)
class Stretch:
    """The result of a plan. ``cpu_share`` is the generator's share of all CPUs of its machine, from 0 to 1."""

    samples: list[Sample]
    cpu_share: float
    server_gone: bool


class Generator:
    """Locust's users in this process."""

    def __init__(self, service: Service):
        logging.getLogger("locust").setLevel(logging.ERROR)
        self._service = service
        self._environment = Environment(user_classes=[NerUser], host=service.url)
        self._runner = self._environment.create_local_runner()

    def run(self, plan: Plan, users: int) -> Stretch:
        """Generate the load, wait for outstanding answers, and return all samples, including the warm-up."""
        assert plan.seconds is not None
        NerUser.session = session = Session(plan)
        process = psutil.Process()
        used = sum(process.cpu_times()[:2])
        began = session.now()
        gone = abandoned = False
        try:
            self._runner.start(users, spawn_rate=users, wait=False)
            while not ((session.over and self._runner.user_count == 0) or gone or abandoned):
                gevent.sleep(0.1)
                gone = self._server_is_gone(session.samples)
                abandoned = session.now() > plan.seconds + DRAIN_SECONDS
            session.stop()
            cpu_share = (sum(process.cpu_times()[:2]) - used) / (session.now() - began) / (psutil.cpu_count() or 1)
        finally:
            self._runner.stop()
        if abandoned or _unanswered(session.samples):
            gone = gone or self._server_hangs(plan, session.samples)
        return Stretch(session.samples, cpu_share, gone)

    def _server_is_gone(self, samples: list[Sample]) -> bool:
        last = samples[-GIVE_UP_AFTER:]
        return len(last) == GIVE_UP_AFTER and _unanswered(last) and not self._service.alive

    def _server_hangs(self, plan: Plan, samples: list[Sample]) -> bool:
        """Whether the last request that got no answer gets none when it is repeated without load.

        A server whose inference hangs may still respond to /livez.
        """
        last = next((sample for sample in reversed(samples) if sample.outcome == NO_ANSWER), None)
        return last is not None and not self._service.responds(
            last.variant, plan.documents[last.document], PROBE_SECONDS
        )


def _unanswered(samples: list[Sample]) -> bool:
    return all(sample.outcome in (NO_ANSWER, UNSENT) for sample in samples)
