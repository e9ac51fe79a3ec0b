"""How tests read the page: as a person sees it."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

_WITHOUT_TAGS = """(element) => {
  const copy = element.cloneNode(true);
  copy.querySelectorAll(".tag").forEach((tag) => tag.remove());
  return copy.textContent;
}"""


def card(page: Page, variant: str) -> Locator:
    return page.locator(f'.card[data-variant="{variant}"]')


def text_of(element: Locator) -> Any:
    """The text that is shown, without the little labels of the marks."""
    return element.evaluate(_WITHOUT_TAGS)


def marks(element: Locator) -> list[tuple[Any, Any]]:
    """Label and text of every mark."""
    return [(mark.get_attribute("data-label"), text_of(mark)) for mark in element.locator("mark").all()]


def compare(page: Page, text: str) -> None:
    """Type a text, compare, and wait for the summary."""
    page.get_by_label("Text to read").fill(text)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#summary")).to_contain_text("answered")
