"""The real routes, engine and pool over fake runtimes, in a separate process: a service to put load on.

    python -m tests.loadtests.fake_service PORT TOKENIZER [MISBEHAVIOUR]

Misbehaviours begin once the given number of inferences were made: ``lie:200`` finds nothing any more, ``stall:200``
holds one inference up for a second, ``hang:200`` answers nothing any more, ``fail:200`` answers 500, ``loading`` never
becomes ready, ``failed`` has a variant that cannot be loaded. ``slow`` behaves, but takes its time.
"""

import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import uvicorn
from numpy.typing import NDArray

from service.artifacts.pool import VariantPool
from service.http.api import create_api
from service.http.front import Front
from service.inference.engine import Engine
from service.ner.pipeline import Runtime
from service.settings import Settings
from service.variants import Runtime as RuntimeName
from tests.fakes import FakeRuntimes, Gate, write_artifacts


class Misbehaving:
    """Loads fake runtimes that go wrong."""

    def __init__(self, kind: str, after: int):
        self.fakes = FakeRuntimes(delay=0.02 if kind == "slow" else 0.001)
        self.kind, self.after = kind, after
        if kind == "loading":
            self.fakes.load_gates["dynamic"] = Gate()
        if kind == "failed":
            self.fakes.load_errors["pruned"] = RuntimeError("broken for the test")

    def __call__(self, name: RuntimeName, folder: Path, threads: int) -> Runtime:
        inner, outer = self.fakes(name, folder, threads), self

        class Runtime:
            def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
                if outer.kind == "stall" and outer.fakes.calls == outer.after:
                    threading.Event().wait(1.0)
                if outer.kind == "hang" and outer.fakes.calls >= outer.after:
                    threading.Event().wait()
                if outer.kind == "fail" and outer.fakes.calls >= outer.after:
                    raise RuntimeError("broken for the test")
                logits = inner.logits(input_ids)
                return logits * 0 if outer.kind == "lie" and outer.fakes.calls > outer.after else logits

        return Runtime()


def main(port: str, tokenizer: str, misbehaviour: str = "none") -> None:
    kind, _, after = misbehaviour.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        artifacts = write_artifacts(Path(folder), Path(tokenizer))
        pool = VariantPool(artifacts, 1, Misbehaving(kind, int(after or 0)))
        pool.start()
        api = create_api()
        api.state.engine = Engine(Settings(), pool)
        uvicorn.run(Front(api), host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
