"""A worker process: ``python -m service.annotation.work.worker``, with messages on its standard input and output.

The first message is a task or a wish. A task loads a variant, and every later message holds documents; the answer to it
holds what is to be written for them. A wish is answered with a variant.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from service.annotation.documents import Answer, Limits, annotate, parse
from service.annotation.errors import Problem
from service.annotation.formats import FORMATS
from service.annotation.work.frames import receive, send
from service.artifacts.manifest import ArtifactError
from service.artifacts.opening import EXTRA, open_variant
from service.errors import ServiceError
from service.ner.pipeline import Pipeline
from service.variants import KNOWN_VARIANTS


def main() -> None:
    imported = time.monotonic()
    # The parent process stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Output of libraries must not mix with the messages.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    first = receive(sys.stdin.buffer)
    if first is None:
        return
    task = first[0]
    try:
        if "wish" in task:
            send(output, _choose(task))
            return
        pipeline = open_variant(Path(task["artifacts"]), KNOWN_VARIANTS[task["variant"]], 1, task["digest"])
    except (ArtifactError, ServiceError) as error:
        send(output, {"error": str(error)})
        return
    except ModuleNotFoundError as error:
        needed = f"{task['variant']} needs the package {error.name}, which is not installed here"
        send(output, {"error": f"{needed}: pip install 'kidogo[{EXTRA}]'"})
        return
    send(output, {"import_seconds": imported - task["started"]})
    _serve(pipeline, task, output)


def _choose(task: dict[str, Any]) -> dict[str, str]:
    """The variant for a wish, as ``/ner?variant=auto`` chooses it."""
    # Not needed by the workers that annotate.
    from service.artifacts.pool import VariantPool
    from service.inference.choice import Latencies, choose
    from service.schemas.ner import Wish

    pool = VariantPool(Path(task["artifacts"]), 1, variants=task["variants"])
    pool.load()
    variant, choice = choose(Wish(**task["wish"]), task["characters"], pool, Latencies())
    return {"variant": variant, "reason": choice.reason}


def _serve(pipeline: Pipeline, task: dict[str, Any], output: BinaryIO) -> None:
    render, limits, model = FORMATS[task["format"]].render, Limits(**task["limits"]), task["model"]
    while (message := receive(sys.stdin.buffer)) is not None:
        header, blob = message
        rendered: list[bytes] = []
        problems: dict[int, str] = {}
        for place, (field, payload) in enumerate(zip(header["fields"], blob.split(b"\n"), strict=True)):
            try:
                fields, content = parse(payload, field)
                rendered.append(render(Answer(fields, content, annotate(pipeline, content, limits)), model))
            except Problem as problem:
                rendered.append(b"")
                problems[place] = str(problem)
            except (FloatingPointError, MemoryError) as error:
                rendered.append(b"")
                problems[place] = f"could not be annotated: {error or type(error).__name__}"
        send(output, {"lengths": list(map(len, rendered)), "problems": problems}, b"".join(rendered))


if __name__ == "__main__":
    main()
