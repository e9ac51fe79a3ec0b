import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator

import pytest

from service.scheduling.scheduler import BACKGROUND, LIVE_SECONDS, Scheduler
from service.scheduling.virtual_time import Machine

PATIENCE = 30.0


def steps_of(name: str, count: int, log: list[str], seconds: float = 0.0) -> Generator[None, None, str]:
    """A job of ``count`` steps that notes each in ``log``."""
    for number in range(count):
        if seconds:
            time.sleep(seconds)
        log.append(name)
        if number < count - 1:
            yield
    return f"{name} is done"


def in_loop(scenario: Callable[[Scheduler], Awaitable[None]], slots: int = 1) -> None:
    async def main() -> None:
        async for scheduler in opened(slots):
            await scenario(scheduler)

    asyncio.run(main())


async def opened(slots: int) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(slots)
    try:
        yield scheduler
    finally:
        scheduler.close()


@pytest.mark.parametrize("slots", [1, 3])
def test_a_result_comes_through(slots: int) -> None:
    async def scenario(scheduler: Scheduler) -> None:
        jobs = [scheduler.run(steps_of(f"job {number}", number, []), PATIENCE) for number in range(1, 30)]
        assert [result for result, _ in await asyncio.gather(*jobs)] == [f"job {n} is done" for n in range(1, 30)]

    in_loop(scenario, slots)


def test_an_exception_comes_through_and_the_thread_lives_on() -> None:
    def failing() -> Generator[None, None, str]:
        yield
        raise ZeroDivisionError("in the second step")

    def panicking() -> Generator[None, None, str]:
        yield
        raise BaseException("a panic in Rust")

    async def scenario(scheduler: Scheduler) -> None:
        with pytest.raises(ZeroDivisionError, match="in the second step"):
            await scheduler.run(failing(), PATIENCE)
        with pytest.raises(RuntimeError, match="a step ended with BaseException"):
            await scheduler.run(panicking(), PATIENCE)
        assert (await scheduler.run(steps_of("next", 2, []), PATIENCE))[0] == "next is done"

    in_loop(scenario)


def endless(begun: threading.Event, closed: threading.Event, log: list[str]) -> Generator[None, None, str]:
    try:
        while True:
            begun.set()
            log.append("step")
            time.sleep(0.001)
            yield
    finally:
        closed.set()


def test_after_a_timeout_no_further_step_is_taken() -> None:
    begun, closed, log = threading.Event(), threading.Event(), list[str]()

    async def scenario(scheduler: Scheduler) -> None:
        with pytest.raises(TimeoutError):
            await scheduler.run(endless(begun, closed, log), 0.05)
        assert closed.wait(PATIENCE), "the generator is closed, so that it lets go of what it holds"
        taken = len(log)
        await scheduler.run(steps_of("later", 20, []), PATIENCE)
        assert len(log) == taken > 0

    in_loop(scenario)


def test_a_cancelled_caller_stops_the_job() -> None:
    begun, closed, log = threading.Event(), threading.Event(), list[str]()

    async def scenario(scheduler: Scheduler) -> None:
        caller = asyncio.create_task(scheduler.run(endless(begun, closed, log), PATIENCE))
        await asyncio.to_thread(begun.wait, PATIENCE)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert closed.wait(PATIENCE)

    in_loop(scenario)


def test_a_job_that_timed_out_before_its_first_step_takes_none() -> None:
    release, log = threading.Event(), list[str]()

    def blocking() -> Generator[None, None, str]:
        release.wait(PATIENCE)
        return "released"
        yield

    async def scenario(scheduler: Scheduler) -> None:
        first = asyncio.create_task(scheduler.run(blocking(), PATIENCE))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await scheduler.run(steps_of("late", 3, log), 0.02)
        release.set()
        assert (await first)[0] == "released"
        await scheduler.run(steps_of("next", 1, []), PATIENCE)

    in_loop(scenario)
    assert log == []


def test_a_short_job_waits_for_a_step_of_a_long_one_not_for_its_end() -> None:
    log: list[str] = []
    begun = threading.Event()

    def long() -> Generator[None, None, str]:
        for _ in range(200):
            time.sleep(0.002)
            log.append("long")
            begun.set()
            yield
        return "long is done"

    async def scenario(scheduler: Scheduler) -> None:
        caller = asyncio.create_task(scheduler.run(long(), PATIENCE))
        await asyncio.to_thread(begun.wait, PATIENCE)
        await scheduler.run(steps_of("short", 3, log, 0.002), PATIENCE)
        await caller

    in_loop(scenario)
    last = len(log) - 1 - log[::-1].index("short")
    assert log.count("long") == 200
    assert "long" in log[log.index("short") : last], "steps of the two interleave"
    assert log[last:].count("long") > 100, "most of the long job comes after the short one"


def test_time_is_shared_not_steps() -> None:
    log: list[str] = []

    async def scenario(scheduler: Scheduler) -> None:
        await asyncio.gather(
            scheduler.run(steps_of("slow", 10, log, 0.02), PATIENCE),
            scheduler.run(steps_of("fast", 100, log, 0.002), PATIENCE),
        )

    in_loop(scenario)
    # Both need about the same time, so they go along together: by turns of steps, the fast one would have taken
    # only 10 of its 100 steps when the slow one ends.
    before_the_end_of_slow = log[: len(log) - log[::-1].index("slow")]
    assert before_the_end_of_slow.count("fast") > 30
    assert log.index("fast") < len(log) - 1 - log[::-1].index("slow")


def test_a_newcomer_does_not_make_up_for_the_time_before_it_came() -> None:
    log: list[str] = []
    begun = threading.Event()

    def early() -> Generator[None, None, str]:
        for number in range(100):
            time.sleep(0.003)
            log.append("early")
            if number == 40:
                begun.set()
            yield
        return "early is done"

    async def scenario(scheduler: Scheduler) -> None:
        caller = asyncio.create_task(scheduler.run(early(), PATIENCE))
        await asyncio.to_thread(begun.wait, PATIENCE)
        await scheduler.run(steps_of("newcomer", 30, log, 0.003), PATIENCE)
        await caller

    in_loop(scenario)
    last = len(log) - 1 - log[::-1].index("newcomer")
    assert log[log.index("newcomer") : last].count("early") > 8


@pytest.mark.parametrize("slots", [1, 2])
def test_a_long_job_ends_though_short_ones_keep_coming(slots: int) -> None:
    log: list[str] = []

    async def scenario(scheduler: Scheduler) -> None:
        ended = asyncio.Event()

        async def keep_coming() -> None:
            while not ended.is_set():
                await scheduler.run(steps_of("short", 1, log, 0.002), PATIENCE)

        clients = [asyncio.create_task(keep_coming()) for _ in range(4 * slots)]
        try:
            await scheduler.run(steps_of("long", 20, log, 0.002), 3)
        finally:
            ended.set()
            await asyncio.gather(*clients)

    in_loop(scenario, slots)
    assert log.count("short") > 20, "the short ones have their share as well"


def test_background_work_gives_way_and_still_goes_on() -> None:
    log: list[str] = []
    begun = threading.Event()

    def background() -> Generator[None, None, str]:
        for _ in range(60):
            time.sleep(0.002)
            log.append("background")
            begun.set()
            yield
        return "background is done"

    async def scenario(scheduler: Scheduler) -> None:
        caller = asyncio.create_task(scheduler.run(background(), PATIENCE, BACKGROUND))
        await asyncio.to_thread(begun.wait, PATIENCE)
        await asyncio.gather(*(scheduler.run(steps_of("request", 20, log, 0.002), PATIENCE) for _ in range(3)))
        assert (await caller)[0] == "background is done"

    in_loop(scenario)
    last = len(log) - 1 - log[::-1].index("request")
    between = log[log.index("request") : last].count("background")
    # By weight a tenth of the requests' 60 steps; an equal would have had half as many or more.
    assert between <= 12
    assert log[last:].count("background") > 40


def test_background_work_rests_while_requests_keep_coming() -> None:
    log: list[str] = []

    async def scenario(scheduler: Scheduler) -> None:
        caller = asyncio.create_task(scheduler.run(steps_of("background", 10_000, log, 0.002), PATIENCE, BACKGROUND))
        await asyncio.sleep(0.2)
        alone = len(log)
        log.clear()
        for _ in range(20):
            await scheduler.run(steps_of("request", 1, []), PATIENCE)
            await asyncio.sleep(0.01)
        assert 0 < len(log) < alone / 2
        await asyncio.sleep(2 * LIVE_SECONDS)
        log.clear()
        await asyncio.sleep(0.2)
        assert len(log) > alone / 2, "it goes on at its full pace afterwards"
        caller.cancel()

    in_loop(scenario)


def test_the_background_takes_many_steps_in_a_turn_and_a_request_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.scheduling.scheduler.TURN_SECONDS", 60.0)
    log: list[str] = []

    async def scenario(scheduler: Scheduler) -> None:
        turns = 0
        charge = scheduler._charge

        def counting(*arguments: object) -> None:
            nonlocal turns
            turns += 1
            charge(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(scheduler, "_charge", counting)
        check = asyncio.create_task(scheduler.run(steps_of("check", 100_000, log, 0.001), PATIENCE, BACKGROUND))
        await asyncio.sleep(0.1)
        assert turns == 0
        assert len(log) > 10
        before = len(log)
        await scheduler.run(steps_of("request", 1, log), PATIENCE)
        assert log.index("request") - before <= 2
        check.cancel()

    in_loop(scenario)


def test_requests_do_not_wait_while_the_background_rests() -> None:
    """Long steps of requests beside tiny ones of the background, whose turn is therefore nearly always next."""

    async def scenario(scheduler: Scheduler) -> None:
        async def client() -> None:
            for _ in range(10):
                await scheduler.run(steps_of("request", 1, [], 0.01), PATIENCE, "dense")

        async def seconds_of_requests() -> float:
            began = time.perf_counter()
            await asyncio.gather(*(client() for _ in range(3)))
            return time.perf_counter() - began

        alone = await seconds_of_requests()
        check = asyncio.create_task(scheduler.run(steps_of("check", 1_000_000, [], 0.0002), PATIENCE, BACKGROUND))
        await asyncio.sleep(0.05)
        beside = await seconds_of_requests()
        check.cancel()
        # If requests rested with it, they would take three times as long.
        assert beside < 1.5 * alone

    in_loop(scenario)


def test_times_are_measured() -> None:
    async def scenario(scheduler: Scheduler) -> None:
        _, job = await scheduler.run(steps_of("job", 3, [], 0.01), PATIENCE)
        # The last step, which returns instead of yielding, is counted too.
        assert job.used_seconds >= 0.03
        assert job.queue_seconds >= 0

    in_loop(scenario)


def test_close_ends_the_threads() -> None:
    before = set(threading.enumerate())
    scheduler = Scheduler(3)
    mine = set(threading.enumerate()) - before
    assert len(mine) == 3
    scheduler.close()
    assert not [thread for thread in mine if thread.is_alive()]


def test_many_requests_of_a_slow_variant_do_not_hold_up_a_fast_one() -> None:
    """Sixteen slow jobs of one step are before it; the fast one waits for the step under way and at most one more."""
    log: list[str] = []
    begun = threading.Event()

    def slow() -> Generator[None, None, str]:
        begun.set()
        time.sleep(0.02)
        log.append("slow")
        return "slow is done"
        yield

    async def scenario(scheduler: Scheduler) -> None:
        backlog = [asyncio.create_task(scheduler.run(slow(), PATIENCE, "int8")) for _ in range(16)]
        await asyncio.to_thread(begun.wait, PATIENCE)
        await scheduler.run(steps_of("fast", 1, log, 0.001), PATIENCE, "dynamic")
        assert log.index("fast") <= 2
        # And one after the other of them: the fast variant has used next to nothing of its half.
        for _ in range(5):
            await scheduler.run(steps_of("fast", 1, log, 0.001), PATIENCE, "dynamic")
        assert log.count("slow") <= 8
        await asyncio.gather(*backlog)

    in_loop(scenario)


def test_a_variant_that_was_idle_does_not_make_up_for_it() -> None:
    log: list[str] = []

    async def scenario(scheduler: Scheduler) -> None:
        await scheduler.run(steps_of("first", 40, log, 0.002), PATIENCE, "dense")
        await asyncio.gather(
            scheduler.run(steps_of("first", 20, log, 0.002), PATIENCE, "dense"),
            scheduler.run(steps_of("second", 20, log, 0.002), PATIENCE, "dynamic"),
        )

    in_loop(scenario)
    both = log[40:]
    assert 5 <= both[:20].count("second") <= 15, "both have half of the time from the moment both are there"


def test_the_background_gives_way() -> None:
    log: list[str] = []

    async def scenario(scheduler: Scheduler) -> None:
        check = asyncio.create_task(scheduler.run(steps_of("check", 60, log, 0.002), PATIENCE, BACKGROUND))
        await asyncio.sleep(0.02)
        await scheduler.run(steps_of("request", 30, log, 0.002), PATIENCE, "dense")
        await check

    in_loop(scenario)
    last = len(log) - 1 - log[::-1].index("request")
    assert log[log.index("request") : last].count("check") <= 6


def test_the_machine_s_time_is_shared_by_steps_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("service.scheduling.scheduler.time.perf_counter", lambda: now)
    machine = Machine()
    one = machine.begin()
    now = 2.0
    two = machine.begin()
    now = 6.0
    assert machine.end() - one == 2 + 4 / 2
    now = 7.0
    assert machine.end() - two == 4 / 2 + 1
    now = 100.0
    assert machine.begin() == 5, "none of it passes while nothing is done"


def test_a_request_goes_on_beside_a_long_step_of_the_background() -> None:
    """Whoever took its last step takes the background's next; another thread goes on with the request."""
    log: list[str] = []

    def background() -> Generator[None, None, str]:
        for _ in range(4):
            log.append("begin")
            time.sleep(0.1)
            log.append("end")
            yield
        return "background is done"

    async def scenario(scheduler: Scheduler) -> None:
        requests = asyncio.create_task(scheduler.run(steps_of("request", 2000, log, 0.004), PATIENCE, "dense"))
        await asyncio.sleep(0.02)
        await scheduler.run(background(), PATIENCE, BACKGROUND)
        requests.cancel()

    in_loop(scenario, slots=2)
    for begin, end in zip(places(log, "begin"), places(log, "end"), strict=True):
        assert "request" in log[begin:end]


def places(log: list[str], name: str) -> list[int]:
    return [place for place, entry in enumerate(log) if entry == name]


def test_a_cancelled_job_that_fails_to_close_ends_no_thread() -> None:
    begun = threading.Event()

    def stubborn() -> Generator[None, None, str]:
        try:
            while True:
                begun.set()
                time.sleep(0.001)
                yield
        finally:
            raise ZeroDivisionError("while it closed")

    async def scenario(scheduler: Scheduler) -> None:
        with pytest.raises(TimeoutError):
            await scheduler.run(stubborn(), 0.05)
        assert (await scheduler.run(steps_of("next", 2, []), PATIENCE))[0] == "next is done"

    in_loop(scenario)


def test_the_background_leaves_free_threads_alone_while_a_request_is_read() -> None:
    """Only what its share is it gets beside a request, though a thread is free all the time."""
    log: list[str] = []
    begun = threading.Event()

    def request() -> Generator[None, None, str]:
        for _ in range(50):
            begun.set()
            time.sleep(0.004)
            log.append("request")
            yield
        return "request is done"

    async def scenario(scheduler: Scheduler) -> None:
        reading = asyncio.create_task(scheduler.run(request(), PATIENCE, "dense"))
        await asyncio.to_thread(begun.wait, PATIENCE)
        check = asyncio.create_task(scheduler.run(steps_of("check", 200, log, 0.004), PATIENCE, BACKGROUND))
        await reading
        # A tenth of the time beside it would be 5 steps; in a free thread it would have taken 50.
        assert 1 <= log.count("check") <= 12
        check.cancel()

    in_loop(scenario, slots=3)


def test_the_background_takes_one_step_at_a_time() -> None:
    """A request that comes finds a thread."""
    at_once = most = 0

    def background() -> Generator[None, None, str]:
        nonlocal at_once, most
        for _ in range(10):
            at_once += 1
            most = max(most, at_once)
            time.sleep(0.002)
            at_once -= 1
            yield
        return "background is done"

    async def scenario(scheduler: Scheduler) -> None:
        await asyncio.gather(*(scheduler.run(background(), PATIENCE, BACKGROUND) for _ in range(3)))

    in_loop(scenario, slots=3)
    assert most == 1


def test_requests_are_read_side_by_side() -> None:
    together = threading.Barrier(3, timeout=PATIENCE)

    def meeting() -> Generator[None, None, str]:
        together.wait()
        return "met"
        yield

    async def scenario(scheduler: Scheduler) -> None:
        await asyncio.gather(*(scheduler.run(meeting(), PATIENCE, "dense") for _ in range(3)))

    in_loop(scenario, slots=3)


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_nothing_is_forgotten_however_jobs_come_and_go(slots: int) -> None:
    """Idle threads, rests of the background, cancelled jobs and newcomers in every order: all that is left ends."""
    chance = random.Random(slots)

    async def scenario(scheduler: Scheduler) -> None:
        running = []
        for number in range(300):
            flow = chance.choice(["dense", "dynamic", BACKGROUND])
            steps = steps_of("job", chance.randrange(1, 5), [], chance.choice([0.0, 0.0002]))
            task = asyncio.create_task(scheduler.run(steps, PATIENCE, flow))
            if chance.random() < 0.1:
                asyncio.get_running_loop().call_later(chance.random() / 100, task.cancel)
            running.append(task)
            if number % 7 == 0:
                await asyncio.sleep(chance.choice([0, 0.001, 0.003]))
        outcomes = await asyncio.gather(*running, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {tuple, asyncio.CancelledError}

    in_loop(scenario, slots)


class Gate:
    """A job of one step that tells when it has begun, and ends when it may."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def steps(self) -> Generator[None, None, str]:
        self.begun.set()
        assert self.may_end.wait(PATIENCE)
        return "gone through"
        yield


async def begun(*gates: Gate) -> None:
    for gate in gates:
        assert await asyncio.to_thread(gate.begun.wait, PATIENCE)
    # What was told before the last of them began needs some turns of the event loop.
    for _ in range(10):
        await asyncio.sleep(0)


def test_an_answer_leaves_before_the_next_request_is_read() -> None:
    gates = [Gate() for _ in range(4)]

    async def scenario(scheduler: Scheduler) -> None:
        asked = [asyncio.create_task(scheduler.run(gate.steps(), PATIENCE, "dense")) for gate in gates]
        left = []
        for gate in gates:
            await begun(gate)
            left.append([task.done() for task in asked].count(True))
            gate.may_end.set()
        await asyncio.gather(*asked)
        assert left == [0, 1, 2, 3]

    in_loop(scenario)


def test_an_answer_waits_for_no_step_of_another_variant() -> None:
    fast, slow = Gate(), Gate()

    async def scenario(scheduler: Scheduler) -> None:
        first = asyncio.create_task(scheduler.run(fast.steps(), PATIENCE, "dynamic"))
        await begun(fast)
        second = asyncio.create_task(scheduler.run(slow.steps(), PATIENCE, "int8"))
        await asyncio.sleep(0)
        fast.may_end.set()
        await begun(slow)
        assert first.done()
        slow.may_end.set()
        await second

    in_loop(scenario)


def test_an_answer_does_not_wait_for_a_document_under_way() -> None:
    text, document = Gate(), Gate()

    def long() -> Generator[None, None, str]:
        yield
        yield from document.steps()
        return "read"

    async def scenario(scheduler: Scheduler) -> None:
        whole = asyncio.create_task(scheduler.run(long(), PATIENCE, "dense"))
        short = asyncio.create_task(scheduler.run(text.steps(), PATIENCE, "dense"))
        await begun(text)
        text.may_end.set()
        await begun(document)
        assert short.done()
        document.may_end.set()
        await whole

    in_loop(scenario)
