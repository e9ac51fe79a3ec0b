"""Runs plans with locust: in this process, or by workers that have connected to it."""

import logging
from dataclasses import dataclass

import gevent
import psutil
from locust.env import Environment

from loadtests.load.samples import NO_ANSWER, UNSENT, Sample
from loadtests.load.service import Service
from loadtests.load.traffic import NerUser, Plan, Session

DRAIN_SECONDS = 30.0
"""How long a stretch of load may take to be answered after its end."""

GIVE_UP_AFTER = 20
"""So many requests in a row without an answer, and a server that does not answer a probe: it is gone."""


@dataclass(frozen=True)
class Stretch:
    """What a plan came to. ``cpu_share`` is the generator's part of all CPUs of its machine, 0 to 1."""

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
        """Put the load on, wait for the answers, and return all samples, those of the warm-up too."""
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
