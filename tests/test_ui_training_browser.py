"""The train tab in a real browser: planned, trained, cancelled, gone on with, and looked at on desk, phone and in the dark.

Planning and training are stand-ins that tell what the real commands tell; the page, its jobs and its files are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from style_clone.workspace import PersonaFolder
from tests.fake_endpoint import KEY, fake_endpoint
from tests.page import ALONE, LOOKS, PHONE, PageDriver, browser_page, page_process
from tests.test_ui_pairs_browser import show
from tests.training_fakes import TRAINER

pytestmark = ALONE


@pytest.fixture
def url(sam: PersonaFolder, home: Path) -> Iterator[str]:
    with fake_endpoint() as endpoint, page_process(endpoint.url, KEY, home, trainer=TRAINER) as address:
        yield address


def plan(driver: PageDriver, seen: Path) -> None:
    driver.step("Train")
    driver.page.locator("#train-plan-start").click()
    seen.touch()
    expect(driver.page.locator("#train-plan .sc-gauge [aria-current]")).to_contain_text("comparable")


@LOOKS
def test_planned_trained_cancelled_and_gone_on_with(
    kind: str, size: tuple[int, int], dark: bool, seen: Path, url: str
) -> None:
    with browser_page(url, size, dark=dark) as driver:
        page = driver.page
        driver.step("Train")
        expect(page.locator("#train-plan")).to_contain_text("Plan it first")
        show(driver, f"{kind}-train-1-begin")
        plan(driver, seen)
        show(driver, f"{kind}-train-2-planned")
        for fold in page.locator("#train-plan summary").all():
            fold.click()
        show(driver, f"{kind}-train-2-planned-open")
        page.get_by_role("button", name="Use HuggingFaceTB/SmolLM2-360M-Instruct").click()
        expect(page.locator("#train-base :is(input, textarea)")).to_have_value("HuggingFaceTB/SmolLM2-360M-Instruct")
        page.locator("#train-base :is(input, textarea)").fill("smollm2-135m")

        seen.unlink()
        driver.start_training()
        expect(page.locator("#train-voice .sc-said")).to_have_count(3)
        show(driver, f"{kind}-train-3-running")
        page.locator("#train-cancel").click()
        expect(page.locator("#train-status")).to_contain_text("the adapter of step 10 was kept")
        expect(page.locator("#train-result")).to_contain_text("It was cancelled")
        show(driver, f"{kind}-train-4-cancelled")

        driver.reload()
        driver.step("Train")
        page.locator("#train-go-on").click()
        page.locator("#train-status [role=progressbar]").wait_for()
        expect(page.locator("#train-go-on")).to_have_count(0)
        expect(page.locator("#train-status")).to_contain_text("held-out loss is rising")
        seen.touch()
        page.locator("#train-status .sc-good").wait_for()
        expect(page.locator("#train-result")).to_contain_text("taken up again once")
        expect(page.locator("#train-result")).to_contain_text("1.87")
        show(driver, f"{kind}-train-5-done")
        assert page.title() == "style-clone"
        assert driver.errors == []


def test_a_reload_finds_the_plan_in_the_making_and_bad_settings_are_told(
    home: Path, sam: PersonaFolder, seen: Path
) -> None:
    with (
        fake_endpoint() as endpoint,
        page_process(endpoint.url, KEY, home, trainer=TRAINER) as url,
        browser_page(url, PHONE) as driver,
    ):
        page = driver.page
        driver.step("Train")
        expect(page.locator("#train-plan")).to_contain_text("Plan it first")
        page.locator("#train-plan-start").click()
        page.locator("#train-plan [role=progressbar]").wait_for()
        driver.reload()
        driver.step("Train")
        page.locator("#train-plan [role=progressbar]").wait_for()
        expect(page.locator("#train-start")).to_be_disabled()
        seen.touch()
        expect(page.locator("#train-plan .sc-gauge")).to_be_visible()

        page.locator("#train-advanced button").first.click()
        page.locator("#train-changes :is(input, textarea)").fill("epochs=3 nonsense")
        page.keyboard.press("Tab")
        page.locator("#train-start").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#train-status .sc-bad")).to_contain_text("expected KEY=VALUE")
        show(driver, "phone-train-6-misused")
        assert driver.errors == []
