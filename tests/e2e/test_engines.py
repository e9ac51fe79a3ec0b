"""``service.batch.Annotator`` in the engines that run it, each on two workers, and against ``/ner``'s answers."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pyarrow
import pytest

from service.annotation.documents import Limits, annotate
from service.artifacts.bundled import BUNDLED
from service.artifacts.manifest import ArtifactError
from service.artifacts.opening import open_variant
from service.batch import Annotator
from service.errors import UnknownVariant
from service.variants import VARIANTS
from tests import ROOT
from tests.e2e.environments import environment, run
from tests.service.annotation.tricky import TRICKY

TEXTS = [*TRICKY, "leo"]


@pytest.fixture(scope="module")
def expected(artifacts: Path) -> list[list[dict[str, Any]]]:
    pipeline = open_variant(artifacts, VARIANTS["dynamic"], 1)
    found = [[entity._asdict() for entity in annotate(pipeline, text, Limits()).entities] for text in TEXTS]
    assert sum(map(len, found)) > 10
    return found


@pytest.fixture
def annotator(artifacts: Path) -> Annotator:
    return Annotator("dynamic", artifacts)


def test_what_goes_in_comes_out_with_entities(annotator: Annotator, expected: list[list[dict[str, Any]]]) -> None:
    numbers = list(range(len(TEXTS)))
    lists = annotator({"text": TEXTS, "id": numbers})
    assert lists == {"text": TEXTS, "id": numbers, "entities": expected}
    arrays = annotator({"text": np.array(TEXTS, dtype=object), "id": np.array(numbers)})
    assert isinstance(arrays["entities"], np.ndarray)
    assert arrays["entities"].tolist() == expected
    frame = annotator(pandas.DataFrame({"text": TEXTS, "id": numbers}, index=numbers[::-1]))
    assert frame["entities"].tolist() == expected
    assert list(frame.columns) == ["text", "id", "entities"]
    table = annotator(pyarrow.table({"text": TEXTS, "id": numbers}))
    assert table["entities"].to_pylist() == expected
    assert annotator(pandas.Series(TEXTS)).tolist() == expected


def test_missing_texts_words_and_empty_batches(annotator: Annotator) -> None:
    words = ["rais", "William", "Ruto"]
    found = annotator({"text": ["", None, float("nan"), words, np.array(words)]})["entities"]
    assert found[:3] == [[], None, None]
    assert found[3] == found[4]
    assert annotator({"text": []}) == {"text": [], "entities": []}
    assert annotator(pandas.DataFrame({"text": []}))["entities"].tolist() == []
    table = annotator(pyarrow.table({"text": ["", None]}))
    assert pyarrow.types.is_struct(table.schema.field("entities").type.value_type), "also without any entity"
    assert annotator(table).column_names == ["text", "entities"], "it replaces its column"
    with pytest.raises(TypeError, match="a document is a text or a list of words, not int"):
        annotator({"text": [3]})
    with pytest.raises(TypeError, match=r"a batch is a dictionary of columns, .*, not builtins.list"):
        annotator(TEXTS)
    with pytest.raises(KeyError, match="no column 'text'; the batch has 'body'"):
        annotator({"body": []})
    with pytest.raises(UnknownVariant, match="Choose from: dense"):
        Annotator("tiny")


def test_it_is_pickled_without_its_model(annotator: Annotator) -> None:
    before = len(pickle.dumps(annotator))
    annotator({"text": TEXTS[:1]})
    copied = pickle.loads(pickle.dumps(annotator))  # noqa: S301 (written here)
    assert len(pickle.dumps(annotator)) == before < 1000
    assert copied({"text": TEXTS[:1]}) == annotator({"text": TEXTS[:1]})


def test_an_artefact_that_changed_is_another_annotator(
    artifacts: Path, expected: list[list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = pickle.dumps(Annotator("dynamic"))
    link, other = tmp_path / "artifacts", tmp_path / "other"
    link.symlink_to(artifacts.absolute())
    pickled = pickle.dumps(Annotator("dynamic"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(pickled)({"text": TEXTS})["entities"] == expected  # noqa: S301 (written here)
    assert pickle.loads(bundled)({"text": TEXTS})["entities"] != expected  # noqa: S301
    shutil.copytree(BUNDLED / "dynamic", other / "dynamic")
    link.unlink()
    link.symlink_to(other)
    with pytest.raises(ArtifactError, match="has changed since the annotator was made"):
        pickle.loads(pickled)({"text": TEXTS})  # noqa: S301
    monkeypatch.chdir(tmp_path)
    assert len({bundled, pickled, pickle.dumps(Annotator("dynamic"))}) == 3
    link.unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        pickle.loads(pickled)({"text": TEXTS})  # noqa: S301


def test_datasets(annotator: Annotator, expected: list[list[dict[str, Any]]]) -> None:
    data = datasets.Dataset.from_dict({"text": TEXTS, "id": list(range(len(TEXTS)))})
    for given in (data, data.with_format("arrow")):
        found = given.map(annotator, batched=True, batch_size=8, num_proc=2).with_format(None)
        assert found["entities"][:] == expected
        assert found["id"][:] == data["id"][:]
    empty = datasets.Dataset.from_dict({"text": ["leo"] * 20 + TEXTS}).with_format("arrow")
    found = empty.map(annotator, batched=True, batch_size=8, num_proc=2).with_format(None)
    assert found["entities"][:] == [[]] * 20 + expected, "batches without any entity fit the others"


def documented(engine: str) -> str:
    """The example of an engine in the documentation."""
    blocks = (ROOT / "docs" / "files.md").read_text(encoding="utf-8").split("```python\n")[1:]
    (block,) = (block.partition("```")[0] for block in blocks if engine in block.partition("```")[0].split("\n")[0])
    return block


def write_articles(folder: Path) -> None:
    folder.joinpath("articles.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in TEXTS))


def test_the_documented_example_of_datasets(
    artifacts: Path, expected: list[list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_articles(tmp_path)
    (tmp_path / "artifacts").symlink_to(artifacts.absolute())
    exec(documented("datasets"), {})
    lines = (tmp_path / "found.jsonl").read_text().splitlines()
    assert [json.loads(line)["entities"] for line in lines] == expected


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "packages"), [("ray", ["ray[data]"]), ("spark", ["pyspark"])])
def test_the_documented_examples_of_others(
    artifacts: Path, expected: list[list[dict[str, Any]]], tmp_path: Path, engine: str, packages: list[str]
) -> None:
    python = environment(engine, *packages, "pandas", "pyarrow")
    write_articles(tmp_path)
    script = documented("pandas" if engine == "spark" else engine).replace("/srv/artifacts", str(artifacts.absolute()))
    variables = {"PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1"}
    run(python, f"import os; os.chdir({str(tmp_path)!r})\n{script}", **variables)
    lines = [line for path in sorted((tmp_path / "found").glob("*.json")) for line in path.read_text().splitlines()]
    found = {entry["text"]: entry["entities"] for entry in map(json.loads, lines)}
    assert found == dict(zip(TEXTS, expected, strict=True))


RAY = """
import json, os, signal, sys
import ray
from service.batch import Annotator

texts, artifacts, mark = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)

class Deadly(Annotator):
    def __call__(self, batch):
        found = super().__call__(batch)
        if not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return found

def entities(data):
    return [[dict(entity) for entity in row["entities"]] for row in sorted(data.take_all(), key=lambda row: row["id"])]

data = ray.data.from_items([{"id": number, "text": text} for number, text in enumerate(texts)], override_num_blocks=6)
options = {"batch_size": 8, "fn_constructor_kwargs": {"variant": "dynamic", "artifacts": artifacts}}
pool = ray.data.ActorPoolStrategy(size=2)
print(json.dumps(entities(data.map_batches(Annotator, compute=pool, **options))))
print(json.dumps(entities(data.map_batches(Deadly, batch_format="pyarrow", compute=pool, **options))))
assert os.path.exists(mark)
"""


@pytest.mark.slow
def test_ray_data(artifacts: Path, expected: list[list[dict[str, Any]]], tmp_path: Path) -> None:
    """By two actors, in its default format and in Arrow's; the batch of a killed actor is read again."""
    python = environment("ray", "ray[data]", "pandas", "pyarrow")
    said = run(python, RAY, json.dumps(TEXTS), artifacts.absolute(), tmp_path / "mark")
    found = [json.loads(line) for line in said.splitlines() if line.startswith("[[")]
    assert found == [expected] * 2


SPARK = """
import json, os, signal, sys
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf
from service.batch import SPARK_TYPE, Annotator

texts, artifacts, mark = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
# Two workers; a task is tried again when its worker dies.
spark = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false").getOrCreate()
annotator = Annotator("dynamic", artifacts)

@pandas_udf(SPARK_TYPE)
def entities(texts: pd.Series) -> pd.Series:
    return annotator(texts)

@pandas_udf(SPARK_TYPE)
def deadly(texts: pd.Series) -> pd.Series:
    found = annotator(texts)
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return found

data = spark.createDataFrame(list(enumerate(texts)), "id int, text string").repartition(4)
for function in (entities, deadly):
    rows = data.withColumn("entities", function("text")).orderBy("id").collect()
    print(json.dumps([[entity.asDict() for entity in row.entities] for row in rows]))
assert os.path.exists(mark)
"""


@pytest.mark.slow
def test_spark(artifacts: Path, expected: list[list[dict[str, Any]]], tmp_path: Path) -> None:
    """As a pandas UDF in two Python workers; what a killed one read is read again."""
    python = environment("spark", "pyspark", "pandas", "pyarrow")
    variables = {"PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1"}
    said = run(python, SPARK, json.dumps(TEXTS), artifacts.absolute(), tmp_path / "mark", **variables)
    found = [json.loads(line) for line in said.splitlines() if line.startswith("[[")]
    assert found == [expected] * 2
