"""Annotates files: reads records, annotates them in worker processes, and writes the answers in order.

Memory is bounded, because records are read only as far ahead as the workers need.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from service.annotation.choosing import settle_variant, verify_artifact
from service.annotation.errors import AnnotationError, InputError, Stopped
from service.annotation.formats import FORMATS
from service.annotation.inputs.records import Record
from service.annotation.inputs.sources import Source, find_sources
from service.annotation.journal import Journal
from service.annotation.outputs import Output
from service.annotation.plan import Plan, Summary
from service.annotation.progress import Reporter
from service.annotation.work.workers import Reply, Workers

CHUNK_DOCUMENTS, CHUNK_BYTES = 64, 64 * 1024
"""Approximate size of a chunk of documents, about 25 ms of work with the bundled model."""

CHUNKS_PER_WORKER = 8
"""Read ahead, so that one long document does not hold up the other workers."""

MOST_BYTES_AHEAD = 16 * 1024 * 1024

CHECKPOINT_SECONDS = 2.0


class End(NamedTuple):
    """The last item of an input, and why it could not be read, or not to its end."""

    error: str | None


Item = tuple[int, Record | End]


def annotate(plan: Plan, stop: threading.Event | None = None) -> Summary:
    """Raises ``AnnotationError`` if the run cannot begin or go on, and ``Stopped`` once ``stop`` is set."""
    started = time.monotonic()
    FORMATS[plan.form].check()
    journal = _open_journal(plan)
    try:
        sources = find_sources(plan.inputs, FORMATS[plan.form].suffix, plan.out)
        summary = _Run(plan, sources, journal, stop or threading.Event()).run()
    except OSError as error:
        raise AnnotationError(
            f"{error.filename or plan.out}: {error.strerror}; run the same command again to go on"
        ) from None
    finally:
        journal.close()
    summary.seconds = time.monotonic() - started
    return summary


def _open_journal(plan: Plan) -> Journal:
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
        return Journal(plan.out, plan.overwrite)
    except OSError as error:
        raise AnnotationError(f"cannot write to {plan.out}: {error.strerror}") from None


class _Run:
    def __init__(self, plan: Plan, sources: Sequence[Source], journal: Journal, stop: threading.Event):
        self._plan, self._sources, self._journal, self._stop = plan, sources, journal, stop
        self._form = FORMATS[plan.form]
        self._refuse_other_outputs()
        self._report = Reporter(sum(source.size(plan.out) for source in sources), plan.quiet)
        self._outputs: dict[int, Output] = {}
        self._saved = time.monotonic()

    def _refuse_other_outputs(self) -> None:
        """Raise ``AnnotationError`` if a file would be written over that is not of this run, or of two inputs."""
        plan, by_output = self._plan, {source.output: source for source in self._sources}
        for name, source in by_output.items():
            path = plan.out / name
            if path.exists() and not plan.overwrite and name not in self._journal.outputs:
                raise AnnotationError(f"{path} exists, and is not of this run: give another --out, or --overwrite")
            if name not in self._journal.outputs and (other := next(self._form.further_files(path), None)):
                raise AnnotationError(
                    f"{other} exists, and may be of an earlier run or another input: remove it, or give another --out"
                )
            first, number = self._form.first_of(name) or ("", 0)
            # A document has a byte at least.
            if first in by_output and number <= 1 + by_output[first].size(plan.out) // self._form.documents:
                raise AnnotationError(
                    f"{source.path} and a part of {by_output[first].path} would both be written to {path}:"
                    " run the command for each with a separate --out"
                )

    def run(self) -> Summary:
        plan = self._plan
        variant = settle_variant(plan, self._sources, self._journal.settings, self._report.say)
        digest = verify_artifact(plan, variant)
        self._journal.begin(plan.settings(variant, digest))
        self._summary = Summary(variant)
        workers = Workers(
            {
                "artifacts": str(plan.artifacts),
                "variant": variant,
                "digest": digest,
                "model": f"{variant} {digest[:12]}",
                "format": plan.form,
                "limits": plan.limits._asdict(),
            }
        )
        executor = ThreadPoolExecutor(plan.workers)
        try:
            self._work(executor, workers)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            workers.close()
            # Keep what has been written; the next run resumes there.
            for output in self._outputs.values():
                with contextlib.suppress(OSError):
                    output.checkpoint()
            raise
        finally:
            for output in self._outputs.values():
                output.close()
        self._summary.import_seconds, self._summary.restarts = workers.import_seconds, workers.restarts
        executor.shutdown()
        workers.close()
        self._report.end()
        return self._summary

    def _work(self, executor: ThreadPoolExecutor, workers: Workers) -> None:
        pending: deque[tuple[list[Item], int, Future[Reply]]] = deque()
        ahead = 0
        for items in self._chunks():
            records = [item for _, item in items if isinstance(item, Record) and item.problem is None]
            size = sum(len(record.payload) for record in records)
            reply: Future[Reply]
            if records:
                reply = executor.submit(
                    workers.run, [record.field for record in records], [record.payload for record in records]
                )
            else:
                reply = Future()
                reply.set_result(Reply([], {}))
            pending.append((items, size, reply))
            ahead += size
            while pending and (
                pending[0][2].done()
                or len(pending) > CHUNKS_PER_WORKER * self._plan.workers
                or ahead > MOST_BYTES_AHEAD
            ):
                items, size, reply = pending.popleft()
                ahead -= size
                self._write(items, reply.result())
        for items, _, reply in pending:
            if self._stop.is_set():
                raise Stopped
            self._write(items, reply.result())

    def _chunks(self) -> Iterator[list[Item]]:
        chunk: list[Item] = []
        size = 0
        for number, item in self._items():
            chunk.append((number, item))
            size += len(item.payload) if isinstance(item, Record) else 0
            if len(chunk) >= CHUNK_DOCUMENTS or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _items(self) -> Iterator[Item]:
        """The records of all inputs that no earlier run has annotated."""
        for number, source in enumerate(self._sources):
            output = self._outputs[number] = Output(self._plan.out, source.output, self._form, self._journal)
            self._summary.failed += output.progress.failed
            error = None
            try:
                for record in source.records(self._plan.reading, self._plan.out):
                    if self._stop.is_set():
                        raise Stopped
                    if output.skips(record):
                        self._summary.earlier += 1
                        self._report.skip(record.size)
                    else:
                        yield number, record
            except InputError as problem:
                error = str(problem)
            yield number, End(error)

    def _write(self, items: Sequence[Item], reply: Reply) -> None:
        parts = iter(enumerate(reply.parts))
        for number, item in items:
            output = self._outputs[number]
            if isinstance(item, End):
                self._end(number, item)
                continue
            problem, part = item.problem, b""
            if problem is None:
                place, part = next(parts)
                problem = reply.problems.get(place)
            output.write(item, part, problem is not None)
            if problem is None:
                self._summary.documents += 1
            else:
                self._summary.failed += 1
                self._report.problem(output.path.name, item.place, problem)
            self._report.advance(item.size)
        if time.monotonic() > self._saved + CHECKPOINT_SECONDS:
            for output in self._outputs.values():
                output.checkpoint()
            self._saved = time.monotonic()

    def _end(self, number: int, end: End) -> None:
        output = self._outputs.pop(number)
        if end.error is None:
            output.finish()
            return
        self._summary.unreadable += 1
        self._report.problem(output.path.name, str(self._sources[number].path), end.error)
        output.checkpoint()
        output.close()
