"""Scores, the threshold, long texts, and what is said of texts that have changed."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Open
from tests.browser.reading import card, compare
from tests.service.conftest import Service

_TIP = "(mark) => getComputedStyle(mark, '::after').content"


def test_a_score_is_shown_on_hover_and_focus(open_page: Open, service: Service) -> None:
    page = open_page(service)
    compare(page, "leo Nairobi na Kano")
    first, second = card(page, "dense").locator("mark").all()
    assert re.fullmatch(r"person, score 0\.\d{3}", first.get_attribute("title") or "")
    score = first.get_attribute("data-score")
    assert first.evaluate(_TIP) == "none"
    first.hover()
    assert first.evaluate(_TIP) == f'"{score}"'
    page.mouse.move(0, 0)
    page.locator("#threshold").focus()
    page.keyboard.press("Tab")
    expect(first).to_be_focused()
    assert first.evaluate(_TIP) != "none"
    page.keyboard.press("ArrowRight")
    expect(second).to_be_focused()
    page.keyboard.press("Tab")
    expect(card(page, "pruned").locator("mark").first).to_be_focused()


def test_names_under_the_threshold_are_not_marked(open_page: Open, service: Service) -> None:
    page = open_page(service)
    compare(page, "leo Nairobi")
    # The sample, which was read first, has more names.
    expect(card(page, "dense").locator("mark")).to_have_count(1)
    score = float(card(page, "dense").locator("mark").get_attribute("data-score") or "")
    slider = page.get_by_label("Only names with a score of at least")
    # The fakes are surer of themselves, the later their variant comes.
    slider.fill(str(round(score + 0.01, 2)))
    expect(card(page, "dense").locator("mark")).to_have_count(0)
    expect(page.locator("#threshold-value")).to_have_text(f"{score + 0.01:.2f}")
    expect(card(page, "distilled-dynamic").locator("mark.extra")).to_have_count(1)
    slider.fill("1")
    expect(page.locator("#cards mark")).to_have_count(0)
    expect(page.locator("#summary")).to_contain_text("all find the same")
    slider.fill("0")
    expect(card(page, "dense").locator("mark")).to_have_count(1)


def test_a_text_that_is_typed_before_the_samples_come_stays(open_page: Open, service: Service) -> None:
    page = open_page(service)
    held: list[Route] = []
    page.route("**/samples.json", lambda route: held.append(route))
    page.reload(wait_until="domcontentloaded")
    page.locator("#text").fill("leo Nairobi")
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(page.locator("#summary")).to_contain_text("answered")
    expect(page.locator("#text")).to_have_value("leo Nairobi")
    expect(card(page, "dense").locator("mark")).to_have_count(1)


def test_no_sample_comes_between_what_is_typed(open_page: Open, service: Service) -> None:
    page = open_page(service)
    held: list[Route] = []
    page.route("**/samples.json", lambda route: held.append(route))
    page.reload(wait_until="domcontentloaded")
    page.locator("#text").focus()
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(page.locator("#status")).to_contain_text("variants ready")
    page.keyboard.insert_text("leo Nairobi")
    expect(page.locator("#text")).to_have_value("leo Nairobi")


def test_a_text_that_has_changed_is_not_the_one_that_was_read(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    assert page.locator("#sample").input_value() == "swa"
    page.locator("#text").press_sequentially("x")
    assert page.locator("#sample").input_value() == "", "the sample's language is not that of another text"
    expect(page.locator("#summary")).to_have_text("The text has changed since it was read. Compare again.")
    expect(page.locator("#cards")).to_have_class("cards stale")
    page.keyboard.press("Backspace")
    expect(page.locator("#summary")).to_contain_text("answered")
    expect(page.locator("#cards")).to_have_class("cards")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_text_is_folded_and_scrolls_with_the_page(open_page: Open, service: Service, width: int) -> None:
    page = open_page(service, viewport={"width": width, "height": 800})
    compare(page, "leo tu " * 800 + "Nairobi")
    reading = card(page, "dense").locator(".reading")
    expect(reading).to_contain_text("leo tu")
    assert reading.evaluate("(box) => box.scrollHeight > box.clientHeight"), "it is folded"
    page.get_by_role("button", name="Show the whole text").click()
    assert reading.evaluate("(box) => box.scrollHeight <= box.clientHeight + 1")
    boxes = page.evaluate("""() => [...document.querySelectorAll("main *")].filter((element) =>
      element.tagName !== "TEXTAREA" && /auto|scroll/.test(getComputedStyle(element).overflowY)
      && element.scrollHeight > element.clientHeight + 1).map((element) => element.className)""")
    assert boxes == []
    page.get_by_role("button", name="Fold the text").click()
    reading.locator("mark").focus()
    assert reading.evaluate("(box) => box.scrollHeight <= box.clientHeight + 1"), "what has the focus is shown"


def test_columns_off_screen_have_a_cue(open_page: Open, service: Service) -> None:
    page = open_page(service, viewport={"width": 390, "height": 800}, is_mobile=True)
    expect(page.locator("#summary")).to_contain_text("answered")
    cue = page.locator(".scroll.wide").evaluate("(box) => getComputedStyle(box, '::before').content")
    assert "More columns to the right" in cue


def test_earlier_texts_are_this_tab_s_alone(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    compare(page, "leo Kano")
    compare(page, "leo <b>Kigali</b>")
    page.reload()
    expect(page.locator("#earlier summary")).to_have_text("Earlier in this tab (3)")
    page.locator("#earlier summary").click()
    page.get_by_role("button", name="leo Kano").click()
    expect(page.locator("#text")).to_have_value("leo Kano")
    expect(card(page, "dense").locator("mark")).to_have_text("KanoPER")
    other = page.context.new_page()
    other.goto(page.url)
    # Only its own sample.
    expect(other.locator("#earlier-count")).to_have_text("1")
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#earlier")).to_be_hidden()
    assert page.evaluate("sessionStorage.getItem('kidogo-texts')") == "[]"
