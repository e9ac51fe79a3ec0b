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
        self._runner.start(users, spawn_rate=users, wait=False)
        gone = False
        while not (session.over and self._runner.user_count == 0):
            gevent.sleep(0.1)
            gone = gone or self._server_is_gone(session.samples)
            if gone or session.now() > plan.seconds + DRAIN_SECONDS:
                break
        session.stop()
        cpu_share = (sum(process.cpu_times()[:2]) - used) / (session.now() - began) / (psutil.cpu_count() or 1)
        self._runner.stop()
        return Stretch(session.samples, cpu_share, gone)

    def _server_is_gone(self, samples: list[Sample]) -> bool:
        last = samples[-GIVE_UP_AFTER:]
        if len(last) < GIVE_UP_AFTER or any(sample.outcome not in (NO_ANSWER, UNSENT) for sample in last):
            return False
        return not self._service.alive
