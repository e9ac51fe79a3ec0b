"""The load tests as a locustfile: with locust's web UI or headless, on one machine or several.

    locust -f loadtests/locustfile.py --host http://127.0.0.1:3000 --variants dense,dynamic
    locust -f loadtests/locustfile.py --host … --headless -u 8 -t 1m --samples samples.csv.gz
    locust -f loadtests/locustfile.py --host … --headless -u 200 -t 1m --rate 40

``--rate`` makes the load an open loop: that many Poisson arrivals per second over all workers, sent by a pool of
``-u`` users. To use several machines, start the command with ``--master`` (and ``--expect-workers 2``), and
``locust -f loadtests/locustfile.py --worker --master-host …`` on each of the others. The master draws the texts and
gets the reference answers; workers need only this folder and send their samples back.
"""

import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.errors import LoadTestError
from loadtests.load.generator import DRAIN_SECONDS
from loadtests.load.samples import Sample, check_writable, write_samples
from loadtests.load.service import Service
from loadtests.load.texts import draw
from loadtests.load.traffic import NerUser, Plan, Session

__all__ = ["NerUser"]

logger = logging.getLogger("loadtests")

_plans: list[Plan] = []
"""The plan of a headless run, made before the run starts."""

_gathered: list[Sample] = []
"""On a master: the workers' samples."""


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("Kidogo")
    group.add_argument(
        "--variants", env_var="KIDOGO_VARIANTS", help="For example dense,dynamic. Default: all that are ready."
    )
    group.add_argument(
        "--texts", env_var="KIDOGO_TEXTS", default="artifacts/data", help="Text file, CoNLL file or folder of them."
    )
    group.add_argument("--documents", env_var="KIDOGO_DOCUMENTS", type=int, default=200, help="Number of texts.")
    group.add_argument("--seed", env_var="KIDOGO_SEED", type=int, default=1, help="Random seed of texts and arrivals.")
    group.add_argument("--rate", env_var="KIDOGO_RATE", type=float, default=0.0, help="Open loop: requests/s.")
    group.add_argument(
        "--long-share", env_var="KIDOGO_LONG_SHARE", type=float, default=0.0, help="Share of long documents."
    )
    group.add_argument("--samples", env_var="KIDOGO_SAMPLES", default="", help="Output file of raw samples (csv.gz).")


def make_plan(environment: Environment) -> Plan:
    """The plan for the options, with the reference answers."""
    options: Any = environment.parsed_options
    if options.samples:
        check_writable(Path(options.samples))
    if not 0 <= options.rate < math.inf or not 0 <= options.long_share <= 1 or options.documents < 1:
        raise LoadTestError("--rate must not be negative, --long-share is from 0 to 1, and --documents at least 1.")
    service = Service(environment.host or "")
    service.wait_until_ready(60)
    variants = service.choose(options.variants)
    documents = draw(Path(options.texts), options.documents, options.seed, options.long_share > 0)
    return Plan(
        variants=variants,
        documents=list(documents.texts),
        answers={name: service.answers(name, documents.texts) for name in variants},
        seed=str(options.seed),
        long=documents.long,
        long_share=options.long_share,
        rate=options.rate or None,
        warm_up=0.0,
    )


@events.init.add_listener
def on_init(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    # Otherwise locust aborts requests in flight at the end of the test.
    environment.stop_timeout = environment.stop_timeout or DRAIN_SECONDS
    if options.rate and options.spawn_rate is None:
        # Arrivals begin at once. With locust's default of one user a second, the first ones would wait for users.
        options.spawn_rate = options.num_users
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message("plan", receive)
    elif options.headless:
        # Before --run-time starts to count. In the web UI, the host may be entered later.
        _plans.append(plan_or_exit(environment))


def plan_or_exit(environment: Environment) -> Plan:
    try:
        return make_plan(environment)
    except LoadTestError as error:
        logger.error("%s", error)
        raise SystemExit(1) from None


def receive(environment: Environment, msg: Any, **_: Any) -> None:
    """On a worker: receive its share of the plan before the users are spawned."""
    NerUser.session = Session(Plan(**msg.data))


@events.test_start.add_listener
def on_test_start(environment: Environment, **_: Any) -> None:
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        return
    _gathered.clear()
    try:
        plan = _plans.pop() if _plans else make_plan(environment)
    except LoadTestError as error:
        logger.error("%s", error)
        if runner is not None:
            runner.quit()
        return
    if isinstance(runner, MasterRunner):
        clients = list(runner.clients)
        for number, client in enumerate(clients):
            runner.send_message("plan", asdict(plan.share(len(clients), number)), client)
    else:
        NerUser.session = Session(plan)


@events.test_stopping.add_listener
def on_test_stopping(environment: Environment, **_: Any) -> None:
    if (session := getattr(NerUser, "session", None)) is not None:
        session.close()


@events.test_stop.add_listener
def on_test_stop(environment: Environment, **_: Any) -> None:
    if (session := getattr(NerUser, "session", None)) is not None:
        session.stop()


@events.report_to_master.add_listener
def on_report(client_id: str, data: dict[str, Any]) -> None:
    """On a worker: send the samples along with locust's statistics."""
    session = getattr(NerUser, "session", None)
    if session is not None:
        data["samples"], session.samples = session.samples, []


@events.worker_report.add_listener
def on_worker_report(client_id: str, data: dict[str, Any]) -> None:
    _gathered.extend(Sample(*sample) for sample in data.get("samples", []))


@events.quitting.add_listener
def on_quitting(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if isinstance(environment.runner, WorkerRunner) or not options.samples:
        return
    session = getattr(NerUser, "session", None)
    samples = _gathered if isinstance(environment.runner, MasterRunner) else session.samples if session else []
    write_samples(Path(options.samples), [({}, samples)])
