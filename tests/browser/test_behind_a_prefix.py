"""The page and the API's page behind nginx, which serves them under a prefix and strips it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from service.variants import VARIANTS
from tests.browser.conftest import Open, Service
from tests.nginx import needs_nginx, proxying
from tests.service.http.servers import served

SITE = """server {
    listen 8080;
    proxy_http_version 1.1;
    location /kidogo/ {
        proxy_pass http://127.0.0.1:PORT/;
    }
}
"""

pytestmark = needs_nginx


@pytest.fixture
def proxy(service: Service, tmp_path: Path) -> Iterator[int]:
    """The port of nginx."""
    with (
        served(service.front) as port,
        proxying(SITE.replace("PORT", str(port)), tmp_path / "nginx", "/kidogo/readyz") as proxy,
    ):
        yield proxy


@pytest.mark.parametrize("path", ["/kidogo/", "/kidogo"])
def test_the_page_compares_and_checks(open_page: Open, proxy: int, path: str) -> None:
    page = open_page(proxy, path)
    expect(page.locator("#status")).to_contain_text(f"{len(VARIANTS)} variants ready")
    page.locator("#text").fill("Rais William Ruto alikuja Nairobi.")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#summary")).to_contain_text(f"{len(VARIANTS)} variants answered")
    page.get_by_text("Use my own labelled sentences").click()
    page.locator("#conll").fill("Rais O\nWilliam B-PER\nRuto I-PER")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#accuracy-result")).to_contain_text("sent with the request")
    for link in page.locator("nav a").all():
        assert page.evaluate("element => element.href", link.element_handle()).startswith(
            f"http://127.0.0.1:{proxy}/kidogo/"
        )


def test_the_operations_are_shown_and_can_be_tried(open_page: Open, proxy: int) -> None:
    page = open_page(proxy, "/kidogo/docs")
    page.locator("#operations-operation-is_live .opblock-summary").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")
    expect(page.locator(".request-url")).to_contain_text(f"http://127.0.0.1:{proxy}/kidogo/livez")
