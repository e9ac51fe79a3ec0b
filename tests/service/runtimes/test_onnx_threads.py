import contextlib
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.runtimes.onnx import HELPERS_NICE, OnnxRuntime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")


def niceness() -> dict[int, int]:
    """Of every thread of this process."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        # A thread may end after it was listed.
        with contextlib.suppress(ProcessLookupError):
            found[int(task.name)] = os.getpriority(os.PRIO_PROCESS, int(task.name))
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Gives what it takes."""
    path = tmp_path / "model.onnx"
    one = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])
    two = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, None])
    node = helper.make_node("Cast", ["input_ids"], ["logits"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "toy", [one], [two])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


def test_a_session_s_own_threads_give_way_and_no_others(model: Path) -> None:
    before = niceness()
    runtime = OnnxRuntime(model, threads=3)
    after = niceness()
    started = {task: nice for task, nice in after.items() if task not in before}
    # Who calls the session is its third thread; the one that started the others may be about to end.
    assert len(started) >= 2
    assert set(started.values()) == {HELPERS_NICE}
    assert [task for task in before if task in after and after[task] != before[task]] == []
    assert runtime.logits(np.array([1, 2])).tolist() == [1, 2]


def test_where_threads_may_not_give_way_they_serve_all_the_same(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: int) -> None:
        raise PermissionError("as a sandbox does")

    monkeypatch.setattr(os, "setpriority", refuse)
    assert OnnxRuntime(model, threads=2).logits(np.array([1, 2])).tolist() == [1, 2]
