"""A soak test and an overload test with all variants mixed.

The soak offers Poisson arrivals at a share of the capacity, which is measured first. It passes if all answers are
correct and resident memory does not grow. The overload offers a multiple of the capacity. It passes if all requests get
a correct answer or 429, the p99 latency of accepted requests is within the bound plus one service time, and the service
recovers within seconds. What the generator does not manage to send is not the service's fault: if the load that was
sent was no overload, that is the only thing said.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import gevent

from loadtests.load.generator import Generator, Stretch
from loadtests.load.samples import OK, REFUSED, UNSENT, Sample
from loadtests.load.service import Service
from loadtests.load.texts import draw
from loadtests.load.traffic import PAUSE_SECONDS, POOL_USERS, Plan
from loadtests.report.figures import Times, measured, sent, slope_per_minute, times_by_variant
from loadtests.report.record import SoakResult

MEMORY = "process_resident_memory_bytes"

GONE = "the server stopped responding"

LEAST_SECONDS_FOR_MEMORY = 120
"""Minimum duration of a soak to check memory growth."""

FLAT_BYTES_PER_MINUTE = 1e6
"""Maximum memory growth that counts as flat."""

WARM_UP_SECONDS = 1.0

RECOVERY_SECONDS = 5.0

RECOVERED_ANSWERS = 10
"""Number of consecutive correct answers whose median time must be about as before."""


@dataclass
class Soak:
    """A mixed load on all of ``variants``."""

    service: Service
    variants: list[str]
    texts: Path
    seed: int
    documents: int = 100
    say: Callable[[str], None] = print
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        documents = draw(self.texts, self.documents, self.seed, with_long=False)
        answers = {name: self.service.answers(name, documents.texts) for name in self.variants}
        self._base = Plan(self.variants, list(documents.texts), answers, str(self.seed))
        self._generator = Generator(self.service)

    def _put(self, name: str, seconds: float, rate: float | None, users: int, drop_unsent: bool = False) -> Stretch:
        base = self._base
        plan = Plan(
            base.variants,
            base.documents,
            base.answers,
            seed=f"{self.seed} {name}",
            rate=rate,
            warm_up=WARM_UP_SECONDS,
            seconds=seconds,
            drop_unsent=drop_unsent,
        )
        return self._generator.run(plan, users)

    def capacity(self, seconds: float) -> float:
        """Throughput in answers per second of a closed loop of 16 users."""
        _, _, throughput, _ = measured(self._put("capacity", seconds, None, 16).samples, seconds, closed=True)
        self.say(f"capacity: {throughput:.1f} answers/s, all variants mixed")
        return throughput

    def results(
        self, seconds: float, share: float, overload_seconds: float, overload: float, bound_ms: float, capacity: float
    ) -> Iterator[SoakResult]:
        """Run the soak, then the overload, unless the server stops responding in the soak."""
        soak = self.soak(seconds, share, capacity)
        yield soak
        if GONE not in soak.failures:
            yield self.overload(overload_seconds, overload, capacity, bound_ms)

    def soak(self, seconds: float, share: float, capacity: float) -> SoakResult:
        """Load at ``share`` of the capacity for ``seconds``."""
        memory: list[tuple[float, float]] = []
        watcher = gevent.spawn(self._watch_memory, memory, max(0.5, seconds / 200))
        stretch = self._put("soak", seconds, share * capacity, POOL_USERS)
        watcher.kill()
        result = self._result("soak", seconds, capacity, share * capacity, stretch)
        result.memory_bytes, result.memory_bytes_per_minute = memory, slope_per_minute(memory)
        wrong = {outcome: count for outcome, count in result.outcomes.items() if outcome != OK}
        if wrong:
            result.failures.append(f"not all answers were correct: {wrong}")
        if not result.requests:
            result.failures.append("no request was due: raise --share or --seconds")
        if result.memory_bytes_per_minute is None:
            result.failures.append("the service does not report its memory")
        elif seconds >= LEAST_SECONDS_FOR_MEMORY and result.memory_bytes_per_minute > FLAT_BYTES_PER_MINUTE:
            result.failures.append(f"resident memory grows by {result.memory_bytes_per_minute / 1e6:.2f} MB/min")
        return result

    def overload(self, seconds: float, times: float, capacity: float, bound_ms: float) -> SoakResult:
        """Load at ``times`` the capacity for ``seconds``; also measures the time to recover."""
        before = min(seconds, 3.0)
        alone = Times.of(measured(self._put("before", before, None, 1).samples, before, closed=True)[3]).service
        watcher = gevent.spawn(self._recovery, seconds + WARM_UP_SECONDS, alone.p99 if alone else bound_ms)
        stretch = self._put("overload", seconds, times * capacity, POOL_USERS, drop_unsent=True)
        recovery = watcher.get()
        result = self._result("overload", seconds, capacity, times * capacity, stretch)
        result.recovery_seconds = recovery
        # Never sent, so that they say nothing about the service.
        result.requests -= result.outcomes.pop(UNSENT, 0)
        wrong = {outcome: count for outcome, count in result.outcomes.items() if outcome not in (OK, REFUSED)}
        if wrong:
            result.failures.append(f"outcomes other than correct answers and 429: {wrong}")
        if result.shortfall:
            result.failures.append(result.shortfall)
            if result.generator_slow:
                # Times and recovery would be the generator's.
                return result
        service, allowed = result.times.service, bound_ms + (alone.p50 if alone else 0.0)
        if service is None or service.p99 > allowed:
            result.failures.append(
                f"p99 of accepted requests was {service.p99 if service else float('nan'):.0f} ms, limit {allowed:.0f}"
            )
        if recovery is None:
            result.failures.append(f"did not recover within {RECOVERY_SECONDS:g} s")
        return result

    def _recovery(self, after: float, usual_ms: float) -> float | None:
        """Seconds from the end of the overload, ``after`` seconds from now, until the service has recovered.

        It has recovered when ``RECOVERED_ANSWERS`` requests in a row get a correct answer and their median time is at
        most twice ``usual_ms``; the first of them counts, so waiting for queued requests does too. A median, because a
        single slow answer says more about the machine than about the service. None if it takes longer than
        ``RECOVERY_SECONDS``.
        """
        end = time.monotonic() + after
        gevent.sleep(after)
        variants, chance = self._base.variants, random.Random(self.seed)
        recent: deque[tuple[float, float]] = deque(maxlen=RECOVERED_ANSWERS)  # when asked, and milliseconds
        while (recent[0][0] if recent else time.monotonic()) - end < RECOVERY_SECONDS:
            variant, document = chance.choice(variants), chance.randrange(len(self._base.documents))
            asked = time.monotonic()
            right = self.service.answers_correctly(
                variant, self._base.documents[document], self._base.answers[variant][document], RECOVERY_SECONDS
            )
            if not right:
                recent.clear()
                gevent.sleep(PAUSE_SECONDS)
                continue
            recent.append((asked, 1000 * (time.monotonic() - asked)))
            if len(recent) == RECOVERED_ANSWERS and median(took for _, took in recent) <= 2 * usual_ms:
                return recent[0][0] - end
        return None

    def _result(self, kind: str, seconds: float, capacity: float, rate: float, stretch: Stretch) -> SoakResult:
        self.samples = stretch.samples
        requests, outcomes, _, right = measured(stretch.samples, seconds)
        sent_rate, late, in_flight = sent(stretch.samples, seconds)
        return SoakResult(
            kind=kind,
            seconds=seconds,
            variants=self.variants,
            capacity=capacity,
            rate=rate,
            due_rate=requests / seconds,
            sent_rate=sent_rate,
            late_p99_ms=late,
            waiting_share=round(in_flight / POOL_USERS, 4),
            requests=requests,
            outcomes=outcomes,
            times=Times.of(right),
            by_variant=times_by_variant(right, self.variants),
            failures=[GONE] if stretch.server_gone else [],
        )

    def _watch_memory(self, memory: list[tuple[float, float]], pause: float) -> None:
        began = time.monotonic()
        while True:
            value = self.service.metrics().get(MEMORY)
            if value is not None:
                memory.append((round(time.monotonic() - began, 2), value))
            gevent.sleep(pause)
