"""The page in a real Chromium, before the real routes over fake runtimes."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.http.conftest import (  # noqa: F401 (fixtures)
    Service,
    artifacts,
    pool,
    service,
    services,
    session_runtimes,
    tokenizer,
)
from tests.http.servers import served


def chromium() -> str | None:
    """Where Debian's Chromium is, or the one that ``CHROMIUM`` names."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


# Not of the session: while Playwright runs, this thread has an event loop, and other packages' tests want their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        missing = "There is no Chromium: apt-get install chromium, or name one in CHROMIUM."
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        # In containers there is no user namespace for a sandbox; the tests open pages of this project only.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What the browser complained of; a test that expects something takes it out."""
    found: list[str] = []
    yield found
    assert found == []


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, problems: list[str]) -> Iterator[Open]:
    """Opens a page of a service, or of a port, in a browser of its own; ``options`` are the context's."""
    with ExitStack() as stack:

        def open_page(of: Service | int, path: str = "/", **options: Any) -> Page:
            port = of if isinstance(of, int) else stack.enter_context(served(of.front))
            context: BrowserContext = browser.new_context(**options)
            stack.callback(context.close)
            context.set_default_timeout(15_000)
            page = context.new_page()
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
            page.goto(f"http://127.0.0.1:{port}{path}")
            return page

        yield open_page
