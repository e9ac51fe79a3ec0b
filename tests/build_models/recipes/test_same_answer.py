"""The answer for a document depends on nothing else in flight: bit for bit the same, alone or in company."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from service.artifacts.pool import VariantPool
from service.evaluation.conll import Sentence
from service.inference.engine import Engine
from service.ner.pipeline import Pipeline
from service.schemas.ner import NerRequest, ResultAnswer
from service.settings import Settings
from service.variants import VARIANTS
from tests.build_models.conftest import Built
from tests.build_models.readings import word_probabilities

every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="module")
def pool(built: Built) -> VariantPool:
    pool = VariantPool(built.folder, threads=2)
    pool.load()
    assert {slot.variant.name: slot.reason for slot in pool if slot.status != "ready"} == {}
    return pool


@pytest.fixture(scope="module")
def texts(sentences: list[Sentence]) -> list[str]:
    """32 texts; the first is long enough for several windows, and short ones stand in between."""
    singles = [" ".join(sentence.words) for sentence in sentences]
    return [" ".join(singles[:30]), *singles[30:50], singles[50].split()[0], *singles[51:61]]


async def answer(pool: VariantPool, variant: str, request: NerRequest) -> list[ResultAnswer]:
    engine = Engine(Settings(slots=2), pool)
    with engine.admission.enter() as visit:
        visit.proceed(engine.sizes(request, [variant]))
        return (await engine.recognize(request, variant, visit)).results


def read(pool: VariantPool, variant: str, texts: list[str]) -> list[str]:
    """The answers as they would be sent: JSON writes every bit of a score."""
    request = NerRequest(texts=texts)
    return [result.model_dump_json() for result in asyncio.run(answer(pool, variant, request))]


@every_variant
def test_alone_and_among_32(built: Built, pool: VariantPool, texts: list[str], variant: str) -> None:
    assert len(texts) == 32
    together = read(pool, variant, texts)
    assert sum("score" in result for result in together) > 10, "answers without entities would prove nothing"
    assert [read(pool, variant, [text])[0] for text in texts] == together
    assert read(pool, variant, texts[::-1])[::-1] == together


@pytest.fixture
def crowd(pipelines: dict[str, Pipeline], sentences: list[Sentence]) -> Iterator[threading.Event]:
    """Threads that keep every variant busy until the test is over; set once all have read something."""
    stop, busy = threading.Event(), threading.Barrier(len(pipelines) + 1)

    def work(pipeline: Pipeline) -> None:
        word_probabilities(pipeline, sentences[:1])
        busy.wait(timeout=30)
        while not stop.is_set():
            word_probabilities(pipeline, sentences[:5])

    threads = [threading.Thread(target=work, args=(pipeline,)) for pipeline in pipelines.values()]
    for thread in threads:
        thread.start()
    busy.wait(timeout=30)
    yield stop
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_while_other_threads_run_other_variants(
    pool: VariantPool,
    pipelines: dict[str, Pipeline],
    sentences: list[Sentence],
    texts: list[str],
    request: pytest.FixtureRequest,
) -> None:
    some, few = texts[:6], sentences[:10]
    quiet = {variant: read(pool, variant, some) for variant in VARIANTS}
    quiet_numbers = {variant: word_probabilities(pipelines[variant], few) for variant in VARIANTS}
    request.getfixturevalue("crowd")
    for variant in VARIANTS:
        assert read(pool, variant, some) == quiet[variant], variant
        assert word_probabilities(pipelines[variant], few).tobytes() == quiet_numbers[variant].tobytes(), variant
