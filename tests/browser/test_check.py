"""What a person sees who checks the accuracy."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.reading import text_of
from tests.browser.relay import Relay
from tests.service.conftest import Service, Services
from tests.service.http.servers import served

SENTENCE = "leo O\nNairobi B-LOC\n\nRuto B-PER\nyuko O\n\n"


@pytest.fixture
def checked(services: Services, service: Service, tmp_path: Path) -> Service:
    """A service with a test split of 240 sentences."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "swa.conll").write_text(SENTENCE * 120, encoding="utf-8")
    return services.make(service.engine.pool, service.runtimes, artifacts=tmp_path)


def start(page: Page, variant: str = "pruned") -> None:
    expect(page.locator("#summary")).to_contain_text("answered")
    page.get_by_label("Variant", exact=True).select_option(variant)
    page.get_by_role("button", name="Check").click()


def test_progress_then_the_figures(open_page: Open, checked: Service) -> None:
    page = open_page(checked)
    with checked.runtimes.slow(0.005):
        start(page)
        bar = page.get_by_role("progressbar")
        expect(bar).to_be_visible()
        page.wait_for_function(
            "() => { const bar = document.querySelector('#accuracy-bar');"
            " return bar.max === 200 && bar.value > 0 && bar.value < 200; }"
        )
        expect(page.locator("#accuracy-count")).to_contain_text("of 200")
        expect(page.get_by_role("button", name="Check")).to_be_disabled()
        expect(page.locator("#accuracy-result table")).to_have_count(4)
    expect(bar).to_be_hidden()
    expect(page.get_by_role("button", name="Check")).to_be_enabled()
    figures = page.locator("#accuracy-result .figure")
    expect(figures.nth(0)).to_contain_text("F1 of pruned0.600")
    expect(figures.nth(1)).to_contain_text("F1 of dense0.400")
    expect(figures.nth(2)).to_contain_text("Difference+0.200")
    expect(page.locator("#accuracy-result")).to_contain_text("200 sentences, 200 entities of “sample, test split”")
    # The first of every two sentences is right; dense says PER and pruned LOC, everywhere.
    mistakes = page.get_by_role("region", name="Mistakes")
    expect(mistakes.locator("tbody tr").first).to_have_text("all0 (0)0 (0)0 (0)80 (120)")
    expect(page.locator("#mistaken > li")).to_have_count(10)
    expect(page.locator("#mistaken > li").first).to_contain_text("wrong type: Ruto (PER), found: Ruto (LOC)")
    expect(page.get_by_role("region", name="Score").locator("tbody tr")).to_have_count(1)
    expect(page.locator("#accuracy-result .sentences").nth(1).locator("> li")).to_have_count(10)
    page.get_by_label("Words").select_option("lower")
    expect(page.locator("#accuracy-stale")).to_have_text("The choices have changed since: check again.")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#accuracy-result")).to_contain_text("Words were changed: lower.")
    expect(page.locator("#accuracy-stale")).to_be_hidden()


def test_figures_that_come_under_other_choices_are_marked(open_page: Open, checked: Service) -> None:
    page = open_page(checked)
    stale, result = page.locator("#accuracy-stale"), page.locator("#accuracy-result")
    words, own = page.get_by_label("Words"), page.get_by_label("CoNLL columns")
    page.get_by_text("Use my own labelled sentences").click()
    for change, back in (
        (lambda: words.select_option("lower"), lambda: words.select_option("")),
        (lambda: own.fill(SENTENCE), lambda: own.fill("")),
    ):
        with checked.runtimes.slow(0.005):
            start(page)
            expect(page.locator("#accuracy-count")).to_contain_text("of 200")
            change()
            expect(stale).to_be_hidden()
            expect(result.locator("table")).to_have_count(4)
        expect(stale).to_be_visible()
        expect(result).to_have_class("stale")
        back()
        expect(stale).to_be_hidden()
        expect(result).not_to_have_class("stale")


def test_a_check_can_be_stopped(open_page: Open, checked: Service) -> None:
    page = open_page(checked)
    with checked.runtimes.slow(0.02):
        start(page)
        expect(page.locator("#accuracy-count")).to_contain_text("of 200")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("progressbar")).to_be_hidden()
    expect(page.locator("#accuracy-error")).to_be_hidden()
    expect(page.locator("#accuracy-result")).to_be_empty()


def test_labelled_data_of_one_s_own_with_markup_in_it(open_page: Open, checked: Service) -> None:
    page = open_page(checked)
    page.get_by_text("Use my own labelled sentences").click()
    page.get_by_label("CoNLL columns").fill("<img/src=x/onerror=alert(1)> B-LOC\nNairobi B-LOC\n<b>leo</b> O\n")
    start(page)
    reading = page.locator("#accuracy-result .sentences .reading").first
    expect(reading).to_be_visible()
    assert text_of(reading) == "<img/src=x/onerror=alert(1)> Nairobi <b>leo</b>"
    expect(page.locator("#accuracy-result").locator("img, .reading b")).to_have_count(0)


def test_a_variant_is_not_compared_with_itself_by_default(open_page: Open, checked: Service) -> None:
    page = open_page(checked)
    expect(page.locator("#summary")).to_contain_text("answered")
    assert page.get_by_label("Variant", exact=True).input_value() not in ("", "dense")


def test_what_is_wrong_with_data_is_said(open_page: Open, checked: Service, problems: list[str]) -> None:
    page = open_page(checked)
    page.get_by_text("Use my own labelled sentences").click()
    for conll, says in (
        ("Nairobi\n", "conll, line 1: 'Nairobi' has one column"),
        ("Nairobi B-CITY\n", "does not know the label 'B-CITY'"),
        ("leo O\n", "have no entities"),
    ):
        page.get_by_label("CoNLL columns").fill(conll)
        start(page)
        expect(page.locator("#accuracy-error")).to_contain_text(says)
        expect(page.get_by_role("progressbar")).to_be_hidden()
        assert "422" in problems.pop()


def test_a_second_check_is_told_of_the_first(open_page: Open, checked: Service, problems: list[str]) -> None:
    with served(checked.front) as port:
        first, second = open_page(port), open_page(port)
        expect(second.locator("#summary")).to_contain_text("answered")
        with checked.runtimes.slow(0.02):
            start(first, "int8")
            expect(first.locator("#accuracy-count")).to_contain_text("of 200")
            start(second)
            expect(second.locator("#accuracy-error")).to_contain_text("A check of int8 is at sentence")
            first.get_by_role("button", name="Stop").click()
    assert "429" in problems.pop()


def test_a_server_that_is_lost_in_the_middle_is_said(open_page: Open, checked: Service, problems: list[str]) -> None:
    with served(checked.front) as port:
        relay = Relay(port)
        page = open_page(relay.port)
        with checked.runtimes.slow(0.02):
            start(page)
            expect(page.locator("#accuracy-count")).to_contain_text("of 200")
            relay.cut()
            expect(page.locator("#accuracy-error")).to_contain_text("The connection was")
        expect(page.get_by_role("progressbar")).to_be_hidden()
        page.get_by_role("button", name="Compare").click()
        expect(page.locator("#compare-error")).to_have_text(
            "The server does not answer. Check that it is running, then try again."
        )
    assert any("net::ERR" in problem for problem in problems)
    problems.clear()
