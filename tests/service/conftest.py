"""The service under test: the real routes, engine and pool over fake runtimes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.artifacts.pool import VariantPool
from service.http.api import create_api
from service.http.front import Front
from service.inference.engine import Engine
from service.settings import Settings
from tests.fakes import TEXTS, FakeRuntimes, write_artifacts


@dataclass
class Service:
    """An engine behind the HTTP routes."""

    engine: Engine
    front: Front
    runtimes: FakeRuntimes

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.front), base_url="http://service", timeout=30)

    async def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        async with self.client() as client:
            return await client.request(method, path, **content)

    async def get(self, path: str, **content: Any) -> httpx.Response:
        return await self.request("GET", path, **content)

    async def ner(self, body: object, variant: str | None = None) -> httpx.Response:
        return await self.request("POST", "/ner", json=body, params={"variant": variant} if variant else {})


class Services:
    """Makes services and closes them when the test ends."""

    def __init__(self) -> None:
        self._engines: list[Engine] = []

    def make(self, pool: VariantPool, runtimes: FakeRuntimes, **settings: Any) -> Service:
        engine = Engine(Settings(**settings), pool)
        self._engines.append(engine)
        api = create_api()
        api.state.engine = engine
        return Service(engine, Front(api), runtimes)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def tokenizer(learnt_tokenizer: Callable[[Sequence[str], int], Path]) -> Path:
    """A small tokenizer of the kind that the build trains."""
    return learnt_tokenizer(TEXTS * 3, 400)


@pytest.fixture(scope="session")
def artifacts(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good artefacts, for tests that do not change them."""
    return write_artifacts(tmp_path_factory.mktemp("artifacts"), tokenizer)


@pytest.fixture(scope="session")
def session_runtimes() -> FakeRuntimes:
    return FakeRuntimes()


@pytest.fixture(scope="session")
def pool(artifacts: Path, session_runtimes: FakeRuntimes) -> VariantPool:
    """All variants, ready."""
    pool = VariantPool(artifacts, 1, session_runtimes)
    pool.load()
    return pool


@pytest.fixture
def services() -> Iterator[Services]:
    services = Services()
    yield services
    services.close()


@pytest.fixture
def service(services: Services, pool: VariantPool, session_runtimes: FakeRuntimes) -> Service:
    """All variants ready, default limits."""
    return services.make(pool, session_runtimes)


@pytest.fixture(autouse=True)
def log_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="kidogo")
