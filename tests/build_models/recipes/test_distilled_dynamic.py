from collections import Counter

import numpy as np
import onnx

from build_models.workspace.workspace import result_digest
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline
from tests.build_models.conftest import Built
from tests.build_models.readings import word_probabilities

MATRICES = 1 * 6 + 1
"""Of the student's one layer and the classifier."""


def test_it_is_made_from_the_student(built: Built) -> None:
    manifest = built.manifests["distilled-dynamic"]
    assert manifest.parent == "distilled"
    assert manifest.parent_digest == result_digest(built.checkpoint("distilled"))


def test_every_matrix_product_of_the_student_runs_in_eight_bits(built: Built) -> None:
    graph = onnx.load(built.folder / "distilled-dynamic" / "model.onnx").graph
    operators = Counter(node.op_type for node in graph.node)
    integer = operators["MatMulInteger"] + operators["DynamicQuantizeMatMul"] + operators["MatMulIntegerToFloat"]
    assert 3 * operators["QAttention"] + integer == MATRICES


def test_it_is_smaller_than_both_that_it_comes_from(built: Built) -> None:
    sizes = {name: (built.folder / name / "model.onnx").stat().st_size for name in built.manifests if name != "int8"}
    assert sizes["distilled-dynamic"] < min(sizes["distilled"], sizes["dense"])


def test_answers_agree_with_the_student(pipelines: dict[str, Pipeline], sentences: list[Sentence]) -> None:
    student, quantized = (
        word_probabilities(pipelines[name], sentences[::3]) for name in ("distilled", "distilled-dynamic")
    )
    assert (student.argmax(-1) == quantized.argmax(-1)).mean() >= 0.95
    assert np.abs(student - quantized).max() > 0
