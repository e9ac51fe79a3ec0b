"""The command line of the load tests: ``python -m loadtests``."""

import contextlib
import math
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import gevent

# First, because locust patches sockets to be cooperative.
import locust  # noqa: F401
import typer
from rich.console import Console
from rich.table import Table

from loadtests.errors import LoadTestError
from loadtests.load.samples import write_samples
from loadtests.load.service import Service, started
from loadtests.report.compare import compare
from loadtests.report.record import SoakResult, read_record
from loadtests.report.summary import shortcomings
from loadtests.runs.matrix import CLOSED_LOOP, Matrix, Options, console
from loadtests.runs.rates import QUICK_RATES, RATES
from loadtests.runs.soak import Soak

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")

EPILOG = """
Examples:

`python -m loadtests --host http://127.0.0.1:3000 --variants dynamic --quick --out /tmp/load` takes under a minute.

`python -m loadtests --out report` starts a server for `artifacts/` and runs all measurements, in up to 90 minutes.

`python -m loadtests --texts ./masakhaner --bound 100 --price-per-hour 0.04` sets texts, latency bound and price.

`python -m loadtests compare before/report.json after/report.json --limit 0.1` shows what changed.

`python -m loadtests soak --host http://127.0.0.1:3000` runs a mixed load for ten minutes, then an overload for two.

`locust -f loadtests/locustfile.py --host http://127.0.0.1:3000 --variants dense,dynamic` opens locust's own UI.
"""


WRITTEN = (
    *("server.log", "report.html", "report.md", "report.json", "samples.csv.gz"),
    *("soak.json", "soak.csv.gz", "overload.json", "overload.csv.gz"),
)
"""The files that the commands write into their output folder."""


def positive(value: float | None) -> float | None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter(f"{value:g} is not greater than 0")
    return value


HostOption = Annotated[str | None, typer.Option(help="URL of the service. Default: start one here.")]
VariantsOption = Annotated[
    str | None, typer.Option(help="Variants to test, for example dense,dynamic. Default: all that are ready.")
]
ArtifactsOption = Annotated[
    Path, typer.Option(help="Artefacts of a server that is started here.", envvar="NER_ARTIFACTS")
]
TextsOption = Annotated[
    Path | None, typer.Option(help="Text file, CoNLL file, or folder of CoNLL files. Default: the build's test split.")
]
WaitOption = Annotated[float, typer.Option(min=0.0, help="Seconds to wait until the server is ready.")]


@cli.callback(invoke_without_command=True, epilog=EPILOG)
def run(
    context: typer.Context,
    host: HostOption = None,
    variants: VariantsOption = None,
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("loadtest-report"),
    artifacts: ArtifactsOption = Path("artifacts"),
    texts: TextsOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short runs at few load levels: under a minute.")] = False,
    bound: Annotated[float, typer.Option(help="Maximum p99 latency in milliseconds.", callback=positive)] = 250.0,
    seconds: Annotated[
        float | None, typer.Option(help="Duration of one load level. Default: 10; quick: 1.", callback=positive)
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="Repetitions of all measurements.")] = 3,
    documents: Annotated[int | None, typer.Option(min=1, help="Number of texts. Default: 200; quick: 40.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of texts, order and arrivals.")] = 1,
    long_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests with a document of 10,000 characters.")
    ] = 0.0,
    price_per_hour: Annotated[
        float | None, typer.Option(help="Hourly price of the server, to compute the cost.", callback=positive)
    ] = None,
    wait: WaitOption = 120.0,
) -> None:
    """Measure the variants of a service under load and write report.html, report.md, report.json, samples.csv.gz."""
    if context.invoked_subcommand is not None:
        return
    with report_errors(), serving(host, artifacts, out, wait) as service:
        options = Options(
            variants=service.choose(variants),
            texts=texts or artifacts / "data",
            documents=documents or (40 if quick else 200),
            seed=seed,
            bound_ms=bound,
            repetitions=repetitions,
            users=(1, 4) if quick else CLOSED_LOOP,
            rates=QUICK_RATES if quick else RATES,
            seconds=seconds or (1.0 if quick else 10.0),
            warm_up=0.3 if quick else 2.0,
            long_share=long_share,
            price_per_hour=price_per_hour,
        )
        # Imports matplotlib, which is slow.
        from loadtests.report.report import write_report

        matrix = Matrix(service, options)
        record = matrix.run()
        write_report(out, record, matrix.samples)
        console.print(f"written: {out / 'report.html'}, report.md, report.json, samples.csv.gz", highlight=False)
        if record.ended_early:
            raise LoadTestError(record.ended_early)
        if found := shortcomings(record):
            raise LoadTestError(" ".join(found))


@cli.command("compare")
def compare_command(
    before: Annotated[Path, typer.Argument(help="report.json of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="report.json of the later run.")],
    limit: Annotated[
        float, typer.Option(min=0.0, help="A significant deterioration by more than this share is a regression.")
    ] = 0.1,
) -> None:
    """Compare two runs and show which changes are significant. Exits with status 3 if something regressed."""
    with report_errors():
        comparison = compare(read_record(before), read_record(after), limit)
        if not comparison.changes:
            raise LoadTestError(f"{before} and {after} have no variant in common.")
    table = Table(title="Medians of the repetitions; a change is significant if the ranges of the runs do not overlap")
    for column in ("variant", "figure", "before", "after", "change", "verdict"):
        table.add_column(column, justify="left" if column in ("variant", "figure", "verdict") else "right")
    for change in comparison.changes:
        table.add_row(
            change.subject,
            change.figure,
            f"{change.before.median:,.4g}",
            f"{change.after.median:,.4g}",
            f"{change.relative:+.1%}",
            change.verdict,
        )
    output = Console(width=None if console.is_terminal else 120)
    output.print(table)
    for difference in comparison.differences:
        output.print(f"note: {difference}", highlight=False, soft_wrap=True, markup=False)
    for subject in comparison.lost:
        output.print(f"regression: {subject}: no rate is inside the bound any more", highlight=False, markup=False)
    if comparison.regressed:
        raise typer.Exit(3)


@cli.command("soak")
def soak_command(
    host: HostOption = None,
    variants: VariantsOption = None,
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("loadtest-soak"),
    artifacts: ArtifactsOption = Path("artifacts"),
    texts: TextsOption = None,
    seconds: Annotated[float, typer.Option(help="Duration of the soak.", callback=positive)] = 600.0,
    share: Annotated[float, typer.Option(help="Load of the soak relative to capacity.", callback=positive)] = 0.8,
    overload_seconds: Annotated[float, typer.Option(help="Duration of the overload.", callback=positive)] = 120.0,
    overload: Annotated[float, typer.Option(help="Overload relative to capacity.", callback=positive)] = 3.0,
    capacity_seconds: Annotated[
        float, typer.Option(help="Duration of the capacity measurement.", callback=positive)
    ] = 10.0,
    bound: Annotated[
        float,
        typer.Option(
            help="Maximum latency of accepted requests in milliseconds. For a server at --host, pass its"
            " NER_MAX_WAIT_SECONDS times 1,000 if it is not the default; a server started here is given this bound.",
            callback=positive,
        ),
    ] = 2000.0,
    seed: Annotated[int, typer.Option(help="Random seed of texts and arrivals.")] = 1,
    wait: WaitOption = 120.0,
) -> None:
    """Run a mixed load for minutes, then an overload. Exits with status 1 if a check fails."""
    with report_errors(), serving(host, artifacts, out, wait, longest_wait=bound / 1000) as service:
        chosen = service.choose(variants)
        soak = Soak(service, chosen, texts or artifacts / "data", seed, say=console.print)
        capacity = soak.capacity(capacity_seconds)
        if not capacity:
            raise LoadTestError("No request was answered in the capacity measurement: see the server's log.")
        failed = False
        results = soak.results(seconds, share, overload_seconds, overload, bound, capacity)
        for result in interruptible(results, out):
            write_samples(out / f"{result.kind}.csv.gz", [({}, soak.samples)])
            (out / f"{result.kind}.json").write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
            console.print(describe(result), highlight=False, markup=False, soft_wrap=True)
            failed = failed or bool(result.failures)
        if failed:
            raise typer.Exit(1)


def interruptible(results: Iterator[SoakResult], out: Path) -> Iterator[SoakResult]:
    try:
        yield from results
    except KeyboardInterrupt:
        raise LoadTestError(f"Interrupted. {out} has the results of the parts that were finished before.") from None


def describe(result: SoakResult) -> str:
    """A readable summary of a result."""
    service = result.times.service
    late = "–" if result.late_p99_ms is None else f"{result.late_p99_ms:.1f}"
    lines = [
        f"{result.kind}: {result.rate:.1f} requests/s for {result.seconds:g} s, {result.outcomes}",
        f"  sent: {result.sent_rate:.1f} of {result.due_rate:.1f} requests/s due, {late} ms late (p99)",
        f"  accepted: p50 {service.p50:.1f}, p99 {service.p99:.1f} ms" if service else "  accepted: none",
    ]
    if not result.keeps_up:
        lines.append("  note: not all requests that were due were sent, so the load was lower than planned")
    if result.memory_bytes_per_minute is not None:
        lines.append(f"  resident memory: {result.memory_bytes_per_minute / 1e6:+.3f} MB/min")
    if result.recovery_seconds is not None:
        lines.append(f"  recovered after {result.recovery_seconds:.1f} s")
    return "\n".join([*lines, *(f"  FAILED: {failure}" for failure in result.failures)])


@contextlib.contextmanager
def serving(
    host: str | None, artifacts: Path, out: Path, wait: float, longest_wait: float | None = None
) -> Iterator[Service]:
    """The service at ``host``, or one started here that logs to ``out``, once it is ready."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Now, not when everything has been measured.
        with tempfile.TemporaryFile(dir=out):
            pass
        for name in WRITTEN:
            if (out / name).is_dir():
                raise IsADirectoryError(0, f"{name} in it is a folder")
    except OSError as error:
        raise LoadTestError(f"{out} cannot be the output folder: {error.strerror}. Pass another with --out.") from error
    interrupt_on_signals()
    with contextlib.ExitStack() as stack:
        log = out / "server.log"
        service = Service(host) if host else stack.enter_context(started(artifacts, log, wait, longest_wait))
        service.wait_until_ready(wait)
        yield service


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a run as Ctrl+C does: the server is stopped and what was measured is written.

    A signal that is ignored, as under nohup, stays ignored.
    """
    main = gevent.getcurrent()
    handled = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) != signal.SIG_IGN
    ]

    def interrupt(_: int, frame: FrameType | None) -> None:
        # Closing a terminal sends SIGHUP several times; only a user presses Ctrl+C again.
        for number in handled:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_IGN)
        if gevent.getcurrent() is main:
            raise KeyboardInterrupt
        # In one of locust's greenlets, which would print a traceback.
        gevent.get_hub().loop.run_callback(main.throw, KeyboardInterrupt)

    for number in handled:
        signal.signal(number, interrupt)


@contextlib.contextmanager
def report_errors() -> Iterator[None]:
    """Print a ``LoadTestError``, or that the run was interrupted, in one line and exit with status 1."""
    try:
        yield
    except (LoadTestError, KeyboardInterrupt) as raised:
        error = "Interrupted." if isinstance(raised, KeyboardInterrupt) else raised
        console.print(f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    cli()
