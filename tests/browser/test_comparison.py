"""What a person sees who compares the variants in a text."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from service.artifacts.pool import VariantPool
from service.ner.pipeline import Runtime
from service.variants import VARIANTS
from tests.browser.conftest import Open
from tests.browser.reading import card, compare, marks, text_of
from tests.fakes import LABEL_OF_VARIANT, LABELS, FakeRuntimes, Gate, write_artifacts
from tests.service.conftest import Service, Services
from tests.service.http.servers import served

ALL = len(VARIANTS)
LAST = list(VARIANTS)[-1]


def test_the_page_opens_with_a_comparison(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_have_text(f"{ALL} variants answered; {ALL - 1} differ from dense.")
    expect(page.locator("#status")).to_have_text(f"{ALL} of {ALL} variants ready")
    for name in VARIANTS:
        expect(card(page, name).locator(".time")).to_contain_text("ms")
        expect(card(page, name)).to_contain_text("F1 0.700")
    assert page.locator("#sample option:not([hidden])").count() == 10
    assert page.locator("#table tbody tr").count() == ALL
    assert page.locator("#sizes rect").count() == ALL


TEXTS = {
    "NFD": unicodedata.normalize("NFD", "lọ sí Ìbàdàn, ní Nàìjíríà leo"),
    "NFC": unicodedata.normalize("NFC", "lọ sí Ìbàdàn, ní Nàìjíríà leo"),
    "emoji": "leo 👩🏾‍⚕️🇰🇪 Nairobi 🎉🎉 na Kano 😀",
    "beyond BMP": "𝒜𝒷 Nairobi 𐍈𐍈 leo Kigali",
    "right to left": "ذهب محمد إلى Nairobi ثم عاد",
    "Ethiopic": "ሰኞ ቀን። አዲስ አበባ Nairobi",
    "spaces": "leo\n\n\tNairobi\u00a0\u2003leo \u200fKano\u200e\n",
    "only a name": "Nairobi",
    "no name": "leo tu",
}


def test_marks_stand_where_the_names_are(open_page: Open, service: Service) -> None:
    with served(service.front) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        page = open_page(port)
        expect(page.locator("#summary")).to_contain_text("answered")
        for of, text in TEXTS.items():
            compare(page, text)
            for name in VARIANTS:
                answer = client.post("/ner", params={"variant": name}, json={"text": text})
                reading = card(page, name).locator(".reading")
                assert text_of(reading) == text, of
                expected = [(entity["label"], entity["text"]) for entity in answer.json()["results"][0]["entities"]]
                assert marks(reading) == expected, of


def test_what_differs_is_marked_and_said(open_page: Open, service: Service) -> None:
    page = open_page(service)
    compare(page, "leo William Ruto yuko Nairobi")
    pruned = card(page, "pruned")
    expect(pruned.locator("mark.relabelled")).to_have_count(2)
    expect(pruned.locator("mark .tag").first).to_have_text("PER → LOC")
    expect(pruned.locator(".differences li").first).to_have_text("Other kind: William Ruto (LOC), dense says PER")
    expect(card(page, "dense").locator("mark.relabelled, .differences")).to_have_count(0)


@contextmanager
def runtime_of(service: Service, variant: str, runtime: Runtime) -> Iterator[None]:
    """Another runtime answers for a variant."""
    pipeline = service.engine.pool.get(variant)
    own, pipeline.runtime = pipeline.runtime, runtime
    try:
        yield
    finally:
        pipeline.runtime = own


class Blind:
    """Finds nothing."""

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.eye(1, len(LABELS), dtype=np.float32).repeat(len(input_ids), axis=0)


def test_missing_and_extra_names_are_marked_and_said(open_page: Open, service: Service) -> None:
    page = open_page(service)
    with runtime_of(service, "pruned", Blind()):
        compare(page, "leo Nairobi")
        expect(card(page, "pruned").locator("mark")).to_have_count(0)
        expect(card(page, "pruned").locator(".ghost")).to_have_text("Nairobimissing PER")
        expect(card(page, "pruned").locator(".differences")).to_have_text("Missing: Nairobi (PER)")
    with runtime_of(service, "dense", Blind()):
        compare(page, "leo Kano")
        expect(card(page, "pruned").locator("mark.extra")).to_have_text("Kano+ LOC")
        expect(card(page, "pruned").locator(".differences")).to_have_text("Extra: Kano (LOC)")
    with runtime_of(service, "pruned", service.engine.pool.get("dense").runtime):
        compare(page, "leo Kigali")
        expect(card(page, "pruned").locator(".differences")).to_have_text("Finds what dense finds.")


@dataclass
class Late:
    """Answers as another runtime does, once its gate is open."""

    runtime: Runtime
    gate: Gate

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        self.gate.wait()
        return self.runtime.logits(input_ids)


def test_every_answer_is_shown_as_it_comes(
    open_page: Open, services: Services, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slot in service.engine.pool:
        monkeypatch.setattr(slot, "warm_up_seconds", 9.0 if slot.variant.name == "dense" else 0.001)
    wide = services.make(service.engine.pool, service.runtimes)
    page = open_page(wide)
    expect(page.locator("#summary")).to_contain_text("answered")
    gate = Gate()
    with runtime_of(wide, "dense", Late(wide.engine.pool.get("dense").runtime, gate)):
        page.get_by_label("Text to read").fill("leo Kano")
        page.get_by_role("button", name="Compare").click()
        for name in set(VARIANTS) - {"dense"}:
            expect(card(page, name).locator("mark")).to_have_text(f"Kano{LABEL_OF_VARIANT[name]}")
        expect(card(page, "dense")).to_have_attribute("aria-busy", "true")
        expect(card(page, "dense").locator("mark")).to_have_count(0)
        gate.open()
        expect(card(page, "dense").locator("mark")).to_have_text("KanoPER")
        expect(card(page, "pruned").locator("mark")).to_have_text("KanoPER → LOC")


def test_a_variant_that_is_not_ready_says_why(
    open_page: Open, services: Services, tokenizer: Path, tmp_path: Path
) -> None:
    write_artifacts(tmp_path, tokenizer, [name for name in VARIANTS if name not in ("int8", "dynamic")])
    gate = Gate()
    runtimes = FakeRuntimes(load_gates={"distilled": gate})
    pool = VariantPool(tmp_path, 1, runtimes)
    pool.start()
    page = open_page(services.make(pool, runtimes))
    expect(card(page, "dense").locator(".time")).to_contain_text("ms")
    expect(card(page, "distilled")).to_contain_text("Not ready. It is still loading.")
    gate.open()
    expect(card(page, "distilled").locator(".time")).to_contain_text("ms")
    expect(card(page, "int8")).to_contain_text("Not ready. int8/manifest.json is missing: build this variant")
    expect(page.locator("#status")).to_have_text(f"{ALL - 2} of {ALL} variants ready")
    expect(page.locator("#table tbody tr").nth(3)).to_contain_text("int8/manifest.json is missing")


@contextmanager
def loading(services: Services, tokenizer: Path, folder: Path, variant: str = LAST) -> Iterator[tuple[Service, Gate]]:
    """A service that loads a variant, and those after it, once the gate is open."""
    gate = Gate()
    runtimes = FakeRuntimes(load_gates={variant: gate})
    pool = VariantPool(write_artifacts(folder, tokenizer), 1, runtimes)
    pool.start()
    try:
        yield services.make(pool, runtimes), gate
    finally:
        gate.open()


def open_before_the_last(open_page: Open, service: Service) -> Page:
    """A page on which all variants but the last have read a text, while the last is loading."""
    page = open_page(service)
    expect(page.locator("#status")).to_contain_text(f"{ALL - 1} of {ALL} variants ready")
    compare(page, "leo Kano")
    return page


def test_a_text_that_is_being_typed_is_not_sent(
    open_page: Open, services: Services, tokenizer: Path, tmp_path: Path
) -> None:
    with loading(services, tokenizer, tmp_path) as (service, gate):
        page = open_before_the_last(open_page, service)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        page.get_by_label("Text to read").fill("leo Kig")
        gate.open()
        expect(page.locator("#status")).to_have_text(f"{ALL} of {ALL} variants ready")
        # A request would be sent at once; half a second is enough to see one.
        page.wait_for_timeout(500)
        assert sent == []
        expect(page.locator("#earlier-texts")).not_to_contain_text("Kig")
        expect(page.locator("#summary")).to_have_text("The text has changed since it was read. Compare again.")
        page.get_by_label("Text to read").fill("leo Kano")
        expect(card(page, LAST).locator("mark")).to_have_text(f"KanoPER → {LABEL_OF_VARIANT[LAST]}")


def test_a_text_that_is_typed_while_nothing_is_ready_is_not_sent(
    open_page: Open, services: Services, tokenizer: Path, tmp_path: Path
) -> None:
    with loading(services, tokenizer, tmp_path, "dense") as (service, gate):
        first, second = open_page(service), open_page(service)
        for page in (first, second):
            expect(page.locator("#status")).to_contain_text(f"0 of {ALL} variants ready")
        second.get_by_label("Text to read").fill("leo Kig")
        gate.open()
        # The text that the page opens with is compared automatically.
        expect(first.locator("#summary")).to_contain_text(f"{ALL} variants answered;")
        expect(second.locator("#status")).to_have_text(f"{ALL} of {ALL} variants ready")
        second.wait_for_timeout(500)
        expect(second.locator("#earlier")).to_be_hidden()
        expect(second.locator("#cards .time")).to_have_count(0)
        compare(second, "leo Kigali")


def test_a_variant_that_becomes_ready_during_a_comparison_reads_the_text_too(
    open_page: Open, services: Services, tokenizer: Path, tmp_path: Path
) -> None:
    with loading(services, tokenizer, tmp_path) as (service, gate):
        page = open_before_the_last(open_page, service)
        answering = Gate()
        with runtime_of(service, "dense", Late(service.engine.pool.get("dense").runtime, answering)):
            page.get_by_role("button", name="Compare").click()
            assert answering.reached.wait(15)
            gate.open()
            expect(page.locator("#status")).to_have_text(f"{ALL} of {ALL} variants ready")
            expect(card(page, LAST).locator(".time")).to_have_count(0)
            answering.open()
            expect(card(page, LAST).locator("mark")).to_have_text(f"KanoPER → {LABEL_OF_VARIANT[LAST]}")
            expect(page.locator("#summary")).to_contain_text(f"{ALL} variants answered;")


def test_too_much_in_flight_is_said(open_page: Open, services: Services, service: Service, problems: list[str]) -> None:
    busy = services.make(service.engine.pool, service.runtimes, max_in_flight=1)
    page = open_page(busy)
    expect(page.locator("#summary")).to_contain_text("answered")
    with busy.engine.admission.enter() as visit:
        visit.proceed({})
        page.get_by_role("button", name="Compare").click()
        error = page.locator("#compare-error")
        expect(error).to_have_text(
            "1 requests are in flight, which is the limit. Try again in a moment. (You can try again in 1 second.)"
        )
        expect(error).to_have_attribute("role", "alert")
    page.get_by_role("button", name="Compare").click()
    expect(error).to_be_hidden()
    expect(page.locator("#summary")).to_contain_text(f"{ALL} variants answered")
    assert "429" in problems.pop()


def test_markup_in_a_text_is_text(open_page: Open, service: Service) -> None:
    page = open_page(service)
    expect(page.locator("#summary")).to_contain_text("answered")
    text = (
        "<img src=x onerror=alert(1)> <script>alert(2)</script> Nairobi</mark><b>Kano</b> &lt;i&gt; {{Kano}}"
        ' "><svg onload=alert(3)>'
    )
    compare(page, text)
    for name in VARIANTS:
        reading = card(page, name).locator(".reading")
        assert text_of(reading) == text
        expect(reading.locator("img, script, b, svg, i")).to_have_count(0)


def test_markup_in_reasons_and_labels_is_text(open_page: Open, services: Services, artifacts: Path) -> None:
    runtimes = FakeRuntimes()
    pool = VariantPool(artifacts, 1, runtimes)
    pool.load()
    slot = next(slot for slot in pool if slot.variant.name == "int8")
    slot.status, slot.reason = "failed", "<img src=x onerror=alert(1)>"
    page = open_page(services.make(pool, runtimes))
    expect(card(page, "int8")).to_contain_text("Not ready. <img src=x onerror=alert(1)>")
    expect(page.locator("#table")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("main img")).to_have_count(0)
