"""A file that is read in the browser's session."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.service.conftest import Service, Services
from tests.service.http.servers import served


def give(page: Page, name: str, content: str | bytes) -> None:
    content = content.encode() if isinstance(content, str) else content
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})


def results(page: Page) -> list[dict[str, Any]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download results").click()
    assert download.value.suggested_filename.endswith(".entities.jsonl")
    return [json.loads(line) for line in Path(download.value.path()).read_text(encoding="utf-8").splitlines()]


def ready(page: Page) -> Page:
    expect(page.locator("#summary")).to_contain_text("answered")
    page.get_by_label("With", exact=True).select_option("pruned")
    return page


def test_lines_of_text(open_page: Open, service: Service) -> None:
    with served(service.front) as port:
        page = ready(open_page(port))
        lines = [f"leo {'Nairobi ' * (number % 3)}na Kano 😀" for number in range(70)]
        give(page, "mine.txt", "\n\n".join(lines))
        expect(page.locator("#file-result")).to_contain_text("mine.txt: 70 texts read, ")
        answers = results(page)
        assert [answer["text"] for answer in answers] == lines
        whole = httpx.post(f"http://127.0.0.1:{port}/ner?variant=pruned", json={"texts": lines[:3]}).json()["results"]
        assert [answer["entities"] for answer in answers[:3]] == [result["entities"] for result in whole]
        assert {answer["variant"] for answer in answers} == {"pruned"}


def test_lines_of_json_keep_their_fields_and_broken_ones_are_named(
    open_page: Open, services: Services, service: Service, problems: list[str]
) -> None:
    small = services.make(service.engine.pool, service.runtimes, max_document_characters=50)
    page = ready_of(open_page(small))
    give(
        page,
        "mine.jsonl",
        '{"id": 1, "text": "leo Kano"}\n{"id": 2\n{"id": 3}\n'
        + json.dumps({"id": 4, "text": "Kano " * 20})
        + '\n{"id": 5, "text": "Kigali"}',
    )
    expect(page.locator("#file-result")).to_contain_text("2 texts read, 2 names found. 3 lines could not be read.")
    expect(page.locator("#file-result")).to_contain_text("Line 2: it is not JSON.")
    found = results(page)
    assert [(each.get("id"), "error" in each) for each in found] == [
        (1, False),
        (None, True),
        (None, True),
        (4, True),
        (5, False),
    ]
    assert "the limit is 50" in found[3]["error"]
    assert all("413" in problem for problem in problems)
    problems.clear()


def ready_of(page: Page) -> Page:
    # The sample is longer than the limit of this service.
    page.locator("#text").fill("Kano")
    page.get_by_role("button", name="Compare").click()
    return ready(page)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("mine.pdf", b"%PDF", "mine.pdf is neither .txt nor .jsonl."),
        ("mine.txt", b"\xff\xfeK\x00", "mine.txt is not text in UTF-8."),
        ("mine.txt", b"\n \n", "There is no text in mine.txt."),
    ],
)
def test_files_that_cannot_be_read(open_page: Open, service: Service, name: str, content: bytes, says: str) -> None:
    page = ready(open_page(service))
    give(page, name, content)
    expect(page.locator("#file-error")).to_have_text(says)
    expect(page.locator("#file-progress")).to_be_hidden()


def test_a_dropped_file_can_be_stopped_in_the_middle(open_page: Open, service: Service) -> None:
    page = ready(open_page(service))
    with service.runtimes.slow(0.02):
        page.evaluate("""() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["Kano\\n".repeat(500)], "dropped.txt"));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""")
        expect(page.get_by_role("progressbar", name="Texts read")).to_be_visible()
        expect(page.locator("#file-count")).to_contain_text("left")
        page.get_by_role("button", name="Stop reading").click()
    expect(page.locator("#file-result")).to_contain_text("not reached")
    assert 0 < len(results(page)) < 500


def test_a_busy_server_is_asked_again(
    open_page: Open, services: Services, service: Service, problems: list[str]
) -> None:
    busy = services.make(service.engine.pool, service.runtimes, max_in_flight=1)
    page = ready(open_page(busy))
    with busy.engine.admission.enter() as visit:
        visit.proceed({})
        with page.expect_response(lambda response: response.status == 429):
            give(page, "mine.txt", "leo Kano")
    expect(page.locator("#file-result")).to_contain_text("1 text read, 1 name found.")
    assert all("429" in problem for problem in problems)
    problems.clear()
