"""What a person sees of the variants' costs, and which variant to take."""

import re

from playwright.sync_api import Page, expect

from service.variants import VARIANTS
from tests.browser.conftest import Open
from tests.browser.reading import card, compare
from tests.service.conftest import Service

_BOXES = """(id) => [...document.getElementById(id).querySelectorAll(".name, circle")].map((element) => {
  const { x, y, width, height } = element.getBBox();
  return { what: element.textContent || "point", x0: x, y0: y, x1: x + width, y1: y + height };
})"""


def test_times_are_medians_and_names_cover_nothing(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    page.get_by_role("button", name="Measure with this text").click()
    expect(page.locator("#time-source")).to_contain_text("medians of at least 6 comparisons of the text last compared")
    expect(page.locator("#scatter circle")).to_have_count(len(VARIANTS))
    expect(page.locator("#scatter")).to_contain_text("median ms in the model (log scale)")
    boxes = page.evaluate(_BOXES, "scatter")
    names = [box for box in boxes if box["what"] != "point"]
    assert {box["what"] for box in names} == set(VARIANTS)
    for name in names:
        assert name["x0"] >= 0
        assert name["x1"] <= 480
        for other in boxes:
            apart = name["x1"] < other["x0"] or other["x1"] < name["x0"]
            apart = apart or name["y1"] < other["y0"] or other["y1"] < name["y0"]
            assert other is name or apart, (name, other)
    assert all(box["x0"] >= 0 and box["x1"] <= 480 for box in page.evaluate(_BOXES, "sizes"))


def milliseconds(page: Page) -> list[float]:
    return [float(cell) for cell in page.locator("#table tbody tr td:nth-child(5)").all_text_contents()]


def test_measured_times_are_of_this_text_alone(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    measure, source = page.get_by_role("button", name="Measure with this text"), page.locator("#time-source")
    with service.runtimes.slow(0.05):
        measure.click()
        expect(source).to_contain_text("medians of at least 6 comparisons")
        expect(measure).to_be_enabled()
    assert min(milliseconds(page)) > 45
    # Times of another text are gone as soon as it is compared, and one comparison has no median.
    compare(page, "leo Kano")
    expect(source).to_contain_text("the server's medians over all requests")
    page.get_by_label("Text to read").fill("leo Kigali")
    measure.click()
    expect(source).to_contain_text("medians of at least 5 comparisons of the text last compared")
    expect(measure).to_be_enabled()
    assert max(milliseconds(page)) < 45


def test_what_is_typed_while_measuring_is_not_measured(open_page: Open, service: Service) -> None:
    page = open_page(service)
    # The comparison that the page begins with would otherwise be of the text that is typed here, and count.
    expect(page.locator("#summary")).to_contain_text("answered")
    compare(page, "leo Kano")
    with service.runtimes.slow(0.02):
        page.get_by_role("button", name="Measure with this text").click()
        page.get_by_label("Text to read").fill("leo Kig")
        expect(page.locator("#time-source")).to_contain_text("medians of at least 6 comparisons")
        expect(page.get_by_role("button", name="Measure with this text")).to_be_enabled()
    expect(page.locator("#summary")).to_have_text("The text has changed since it was read. Compare again.")
    expect(page.locator("#earlier-texts")).not_to_contain_text("Kig")


def test_the_server_s_own_median_where_the_page_has_too_few(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    expect(page.locator("#time-source")).to_contain_text("the server's medians over all requests")


def test_a_hint_which_to_take_and_what_each_is(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    expect(page.locator("#advice")).to_contain_text("within one point of the best F1 (0.700)")
    expect(page.locator("#advice b")).to_have_text(page.get_by_label("With", exact=True).input_value())
    expect(card(page, "distilled")).to_contain_text("A student with fewer layers")
    # How many layers stay and how many weights go are options of the build.
    for name in ("pruned", "distilled"):
        about = card(page, name).locator(".hint").inner_text()
        assert not re.search(r"\d|half|third|quarter", about + VARIANTS[name].technique)
    expect(page.get_by_text("Agreement is not correctness")).to_be_visible()
    unknown = page.evaluate(
        "import('./playground/variants.js').then(({ about }) =>"
        " about({ name: 'new', technique: 'a new technique', runtime: 'onnxruntime' }))"
    )
    assert unknown == "a new technique, in onnxruntime."
