"""The command line of the load tests: ``python -m loadtests``."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

# Before everything that opens sockets: locust makes them cooperative.
import locust  # noqa: F401
import typer

from loadtests.errors import LoadTestError
from loadtests.matrix import CLOSED_LOOP, QUICK_RATES, RATES, Matrix, Options, console
from loadtests.report import write_report
from loadtests.service import Service, started

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")

EPILOG = """
Examples:

`python -m loadtests --host http://127.0.0.1:3000 --variants dynamic --quick --out /tmp/load` takes under a minute.

`python -m loadtests --out report` starts a server for `artifacts/` and measures every variant, about an hour.

`python -m loadtests --texts ./masakhaner/test --bound 100 --price-per-hour 0.04` with other texts, bound and price.

`python -m loadtests compare before/report.json after/report.json --limit 0.1` says what changed.

`locust -f loadtests/locustfile.py --host http://127.0.0.1:3000 --variants dense,dynamic` is locust's own page.
"""


def positive(value: float | None) -> float | None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter(f"{value:g} is not more than 0")
    return value


@cli.callback(invoke_without_command=True, epilog=EPILOG)
def run(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The service's address. Default: one is started here.")] = None,
    variants: Annotated[str | None, typer.Option(help="As in dense,dynamic. Default: all ready.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("loadtest-report"),
    artifacts: Annotated[Path, typer.Option(help="What a server started here serves.", envvar="NER_ARTIFACTS")] = Path(
        "artifacts"
    ),
    texts: Annotated[
        Path | None,
        typer.Option(help="Text file, CoNLL file or folder of them. Default: the build's test split."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short stretches and few levels: under a minute.")] = False,
    bound: Annotated[float, typer.Option(help="Milliseconds that p99 may take.", callback=positive)] = 250.0,
    seconds: Annotated[
        float | None, typer.Option(help="Of one stretch of load. Default: 10; quick: 1.", callback=positive)
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    documents: Annotated[int | None, typer.Option(min=1, help="Texts drawn. Default: 200; quick: 40.")] = None,
    seed: Annotated[int, typer.Option(help="Of texts, order and arrivals.")] = 1,
    long_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests with a document of 10,000 characters.")
    ] = 0.0,
    price_per_hour: Annotated[
        float | None, typer.Option(help="What the server costs an hour, for the cost of requests.", callback=positive)
    ] = None,
    wait: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for a server that is not ready.")] = 60.0,
) -> None:
    """Measure the variants of a service under load and write report.html, report.md, report.json, samples.csv.gz."""
    if context.invoked_subcommand is not None:
        return
    with failing_well(), contextlib.ExitStack() as stack:
        out.mkdir(parents=True, exist_ok=True)
        service = Service(host) if host else stack.enter_context(started(artifacts, out / "server.log"))
        service.wait_until_ready(wait)
        options = Options(
            variants=service.choose(variants.split(",") if variants is not None else None),
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
        matrix = Matrix(service, options)
        record = matrix.run()
        write_report(out, record, matrix.samples)
        console.print(f"written: {out / 'report.html'}, report.md, report.json, samples.csv.gz", highlight=False)
        if record.ended_early:
            raise LoadTestError(record.ended_early)


@contextlib.contextmanager
def failing_well() -> Iterator[None]:
    """One line and status 1 for what a person can mend."""
    try:
        yield
    except LoadTestError as error:
        console.print(f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    cli()
