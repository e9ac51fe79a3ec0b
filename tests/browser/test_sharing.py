"""Links, code to copy, and answers to take along."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from service.variants import VARIANTS
from tests.browser.conftest import Open
from tests.browser.reading import card, compare
from tests.service.conftest import Service
from tests.service.http.servers import served

TEXT = 'leo Nairobi, "O\'Kano" & ‘$HOME’ \\n\n`date` 😀 ሰኞ #1+1'


def shown(page: Page) -> list[str]:
    return page.locator("#cards .card").evaluate_all("(cards) => cards.map((card) => card.dataset.variant)")


def test_a_link_brings_text_and_variants_and_no_server_sees_it(open_page: Open, service: Service) -> None:
    with served(service.front) as port:
        page = open_page(port)
        compare(page, TEXT)
        for name in ("pruned", "int8"):
            page.get_by_role("group", name="Variants to show").get_by_label(name).uncheck()
        page.get_by_role("button", name="Copy link").click()
        expect(page.locator("#note")).to_have_text("Link copied.")
        other = open_page(port)
        asked: list[Request] = []
        other.on("request", lambda request: asked.append(request))
        other.goto("about:blank")
        other.goto(page.url)
        expect(other.locator("#text")).to_have_value(TEXT)
        expect(other.locator("#summary")).to_contain_text("answered")
        assert shown(other) == [name for name in VARIANTS if name not in ("pruned", "int8")]
        assert "Nairobi" in page.url
        assert not any("Nairobi" in request.url.partition("#")[0] for request in asked)
        other.locator("#text").press_sequentially("x")
        assert "#" not in other.url, "the link is not of this text"
        # Before the server ends, which the pages would notice.
        for each in (page, other):
            each.close()


@pytest.mark.parametrize(
    ("fragment", "says"),
    [
        ("%E0%A4%A", "no text in this link"),
        ("t=%20&v=dense", "no text in this link"),
        ("v=dense", "no text in this link"),
        ("<img src=x onerror=alert(1)>", "no text in this link"),
        ("t=" + "a" * 20_001, "too long"),
        ("t=leo+Kano&v=dense,<b>,pocket-9", "Not here: <b>, pocket-9. The others are shown."),
        ("t=leo+Kano&v=nothing", "Not here: nothing. All variants are shown."),
    ],
)
def test_nonsense_in_a_link_is_said_quietly(open_page: Open, service: Service, fragment: str, says: str) -> None:
    page = open_page(service, "/#" + quote(fragment, safe="=&%+,"))
    expect(page.locator("#note")).to_contain_text(says)
    expect(page.locator("#summary")).to_contain_text("answered")
    expect(page.locator("#compare-error")).to_be_hidden()
    assert shown(page)[0] == "dense"
    assert (len(shown(page)) == 1) == ("The others" in says)


def test_what_is_copied_works(open_page: Open, service: Service, tmp_path: Path) -> None:
    with served(service.front) as port:
        page = open_page(port, permissions=["clipboard-read", "clipboard-write"])
        compare(page, TEXT)
        page.get_by_label("With", exact=True).select_option("int8")
        answer = httpx.post(f"http://127.0.0.1:{port}/ner?variant=int8", json={"text": TEXT}).json()

        def copied(button: str, says: str) -> str:
            page.get_by_role("button", name=button).click()
            expect(page.locator("#note")).to_have_text(f"{says} copied.")
            text: str = page.evaluate("navigator.clipboard.readText()")
            return text

        command = copied("Copy curl", "curl command")
        by_curl = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        assert json.loads(by_curl)["results"] == answer["results"]
        (tmp_path / "copied.py").write_text(copied("Copy Python", "Python code"), encoding="utf-8")
        by_python = subprocess.run(
            [sys.executable, str(tmp_path / "copied.py")], capture_output=True, text=True, check=True
        ).stdout
        for entity in answer["results"][0]["entities"]:
            assert f"{entity['label']} {entity['text']} {entity['score']}" in by_python
        answers = json.loads(copied("Copy JSON", "Answers"))
        assert answers["text"] == TEXT
        (of_int8,) = (each for each in answers["variants"] if each["variant"] == "int8")
        assert of_int8["entities"] == answer["results"][0]["entities"]
        with page.expect_download() as download:
            page.get_by_role("button", name="Download JSON").click()
        assert json.loads(Path(download.value.path()).read_text(encoding="utf-8")) == answers


def test_cards_of_variants_that_are_not_chosen_are_not_shown(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    page.get_by_role("group", name="Variants to show").get_by_label("pruned").uncheck()
    expect(card(page, "pruned")).to_have_count(0)
    page.get_by_role("group", name="Variants to show").get_by_label("pruned").check()
    expect(card(page, "pruned").locator(".time")).to_contain_text("ms")
