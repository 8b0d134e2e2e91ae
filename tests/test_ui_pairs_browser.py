"""The pairs tab in a real browser: found, edited, left out, applied, and all of it remembered. The build is real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from style_clone.conversation import SPLITS, Pair, read_pairs
from style_clone.workspace import PersonaFolder
from tests.fake_endpoint import KEY, fake_endpoint
from tests.page import ALONE, DESKTOP, PageDriver, browser_page, page_process

pytestmark = ALONE

SHOTS = Path(__file__).resolve().parent.parent / ".cache" / "screenshots"
NARROW_PHONE = (375, 812)
NEW_REPLY = "on my way\n<b>honest</b> **promise**"
WITHOUT_NAME = """() => [...document.querySelectorAll('main :is(input, textarea, button, select)')]
    .filter(part => part.checkVisibility())
    .filter(part => !(part.labels?.length || part.ariaLabel || part.innerText || part.getAttribute('aria-labelledby')))
    .map(part => part.outerHTML.slice(0, 120))"""


@pytest.fixture
def url(sam: PersonaFolder, home: Path) -> Iterator[str]:
    with fake_endpoint() as endpoint, page_process(endpoint.url, KEY, home) as address:
        yield address


def pairs_on_file(folder: PersonaFolder) -> dict[str, Pair]:
    return {pair.key: pair for name in SPLITS for pair in read_pairs(folder.split(name))}


def show(driver: PageDriver, name: str) -> None:
    driver.page.wait_for_timeout(400)
    driver.screenshot(SHOTS / f"{name}.png")
    assert driver.overflow() <= 0, f"{name}: the page is wider than its window"
    assert driver.page.evaluate(WITHOUT_NAME) == [], f"{name}: a control without a name"


def open_tab(driver: PageDriver) -> Page:
    driver.step("Pairs")
    expect(driver.page.locator("#pairs-list .sc-open").first).to_be_visible(timeout=30_000)
    return driver.page


def rewrite_one(driver: PageDriver, kind: str, before: dict[str, Pair]) -> str:
    """Find a pair, open it from the keyboard, refuse an empty reply, save another; the pair's key."""
    page, told, rows = driver.page, driver.page.locator("#pairs-told"), driver.page.locator("#pairs-list tbody tr")
    page.get_by_label("Search").fill("GAME")
    expect(told).not_to_contain_text(f"of {len(before)}")
    expect(rows.filter(has_text="did u see the game")).to_have_count(rows.count())
    first = page.locator("#pairs-list .sc-open").first
    key = str(first.get_attribute("data-key"))
    first.focus()
    page.keyboard.press("Enter")
    loss = page.locator("#pairs-pair .sc-loss")
    expect(loss).to_contain_text(before[key].reply.split("\n")[0])
    page.wait_for_function("document.activeElement.innerText?.startsWith('Pair 1 of')")
    show(driver, f"pairs-{kind}-open")
    page.get_by_label("The reply").fill("  ")
    page.locator("#pairs-save").click()
    expect(page.locator("#pairs-answer")).to_contain_text("cannot be empty")
    page.get_by_label("The reply").fill(NEW_REPLY)
    page.locator("#pairs-save").click()
    expect(loss.locator("p").nth(1)).to_have_text("<b>honest</b> **promise**")
    expect(page.locator("#pairs-apply")).to_have_text("Apply 1 change")
    show(driver, f"pairs-{kind}-saved")
    page.locator("#pairs-next").click()
    page.wait_for_function("document.activeElement.innerText?.startsWith('Pair 1 of')")
    page.locator("#pairs-to-list").click()
    page.get_by_label("Search").fill("")
    expect(told).to_contain_text(f"of {len(before)}")
    return key


def leave_one_out(page: Page) -> str:
    """Leave the fifth pair of the list out; its key."""
    button = page.locator("#pairs-list .sc-act").nth(4)
    key = str(button.get_attribute("data-key"))
    button.click()
    expect(page.locator("#pairs-list tbody tr").nth(4)).to_contain_text("Take back")
    expect(page.locator("#pairs-apply")).to_have_text("Apply 2 changes")
    return key


def apply(page: Page) -> None:
    page.locator("#pairs-apply").click()
    expect(page.locator("#pairs-bar")).to_contain_text("Done")
    expect(page.locator("#pairs-apply")).to_be_hidden()


@pytest.mark.parametrize(("kind", "size"), [("desktop", DESKTOP), ("phone", NARROW_PHONE)])
def test_edits_are_made_applied_and_remembered(kind: str, size: tuple[int, int], url: str, sam: PersonaFolder) -> None:
    before = pairs_on_file(sam)
    with browser_page(url, size) as driver:
        page = open_tab(driver)
        show(driver, f"pairs-{kind}-list")
        edited = rewrite_one(driver, kind, before)
        left_out = leave_one_out(page)
        facts = page.locator("#train-facts")
        driver.step("Train")
        expect(facts).to_contain_text("not up to date")
        open_tab(driver)
        apply(page)
        show(driver, f"pairs-{kind}-applied")
        after = pairs_on_file(sam)
        assert after[edited].reply == NEW_REPLY
        assert left_out not in after

        driver.reload()
        open_tab(driver)
        page.get_by_label("Changed by you only").check()
        rows = page.locator("#pairs-list tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.filter(has_text="edited")).to_contain_text("on my way")
        expect(rows.filter(has_text="left out")).to_have_count(1)
        driver.step("Train")
        expect(facts).to_contain_text("Pairs to train on")
        expect(facts).not_to_contain_text("not up to date")
        assert driver.errors == []
        assert page.title() == "style-clone"


def test_a_pair_left_out_comes_back(url: str, sam: PersonaFolder) -> None:
    before = pairs_on_file(sam)
    with browser_page(url, dark=True) as driver:
        page = open_tab(driver)
        page.locator("#pairs-random").click()
        page.locator("#pairs-leave").click()
        expect(page.locator("#pairs-leave")).to_have_text("Take it back in")
        apply(page)
        assert len(pairs_on_file(sam)) == len(before) - 1
        page.get_by_label("Changed by you only").check()
        expect(page.locator("#pairs-list tbody tr")).to_have_count(1)
        page.locator("#pairs-list .sc-open").first.click()
        expect(page.locator("#pairs-pair")).to_contain_text("left out")
        show(driver, "pairs-dark-left-out")
        page.locator("#pairs-leave").click()
        apply(page)
        assert pairs_on_file(sam) == before
        assert not sam.edits.exists()
        assert driver.errors == []


def test_the_tab_without_pairs_says_where_to_begin(home: Path) -> None:
    with fake_endpoint() as endpoint, page_process(endpoint.url, KEY, home) as url, browser_page(url) as driver:
        driver.step("Pairs")
        expect(driver.page.locator("#pairs-overview")).to_contain_text("There are no pairs yet")
        expect(driver.page.locator("#pairs-overview")).to_contain_text("step 1")
        expect(driver.page.locator("#pairs-query")).to_be_hidden()
        show(driver, "pairs-empty")
