"""``kidogo annotate``: the command line."""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from service.annotation.documents import Limits
from service.annotation.errors import AnnotationError, Stopped
from service.annotation.formats import FORMATS
from service.annotation.inputs.records import Reading
from service.annotation.plan import Plan, Summary
from service.annotation.progress import duration, printable
from service.annotation.run import annotate
from service.artifacts.bundled import BUNDLED, given_or_bundled
from service.inference.choice import AUTO
from service.schemas.ner import Wish
from service.settings import InvalidSetting, available_cpus, read_settings
from service.variants import BUNDLED_VARIANT, KNOWN_VARIANTS, VARIANTS

FAILED, USAGE, INTERRUPTED = 1, 2, 130

DESCRIPTION = """
Find named entities in files, without a server. Each INPUT gets one output of its name in the output folder; the files
of a folder go into one. A .txt file is a document, or each of its lines is with --lines; .jsonl has a document in one
field of each line, .csv in one column, and .conll, .bio, .iob, .iob2 and .tsv hold sentences in columns.

Without artefacts, the bundled model is used. To resume an interrupted run, run the same command again.
"""

EXAMPLES = """
examples:
  kidogo annotate articles.jsonl --field body --variant dynamic --out found
  kidogo annotate letters/ --format html
  kidogo annotate table.csv --column text --variant auto --min-f1 0.85
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kidogo annotate",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", metavar="INPUT", nargs="+", type=Path, help="files or folders")
    add("--variant", metavar="NAME", help=f"{', '.join(VARIANTS)}, or auto; default: the first that the service serves")
    add("--max-latency-ms", type=_positive, metavar="MS", help="for auto: latency of a document")
    add("--min-f1", type=_share, metavar="F1", help="for auto: F1 on the build's test split")
    add(
        "--artifacts",
        type=Path,
        metavar="DIR",
        help="output folder of the build; default: NER_ARTIFACTS, or artifacts if it has any, or the bundled model",
    )
    add("--format", choices=FORMATS, default="jsonl", help="of the outputs; default: jsonl")
    add("--out", type=Path, default=Path("annotated"), metavar="DIR", help="output folder; default: annotated")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--lines", action="store_true", help="each line of a .txt file is a document")
    kind.add_argument("--conll", action="store_true", help=".txt files hold CoNLL columns")
    add("--field", default="text", help="field of .jsonl that holds the text or a list of words; default: text")
    add("--column", default="text", help="column of .csv that holds the text; default: text")
    add("--min-score", type=_share, default=0.0, metavar="SCORE", help="leave out entities below this score")
    add(
        "--too-long",
        choices=("refuse", "split"),
        default="refuse",
        help="what to do with a document over NER_MAX_DOCUMENT_CHARACTERS (100,000); default: refuse, as /ner does",
    )
    add("--workers", type=_count, metavar="N", help="processes, of one thread each; default: one for each CPU")
    add("--overwrite", action="store_true", help="start over, and replace existing outputs")
    add("--quiet", action="store_true", help="show no progress")
    return parser


def _number(text: str, low: float, high: float) -> float:
    value = float(text)
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
    return value


def _share(text: str) -> float:
    return _number(text, 0, 1)


def _positive(text: str) -> float:
    return _number(text, 1e-9, 1e9)


def _count(text: str) -> int:
    return int(_number(str(int(text)), 1, 1024))


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a document or an input failed, 2 if nothing was begun."""
    options = parser()
    arguments = options.parse_args(argv)
    try:
        settings = read_settings()
    except InvalidSetting as error:
        options.error(str(error))
    given = settings.artifacts if "artifacts" in settings.model_fields_set else None
    artifacts = given_or_bundled(arguments.artifacts or given)
    variants = settings.variants
    if artifacts == BUNDLED and "variants" not in settings.model_fields_set:
        variants = (BUNDLED_VARIANT,)
    variant = arguments.variant or variants[0]
    wish = Wish(max_latency_ms=arguments.max_latency_ms, min_f1=arguments.min_f1)
    if variant not in (*KNOWN_VARIANTS, AUTO):
        options.error(f"there is no variant {variant!r}: choose from {', '.join((*VARIANTS, AUTO))}")
    if variant != AUTO and wish != Wish():
        options.error("--max-latency-ms and --min-f1 choose a variant: give them with --variant auto")
    plan = Plan(
        inputs=tuple(arguments.inputs),
        out=arguments.out,
        artifacts=artifacts,
        variant=variant,
        wish=wish,
        variants=variants,
        form=arguments.format,
        reading=Reading(arguments.field, arguments.column, arguments.lines, arguments.conll),
        limits=Limits(arguments.min_score, settings.max_document_characters, arguments.too_long == "split"),
        workers=arguments.workers or available_cpus(),
        overwrite=arguments.overwrite,
        quiet=arguments.quiet,
    )
    try:
        with _stoppable() as stop:
            summary = annotate(plan, stop)
    except AnnotationError as error:
        print(printable(f"kidogo annotate: {error}"), file=sys.stderr)
        return USAGE
    except Stopped:
        print("stopped; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    print(_told(summary, plan), file=sys.stderr)
    return FAILED if summary.failed or summary.unreadable else 0


@contextlib.contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that what is being written is written. A second one ends at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(summary: Summary, plan: Plan) -> str:
    parts = [
        f"{_count_of(summary.documents, 'document')} annotated by {summary.variant} in {duration(summary.seconds)}"
    ]
    if summary.earlier:
        parts.append(f"{summary.earlier:,} read by an earlier run")
    if summary.failed:
        parts.append(f"{_count_of(summary.failed, 'document')} failed")
    if summary.unreadable:
        parts.append(f"{_count_of(summary.unreadable, 'input')} could not be read")
    if summary.restarts:
        parts.append(f"{_count_of(summary.restarts, 'worker restart')}")
    return printable(f"{', '.join(parts)}: {plan.out}")


def _count_of(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
