"""The page that ``kidogo annotate --format html`` writes."""

from pathlib import Path

from playwright.sync_api import Browser

from service.annotation.documents import Answer, Limits, annotate
from service.annotation.formats import FORMATS
from tests.service.annotation.tricky import TRICKY
from tests.service.conftest import Service


def test_a_browser_shows_the_texts_and_their_entities(
    browser: Browser, service: Service, problems: list[str], tmp_path: Path
) -> None:
    pipeline = service.engine.pool.get("dense")
    answers = [
        Answer({"id": f"<b>{number}</b>", "text": text}, text, annotate(pipeline, text, Limits()))
        for number, text in enumerate(TRICKY)
    ]
    form = FORMATS["html"]
    path = tmp_path / "a.html"
    path.write_bytes(form.header + b"".join(form.render(answer, "dense") for answer in answers) + form.footer)
    page = browser.new_page(viewport={"width": 360, "height": 640})
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    assert page.locator("section").count() == len(TRICKY)
    assert page.locator("h2").first.text_content() == "id <b>0</b>"
    for number, answer in enumerate(answers):
        marks = page.locator("section").nth(number).locator("mark")
        # The parser of HTML reads \r\n as \n, and leaves out zeros.
        expected = [
            f"{entity.text}{entity.label}".replace("\r\n", "\n").replace("\0", "") for entity in answer.result.entities
        ]
        assert [text.replace("\ufffd", "") for text in marks.all_text_contents()] == expected
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is off a phone's screen"
    page.close()
