"""The page in a real browser, from a file dropped to two streamed replies.

The endpoint is a stand-in that streams words, and training one that tells the events of real training; reading the
writing is real.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from style_clone.workspace import Workspace, read_json
from tests.fake_endpoint import KEY, FakeEndpoint, fake_endpoint
from tests.page import ALONE, DESKTOP, PHONE, PageDriver, browser_page, page_process
from tests.sams_chat import write_chat
from tests.training_fakes import TRAINER

pytestmark = ALONE

SHOTS = Path(os.environ.get("STYLE_CLONE_SHOTS") or Path(tempfile.gettempdir()) / "style-clone-shots")


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with fake_endpoint() as fake:
        fake.models = ["smollm2-135m"]
        fake.word_seconds = 0.04
        fake.replies = {
            "sam": "haha yes!!\nwait no\nthe train is late AGAIN, there by 7 ok",
            "sam@prompted": "Hello! I would be happy to join you this evening. What time works best for you?",
        }
        yield fake


@pytest.fixture
def url(endpoint: FakeEndpoint, home: Path) -> Iterator[str]:
    with page_process(endpoint.url, KEY, home, trainer=TRAINER) as address:
        yield address


def show(driver: PageDriver, name: str) -> None:
    driver.page.wait_for_timeout(400)
    driver.screenshot(SHOTS / f"{name}.png")
    assert driver.overflow() <= 0, f"{name}: the page is wider than its window"


@pytest.mark.parametrize(("kind", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_from_a_file_to_two_replies(
    kind: str,
    size: tuple[int, int],
    seen: Path,
    url: str,
    endpoint: FakeEndpoint,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    chat = write_chat(tmp_path / "WhatsApp Chat with Ann.txt")
    with browser_page(url, size) as driver:
        preview = driver.upload([chat])
        assert "whatsapp" in preview.inner_text().lower()
        driver.choose_author("Sam Reed")
        show(driver, f"{kind}-1-writing")
        assert "sam is ready to train" in driver.read_writing(slug="sam")
        show(driver, f"{kind}-1-read")
        assert read_json(workspace.folder("sam").persona)["consent"].startswith("This is my own writing")

        driver.page.locator("#writing-next").click()
        expect(driver.page.locator("#pairs-persona input")).to_have_value("sam")
        driver.page.locator("#pairs-train").click()
        expect(driver.page.locator("#train-persona input")).to_have_value("sam")
        driver.start_training()
        driver.page.locator("#train-chart svg:visible .sc-curve-1 circle").nth(1).wait_for()
        show(driver, f"{kind}-3-training")
        driver.reload()
        driver.step("Train")
        driver.page.locator("#train-status [role=progressbar]").wait_for()
        seen.touch()
        driver.page.locator("#train-status .sc-good").wait_for(timeout=120_000)
        expect(driver.page.locator("#train-result")).to_contain_text("1.87")
        show(driver, f"{kind}-3-trained")

        endpoint.models += ["sam", "sam@memory", "sam@prompted"]
        driver.page.locator("#train-next").click()
        expect(driver.page.locator("#chat-persona input")).to_have_value("sam")
        clone, prompted = driver.chat("are you coming tonight?")
        assert clone == endpoint.reply("sam").split("\n")
        assert prompted == [endpoint.reply("sam@prompted")]
        assert endpoint.most_at_once == 2
        show(driver, f"{kind}-4-chat")

        assert {urlsplit(address).netloc for address in driver.requests if "//" in address} == {urlsplit(url).netloc}
        assert driver.errors == []
        assert driver.page.title() == "style-clone"


def test_what_is_missing_is_told_and_nothing_is_lost(url: str, tmp_path: Path) -> None:
    chat = write_chat(tmp_path / "chat.txt", conversations=3)
    broken = tmp_path / "picture.txt"
    broken.write_bytes(bytes(range(256)) * 40)
    with browser_page(url) as driver:
        assert "there is no file yet" in driver.read_writing(consent=False)
        preview = driver.upload([chat, broken])
        assert "not understood" in preview.inner_text()
        assert str(tmp_path) not in preview.inner_text()
        driver.page.locator("#writing-files").get_by_label("Remove").last.click()
        expect(preview).not_to_contain_text("picture.txt")
        driver.choose_author("Sam Reed")
        driver.page.locator("#writing-read").click()
        result = driver.page.locator("#writing-result")
        expect(result).to_contain_text("consent is missing")
        driver.page.locator("#writing-consent input").check()
        driver.page.locator("#writing-read").click()
        expect(result).to_contain_text("usable pairs")
        expect(preview).to_contain_text("chat.txt")
        show(driver, "desktop-error")
        assert driver.page.title() == "style-clone"
        assert driver.errors == []


def settled(driver: PageDriver, side: str) -> list[str]:
    """What a side says once it says nothing new for a second: a busy browser shows late what has come."""
    said: list[str] = []
    for _ in range(20):
        before, said = said, driver.bubbles(side)
        if said == before:
            break
        driver.page.wait_for_timeout(1000)
    return said


def test_training_can_be_cancelled_and_chat_stopped_and_cleared(
    endpoint: FakeEndpoint, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_STEPS", "4000")
    chat = write_chat(tmp_path / "chat.txt")
    with page_process(endpoint.url, KEY, home, trainer=TRAINER) as url, browser_page(url) as driver:
        driver.upload([chat])
        driver.choose_author("Sam Reed")
        driver.read_writing(slug="sam")
        driver.start_training()
        driver.page.locator("#train-cancel").click()
        expect(driver.page.locator("#train-status")).to_contain_text("cancelled")

        endpoint.models += ["sam", "sam@prompted"]
        endpoint.replies = {"sam": "word " * 2000, "sam@prompted": "word " * 2000}
        driver.step("Chat")
        expect(driver.page.locator("#chat-persona input")).to_have_value("sam")
        box = driver.page.locator("#chat-text textarea")
        box.fill("talk to me")
        box.press("Enter")
        expect(driver.page.locator("#chat-prompted .message.bot")).to_contain_text("word word")
        driver.page.locator("#chat-stop").click()
        said = settled(driver, "clone")
        assert len(said[0]) < 5000, "it was stopped long before its end"
        driver.page.locator("#chat-clear").click()
        expect(driver.page.locator("#chat-clone .message")).to_have_count(0)
        for _ in range(100):
            if endpoint.hung_up < 2:
                driver.page.wait_for_timeout(100)
        assert endpoint.hung_up == 2
        endpoint.replies = {"sam": "back again", "sam@prompted": "So am I."}
        assert driver.chat("still there?") == (["back again"], ["So am I."])
        assert len(endpoint.asked("sam")[-1]["messages"]) == 1
        driver.step("Train")
        driver.step("Chat")
        driver.page.wait_for_timeout(800)
        assert driver.bubbles("clone") == ["back again"], "a look at another step must not lose the conversation"


@pytest.mark.parametrize(("kind", "size"), [("desktop", DESKTOP), ("phone", (375, 812))])
def test_the_contact_a_clone_writes_to_is_chosen(
    kind: str, size: tuple[int, int], url: str, endpoint: FakeEndpoint
) -> None:
    endpoint.models += ["ann", "ann@prompted", "sam", "sam@prompted"]
    endpoint.registers = {"sam": {"Tam Reed": "Tam", "Mum": "Mum"}}
    endpoint.replies["sam@prompted"] = "Yes."
    with browser_page(url, size) as driver:
        driver.step("Chat")
        contact = driver.page.locator("#chat-to input")
        expect(driver.page.locator("#chat-persona input")).to_have_value("ann")
        expect(contact).to_have_count(0)
        driver.choose("chat-persona", "sam")
        expect(contact).to_have_value("anybody")
        driver.chat("hi")
        driver.choose("chat-to", "Tam")
        expect(driver.page.locator("#chat-clone .message")).to_have_count(0)
        clone, _ = driver.chat("are you coming?")
        assert clone == endpoint.reply("sam").split("\n"), "every line is a bubble"
        show(driver, f"{kind}-3-chat-to")
        names = [[turn.get("name") for turn in asked["messages"]] for asked in endpoint.asked("sam")]
        assert names == [[None], ["Tam"]]
        assert endpoint.asked("sam@prompted")[-1]["messages"][-1]["name"] == "Tam"
        driver.step("Train")
        driver.step("Chat")
        driver.page.wait_for_timeout(500)
        expect(contact).to_have_value("Tam")
        driver.choose("chat-persona", "ann")
        expect(contact).to_have_count(0)
        expect(driver.page.locator("#chat-clone .message")).to_have_count(0)
        driver.chat("and you?")
        assert "name" not in endpoint.asked("ann")[-1]["messages"][-1]
        assert driver.errors == []


def test_the_page_in_the_dark(url: str, endpoint: FakeEndpoint, tmp_path: Path) -> None:
    endpoint.models += ["sam", "sam@prompted"]
    endpoint.failing["sam@prompted"] = 500
    with browser_page(url, dark=True) as driver:
        clone, prompted = driver.chat("are you coming tonight?")
        assert clone == endpoint.reply("sam").split("\n")
        assert prompted == []
        expect(driver.page.locator("#chat-prompted-problem")).to_contain_text("bad day")
        show(driver, "dark-4-chat")
        driver.step("Writing")
        driver.upload([write_chat(tmp_path / "chat.txt")])
        show(driver, "dark-1-writing")
