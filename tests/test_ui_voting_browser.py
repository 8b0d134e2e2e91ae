"""The vote in a real browser: by keys and by mouse, over a reload, at a desk and on a phone, to the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from style_clone.store import Store
from style_clone.votes import Ballot
from style_clone.workspace import PersonaFolder, Workspace
from tests.fake_endpoint import KEY, fake_endpoint
from tests.kept_replies import choice_of, voted_on, with_writing
from tests.page import ALONE, DESKTOP, PageDriver, browser_page, page_process
from tests.test_ui_pairs_browser import NARROW_PHONE, show

pytestmark = ALONE

WON = 15
# Presses "1" in the moment in which a trial is drawn, for the first COUNT trials.
QUICK_FINGERS = """(count) => {
  const arena = document.querySelector('#vote-arena');
  let last = 0;
  const press = () => {
    const number = Number(arena.querySelector('[data-number]')?.dataset.number ?? 0);
    if (number <= last || number > count) return;
    last = number;
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '1', bubbles: true }));
  };
  new MutationObserver(press).observe(arena, { childList: true, subtree: true });
}"""
VOTERS = {"desktop": ("I know how they write", "acquaintance"), "phone": ("I do not know them", "stranger")}


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    return with_writing(voted_on(workspace), ["on my way, save me a seat", "cant talk now\nlater tonight?"] * 3)


@pytest.fixture
def url(folder: PersonaFolder, home: Path) -> Iterator[str]:
    with fake_endpoint() as endpoint, page_process(endpoint.url, KEY, home) as address:
        yield address


def the_ballot(workspace: Workspace) -> Ballot:
    with Store(workspace.database_url) as store:
        (ballot,) = store.votes.of("nell")
        return ballot


def open_booth(driver: PageDriver) -> None:
    driver.step("Vote")
    expect(driver.page.locator("#vote-persona input")).to_have_value("nell")


def wanted(ballot: Ballot) -> list[str]:
    """Answers that pass every catch trial and prefer the clone in the first WON votes."""
    answers, votes = [], 0
    for trial in ballot.trials:
        votes += not trial.catch
        answers.append(choice_of(trial, "real" if trial.catch else "clone" if votes <= WON else "few_shot"))
    return answers


@pytest.mark.parametrize(("kind", "size"), [("desktop", DESKTOP), ("phone", NARROW_PHONE)])
def test_a_vote_from_the_form_to_the_result(
    kind: str, size: tuple[int, int], url: str, workspace: Workspace, folder: PersonaFolder
) -> None:
    label, voter = VOTERS[kind]
    with browser_page(url, size, dark=kind == "phone") as driver:
        page, arena = driver.page, driver.page.locator("#vote-arena")
        open_booth(driver)
        show(driver, f"vote-{kind}-form")
        driver.choose("vote-votes", "20")
        page.get_by_label(label).check()
        page.locator("#vote-begin").click()
        expect(arena).to_contain_text("1 of 23")
        show(driver, f"vote-{kind}-trial")
        expect(arena.get_by_text("How Nell Quayle writes")).to_have_count(int(voter == "stranger"))
        answers = wanted(the_ballot(workspace))
        for number, choice in enumerate(answers[:4], start=1):
            page.keyboard.press({"left": "1", "right": "2"}[choice])
            expect(arena).to_contain_text(f"{number + 1} of 23")
        assert "preferred" not in arena.inner_text()

        driver.reload()
        open_booth(driver)
        page.get_by_label("Your name").fill("012")
        expect(arena).not_to_contain_text("of 23")
        assert the_ballot(workspace).answered == {0, 1, 2, 3}, "keys typed elsewhere are no votes"
        page.get_by_label("Your name").fill("")
        page.get_by_label(label).check()
        page.locator("#vote-begin").click()
        expect(arena).to_contain_text("5 of 23")
        for number, choice in enumerate(answers[4:], start=5):
            expect(arena).to_contain_text(f"{number} of 23")
            arena.locator(f"button[data-choice={choice}]").click()
        expect(arena).to_contain_text(f"preferred in {WON} of 20: 75%")
        expect(arena).to_contain_text("3 of 3 passed")
        show(driver, f"vote-{kind}-result")
        assert the_ballot(workspace).voter == voter
        assert driver.errors == []
        assert page.title() == "style-clone"


def test_no_press_is_lost_however_soon_it_comes(url: str, workspace: Workspace) -> None:
    with browser_page(url) as driver:
        open_booth(driver)
        driver.choose("vote-votes", "20")
        driver.page.evaluate(QUICK_FINGERS, 23)
        driver.page.locator("#vote-begin").click()
        expect(driver.page.locator("#vote-arena")).to_contain_text("of 20:")
        assert the_ballot(workspace).answered == set(range(23))
        assert driver.errors == []
