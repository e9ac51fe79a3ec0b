"""Photographs the page of the real service for the README; run by ``scripts/screenshot``."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import chromium
from tests.browser.reading import card
from tests.e2e.servers import ROOT, serving

WIDTH, HEIGHT = 1280, 1490


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "playground.png")
    parser.add_argument("--dark", action="store_true")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(arguments.artifacts, Path(folder) / "log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        scheme = "dark" if arguments.dark else "light"
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
        page.goto(server.url)
        expect(page.locator("#summary")).to_contain_text("answered")
        # The first comparison warms everything up; the times of the second one are shown.
        page.get_by_role("button", name="Compare").click()
        expect(card(page, "dynamic").locator(".time")).to_contain_text("ms")
        expect(page.locator("#summary")).to_contain_text("answered")
        page.screenshot(path=arguments.out)
        browser.close()
    print(arguments.out)


if __name__ == "__main__":
    main()
