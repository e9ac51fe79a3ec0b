import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request

from service.errors import ClientGone
from service.http.routes.shared import unless_gone


class Client:
    """A request whose client leaves when told to."""

    def __init__(self) -> None:
        self.left = asyncio.get_running_loop().create_future()
        self.request = cast(Request, SimpleNamespace(receive=self._receive))

    async def _receive(self) -> Any:
        await self.left
        return {"type": "http.disconnect"}


def in_a_loop(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_the_answer_comes_back() -> None:
    async def scenario() -> None:
        client = Client()
        assert await unless_gone(client.request, asyncio.sleep(0, "answer")) == "answer"

    in_a_loop(scenario)


def test_work_for_a_client_that_leaves_is_cancelled() -> None:
    async def scenario() -> None:
        client, work = Client(), asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, client.left.set_result, None)
        with pytest.raises(ClientGone):
            await unless_gone(client.request, work)
        assert work.cancelled()
        task = asyncio.current_task()
        assert task
        assert not task.cancelling()
        await asyncio.sleep(0)

    in_a_loop(scenario)


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("work_first", [True, False])
def test_a_client_that_leaves_as_the_work_ends_cancels_nothing_after_it(work_first: bool, turns: int) -> None:
    async def scenario() -> None:
        client, work = Client(), asyncio.get_running_loop().create_future()
        ends = [lambda: work.set_result("answer"), lambda: client.left.set_result(None)]

        async def end() -> None:
            first, second = ends if work_first else reversed(ends)
            first()
            for _ in range(turns):
                await asyncio.sleep(0)
            if not (second is ends[0] and work.done()):
                second()

        ending = asyncio.ensure_future(asyncio.sleep(0.01))
        ending.add_done_callback(lambda _: asyncio.ensure_future(end()))
        try:
            assert await unless_gone(client.request, work) == "answer"
        except ClientGone:
            assert not work_first or turns == 0
        for _ in range(10):
            await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task
        assert not task.cancelling()

    in_a_loop(scenario)


def test_a_request_that_the_server_cancels_is_cancelled() -> None:
    async def scenario() -> None:
        client, work = Client(), asyncio.get_running_loop().create_future()
        asking = asyncio.ensure_future(unless_gone(client.request, work))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert work.cancelled()

    in_a_loop(scenario)
