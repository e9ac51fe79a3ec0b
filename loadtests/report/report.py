"""Writes the report of a run as HTML, Markdown, JSON and raw samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from loadtests.load.samples import OK, Sample, write_samples
from loadtests.report import plots
from loadtests.report.figures import Spread
from loadtests.report.record import DRIFT_SHARE, MIXED, Pattern, Record
from loadtests.report.summary import PAPER_SIZE, PAPER_TIME, Row, spreads, summarise

NONE = "–"

FEW = " n: correct answers per repetition; p99 is shown from 100 on, p99.9 from 1,000 on."


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Markup]]
    note: str = ""


def write_report(folder: Path, record: Record, samples: Sequence[Sequence[Sample]]) -> None:
    """Write ``report.html``, ``report.md``, ``report.json`` and ``samples.csv.gz`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_samples(
        folder / "samples.csv.gz",
        ((cell.columns, raw) for cell, raw in zip(record.cells, samples, strict=True)),
    )
    rows = summarise(record)
    tables = make_tables(record, rows)
    (folder / "report.md").write_text(markdown(record, tables), encoding="utf-8")
    drawn = [
        ("Latency against rate", plots.latency_against_rate(record)),
        ("Latency distribution", plots.cumulative(record, samples)),
        ("F1 against latency, with the Pareto front circled", plots.quality_against_latency(record, rows)),
        ("Size against inference time, with the paper's claim", plots.size_against_time(record, rows)),
    ]
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    page = jinja.get_template("report.html.jinja").render(
        record=record,
        tables=tables,
        plots=[(title, Markup(svg)) for title, svg in drawn if svg is not None],
        facts=make_facts(record),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def make_tables(record: Record, rows: Sequence[Row]) -> list[Table]:
    bound = record.settings.bound_ms
    return [
        Table(
            f"Maximum requests/s within the bound (p99 of at most {bound:g} ms) and their cost",
            ["variant", "max. requests/s", "max. answers/s, closed loop", "p99/p50 at about 70%", "cost per million"],
            [
                [
                    row.subject,
                    row.rates_sought
                    or Markup("{}{}").format("at least " if row.best_rate_at_least else "", shown(row.best_rate, 1)),
                    shown(row.best_throughput, 1),
                    Markup("{} <small>at {}/s</small>").format(shown(row.steady.ratio, 1), f"{row.steady.rate:g}")
                    if row.steady
                    else NONE,
                    f"{row.cost_per_million:.2f}" if row.cost_per_million is not None else NONE,
                ]
                for row in rows
            ],
            "Open loop: Poisson arrivals at rising rates; response times count from when a request was due. A rate is"
            " within the bound if all answers are correct, the p99 response time is within the bound, and the response"
            f" time grows by at most {DRIFT_SHARE:.0%} of the bound. At least: no tested rate exceeded the bound."
            " None found: every tested rate exceeded it."
            + ("" if record.settings.price_per_hour else " Pass --price-per-hour to compute the cost."),
        ),
        Table(
            "One request in flight: service time in ms",
            ["variant", "n", "p50", "p90", "p95", "p99", "p99.9", "response time p50", "response time p99"],
            [
                [
                    row.subject if row.fewest_users == 1 else f"{row.subject} ({row.fewest_users} users)",
                    shown(row.service.count, 0),
                    *(shown(getattr(row.service, name), 2) for name in ("p50", "p90", "p95", "p99", "p999")),
                    shown(row.response.p50, 2),
                    shown(row.response.p99, 2),
                ]
                for row in rows
            ],
            "In a closed loop, a request is due when its user has received the previous answer." + FEW,
        ),
        Table(
            "Server-side times with one request in flight, and properties of the variants",
            [
                *("variant", "queue p50", "queue p99", "inference p50", "inference p99", "resident MB", "artefact MB"),
                *("F1", "size vs. dense", "inference time vs. dense"),
            ],
            [_described(record, row, rows) for row in rows if row.subject != MIXED],
            f"Milliseconds. Resident memory: growth of the process when the variant was loaded. F1: test split of the"
            f" build. The paper's LLM.int8() vs. dense: size {PAPER_SIZE - 1:+.2%}, time {PAPER_TIME - 1:+.1%}.",
        ),
        Table(
            "Requests by outcome, all load levels",
            ["variant", *_outcomes(rows)],
            [[row.subject, *(f"{row.outcomes.get(name, 0):,}" for name in _outcomes(rows))] for row in rows],
            "Status 429 is expected at rates above the server's capacity. A wrong answer differs from the reference"
            " answer taken without load.",
        ),
        *_loops(record),
    ]


def _outcomes(rows: Sequence[Row]) -> list[str]:
    usual = [OK, "wrong answer", "status 429", "status 503", "status 504", "no answer"]
    return [*usual, *sorted({name for row in rows for name in row.outcomes} - set(usual))]


def _described(record: Record, row: Row, rows: Sequence[Row]) -> list[str | Markup]:
    facts = record.variants[row.subject]
    dense = next((other for other in rows if other.subject == "dense"), None)
    dense_bytes = record.variants["dense"].artifact_bytes if dense else None
    size = facts.artifact_bytes / dense_bytes - 1 if facts.artifact_bytes and dense_bytes else None
    times = (row.inference.p50, dense.inference.p50 if dense else None)
    time = times[0].median / times[1].median - 1 if times[0] and times[1] else None
    return [
        row.subject,
        shown(row.queue.p50, 2),
        shown(row.queue.p99, 2),
        shown(row.inference.p50, 2),
        shown(row.inference.p99, 2),
        _megabytes(facts.resident_bytes),
        _megabytes(facts.artifact_bytes),
        f"{facts.test_f1:.4f}" if facts.test_f1 is not None else NONE,
        f"{size:+.1%}" if size is not None else NONE,
        f"{time:+.1%}" if time is not None else NONE,
    ]


def _loops(record: Record) -> list[Table]:
    """One table per loop type with all load levels."""
    columns = [
        "variant",
        "n",
        "answers/s",
        "p50",
        "p99",
        "response time p99",
        "response time p99.9",
        "errors",
        "generator CPU",
        "server CPUs",
    ]
    tables = []
    units: dict[Pattern, str] = {"closed": "users", "open": "requests/s"}
    for pattern, unit in units.items():
        rows = []
        for subject in record.subjects:
            for level, cells in record.select(subject, pattern).items():
                service, response = spreads(cells, "service"), spreads(cells, "response")
                rows.append(
                    [
                        f"{subject}, {level:g} {unit}",
                        shown(service.count, 0),
                        shown(Spread.of([cell.throughput for cell in cells]), 1),
                        shown(service.p50, 1),
                        shown(service.p99, 1),
                        shown(response.p99, 1),
                        shown(response.p999, 1),
                        f"{sum(cell.errors for cell in cells):,}",
                        f"{max(cell.generator_cpu_share for cell in cells):.0%}",
                        shown(Spread.of([cell.server_cpus for cell in cells]), 2),
                    ]
                )
        note = (
            "Milliseconds. Generator CPU: its share of all CPUs of its machine. Server CPUs: the number that it used."
            + FEW
        )
        tables.append(Table(f"{pattern.capitalize()} loop", columns, rows, note))
    return tables


def make_facts(record: Record) -> list[tuple[str, str]]:
    settings = record.settings
    return [
        ("Command", " ".join(record.command)),
        ("Texts", f"{settings.documents} of {settings.texts}, {settings.mean_characters:g} characters on average"),
        ("Digest of the texts", settings.texts_digest),
        ("Share of long documents", f"{settings.long_share:g}"),
        ("Seed", str(settings.seed)),
        ("Warm-up per load level", f"{settings.warm_up:g} s, not counted"),
        ("Generator", ", ".join(f"{name} {value}" for name, value in record.generator.items())),
        ("Service", ", ".join(f"{name} {value}" for name, value in record.service.items())),
        *((f"Artefact {name}", f"{facts.digest} ({facts.data})") for name, facts in record.variants.items()),
    ]


def markdown(record: Record, tables: Sequence[Table]) -> str:
    lines = ["# Kidogo load test", ""]
    if record.ended_early:
        lines += [f"**This run is incomplete.** {record.ended_early}", ""]
    for table in tables:
        align = ["---", *["--:"] * (len(table.columns) - 1)]
        lines += [f"## {table.title}", "", _line(table.columns), "|" + "|".join(align) + "|"]
        lines += [_line([Markup(value).striptags() for value in row]) for row in table.rows]
        lines += ["", table.note, ""]
    lines += ["## Setup", "", *(f"- {name}: {value}" for name, value in make_facts(record))]
    return "\n".join(lines) + "\n"


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(str(value).replace("|", "\\|") for value in values) + " |"


def shown(value: Spread | None, digits: int) -> Markup:
    """The median and, if there are several values, their range in small print."""
    if value is None:
        return escape(NONE)
    if len(value.values) == 1:
        return escape(f"{value.median:.{digits}f}")
    low, high = (f"{bound:.{digits}f}" for bound in (value.low, value.high))
    return Markup("{} <small>({} to {})</small>").format(f"{value.median:.{digits}f}", low, high)


def _megabytes(count: int | None) -> str:
    return f"{count / 1e6:.1f}" if count is not None else NONE
