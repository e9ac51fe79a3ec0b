"""The page itself: light, alone, and usable by keyboard, on a phone and in the dark."""

import re
from itertools import pairwise

import httpx
import pytest
from playwright.sync_api import Response, expect

from service.variants import VARIANTS
from tests.browser.conftest import Open
from tests.browser.reading import card
from tests.service.conftest import Service, Services
from tests.service.http.servers import served

MOST_BYTES = 200_000


def test_it_is_light_and_asks_no_other_host(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    responses: list[Response] = []
    page.on("response", lambda response: responses.append(response))
    page.reload()
    expect(page.locator("#summary")).to_contain_text("answered")
    origin = re.match(r"http://[^/]+/", page.url)
    assert origin is not None
    assert all(response.url.startswith(origin[0]) for response in responses)
    files = [response for response in responses if response.url == page.url or "/playground/" in response.url]
    assert {response.url.removeprefix(origin[0]) for response in files} >= {
        "",
        "playground/playground.js",
        "playground/playground.css",
        "playground/samples.json",
    }
    assert sum(len(response.body()) for response in files) < MOST_BYTES
    for response in files:
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_the_policy_stops_what_is_not_the_page_s_own(open_page: Open, service: Service, problems: list[str]) -> None:
    page = open_page(service)
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'taken over'";
      document.body.append(script);
    }""")
    assert page.title() != "taken over"
    assert "Content Security Policy" in problems.pop()


def test_by_keyboard_alone(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the text"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Compare", "the skip has led past what is before"
    page.locator("#text").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("leo Kano")
    page.keyboard.press("Control+Enter")
    expect(card(page, "dense").locator("mark")).to_have_text("KanoPER")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Compare"
    page.locator("#sample").focus()
    for name in ("Wangari Maathai", "Ahmadu Bello"):
        page.keyboard.press("ArrowDown")
        expect(page.locator("#text")).to_have_value(re.compile(name))


def test_everything_has_a_name_for_screen_readers(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, select, textarea, input, a, progress")]
      .filter((element) => !(element.labels?.length || element.ariaLabel || element.textContent.trim()))
      .map((element) => element.outerHTML)""")
    assert nameless == []
    for role, name in (
        ("textbox", "Text to read"),
        ("combobox", "Sample"),
        ("article", "dynamic"),
        ("table", None),
        ("heading", "Check the accuracy"),
    ):
        expect(page.get_by_role(role, name=name).first).to_be_visible()  # type: ignore[arg-type]
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((heading) => +heading.tagName[1])")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("width", [320, 390, 768, 1400])
def test_it_fits_every_width(open_page: Open, service: Service, width: int) -> None:
    page = open_page(service, viewport={"width": width, "height": 800}, is_mobile=width < 700)
    expect(page.locator("#summary")).to_contain_text("answered")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("dense", "dynamic"):
        box = card(page, name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


_CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = (colours) => {
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    }).reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  };
  const found = {};
  for (const selector of [".lead", ".hint", ".status", "a", "button.primary", ".card .facts", "mark", "mark .tag",
      ".differences", "thead th", "td", ".badge"]) {
    for (const element of document.querySelectorAll(selector)) {
      const layers = [];
      for (let node = element; node; node = node.parentElement) layers.unshift(getComputedStyle(node).backgroundColor);
      const [behind, ink] = [painted(["white", ...layers]), painted([getComputedStyle(element).color])];
      const contrast = (Math.max(behind, ink) + 0.05) / (Math.min(behind, ink) + 0.05);
      found[selector] = Math.min(found[selector] ?? 99, contrast);
    }
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_by_day_and_in_the_dark(open_page: Open, service: Service, scheme: str) -> None:
    page = open_page(service, color_scheme=scheme)
    expect(page.locator("#summary")).to_contain_text("answered")
    contrasts = page.evaluate(_CONTRASTS)
    assert len(contrasts) == 12
    # WCAG 2.1, level AA.
    assert {selector: contrast for selector, contrast in contrasts.items() if contrast < 4.5} == {}
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) > 380) == (scheme == "light")


def test_right_to_left_text_runs_from_right_to_left(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    page.locator("#text").fill("ذهب محمد إلى Nairobi")
    page.get_by_role("button", name="Compare").click()
    expect(card(page, "dense").locator(".reading")).to_contain_text("محمد")
    for selector in ("#text", '.card[data-variant="dense"] .reading'):
        assert page.locator(selector).evaluate("(element) => getComputedStyle(element).direction") == "rtl"


def test_a_service_with_a_token_asks_for_it(
    open_page: Open, services: Services, service: Service, problems: list[str]
) -> None:
    guarded = services.make(service.engine.pool, service.runtimes, token="a token of the tests")
    page = open_page(guarded)
    field = page.get_by_label("This service needs its token")
    expect(field).to_be_visible()
    expect(page.locator("#status")).to_contain_text("This requires the service's token")
    field.fill("another token, which is wrong")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(field).to_be_visible()
    field.fill("a token of the tests")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#summary")).to_contain_text("variants answered")
    expect(field).to_be_hidden()
    assert problems
    assert all("401" in problem for problem in problems)
    problems.clear()


def test_unknown_files_are_not_there(service: Service) -> None:
    with served(service.front) as port:
        for name in ("nothing.js", "..%2fapi.py", "index.html", ""):
            assert httpx.get(f"http://127.0.0.1:{port}/playground/{name}").status_code == 404


@pytest.mark.parametrize("text", ["", " \n\t", "\u00a0\u200b"], ids=["nothing", "white space", "no width"])
def test_without_a_text_it_asks_for_one(open_page: Open, service: Service, text: str) -> None:
    page = open_page(service)
    expect(page.locator("#status")).to_contain_text(f"{len(VARIANTS)} variants ready")
    field, error = page.locator("#text"), page.locator("#compare-error")
    compare = page.get_by_role("button", name="Compare")
    compare.click()
    expect(page.locator("#summary")).to_contain_text(f"{len(VARIANTS)} variants answered")
    field.fill(text)
    compare.click()
    expect(error).to_have_text("There is no text yet. Write or paste one, or choose a sample.")
    expect(field).to_be_focused()
    expect(page.locator("#summary")).to_be_empty()
    expect(page.locator("#cards mark")).to_have_count(0)
    field.fill("Nairobi")
    compare.click()
    expect(page.locator("#summary")).to_contain_text(f"{len(VARIANTS)} variants answered")
    expect(error).to_be_hidden()
