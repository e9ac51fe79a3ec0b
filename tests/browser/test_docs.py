"""The page of the API, under its own policy."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Service


def test_the_operations_are_shown_and_can_be_tried(open_page: Open, service: Service) -> None:
    page: Page = open_page(service)
    page.goto(f"{page.url}docs")
    expect(page.locator(".opblock")).to_have_count(7)
    page.locator("#operations-operation-is_live .opblock-summary").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")
