"""Drives the page in Debian's Chromium, as a person would; and runs a page beside a test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect, sync_playwright

DESKTOP = (1280, 900)
PHONE = (390, 844)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ALONE = pytest.mark.slow
"""Beside tests that keep every core busy, two of these failed: one pressed what was about to be drawn anew, the other for a
reason that was not found."""
LOOKS = pytest.mark.parametrize(
    ("kind", "size", "dark"),
    [
        ("desktop", DESKTOP, False),
        pytest.param("phone", PHONE, False, marks=pytest.mark.long),
        pytest.param("dark", DESKTOP, True, marks=pytest.mark.long),
    ],
)
"""What a tab is looked at as. The last two walk the same way again."""
SHOWN_MS = 60_000
"""How long what a person would see at once may take on a slow machine."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WITH_TRAINER = """
import sys
from functools import partial
from style_clone import jobs
from style_clone.cli import main
jobs.start = partial(jobs.start, program=[sys.executable, "-c", sys.argv.pop(1)])
main()
"""


@contextmanager
def page_process(url: str, key: str, home: Path, *, trainer: str = "", options: Sequence[str] = ()) -> Iterator[str]:
    """`style-clone ui`, talking to the endpoint at `url`; yields the page's address, and sees that it ends in order.

    `trainer` is Python code that runs where `style-clone train` would.
    """
    program = ["-c", WITH_TRAINER, trainer] if trainer else ["-m", "style_clone"]
    environment = {
        **os.environ,
        "STYLE_CLONE_HOME": str(home),
        "STYLE_CLONE_URL": url,
        "STYLE_CLONE_API_KEY": key,
    }
    command = [sys.executable, *program, "ui", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
    assert list(home.glob(".uploads-*")) == [], "the page left uploads behind"


@contextmanager
def browser_page(url: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Iterator[PageDriver]:
    """The page in a fresh browser; the test is skipped where there is none."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser here (looked for {', '.join(BROWSERS)}); on Debian: apt install chromium")
    expect.set_options(timeout=SHOWN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        view = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=view, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
        context.set_default_timeout(SHOWN_MS)
        driver = PageDriver(context.new_page())
        try:
            driver.open(url)
            yield driver
        finally:
            browser.close()


@dataclass
class PageDriver:
    """What a person does on the page. `requests` are the addresses the browser asked for, `errors` what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Load the page and wait until it answers."""
        self.page.on("request", self._note_request)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        self.page.goto(url)
        self._wait_until_ready()

    def reload(self) -> None:
        """Load it again, as with F5. That the page which goes hears nothing more is no complaint: nobody sees it."""
        known = len(self.errors)
        self.page.reload(wait_until="commit")
        del self.errors[known:]
        self._wait_until_ready()

    def step(self, name: str) -> None:
        """Go to a tab: "Writing", "Pairs", "Train", "Scorecard" or "Chat"."""
        tab = self.page.get_by_role("tab", name=name).first
        behind = self.page.locator(".overflow-dropdown button", has_text=name).first
        tab.or_(behind).first.wait_for(state="attached")
        if tab.count() == 0:
            # In a narrow window the last tabs are behind a button.
            self.page.locator(".overflow-menu > button").click()
            tab = behind
        tab.click()

    def upload(self, files: Sequence[Path]) -> Locator:
        """Drop files; returns the preview once it names the last of them."""
        self.page.locator("#writing-files input[type=file]").set_input_files([str(file) for file in files])
        preview = self.page.locator("#writing-preview")
        expect(preview).to_contain_text(files[-1].name)
        return preview

    def choose_author(self, name: str) -> None:
        """Say which of the people found is you; once more for another name."""
        box = self.page.locator("#writing-me input").first
        box.fill(name)
        self.page.get_by_role("option", name=name).first.click()
        box.press("Escape")

    def read_writing(self, *, slug: str = "me", consent: bool = True, timeout_seconds: float = 120) -> str:
        """Tick the box, read, and return the card (or the error)."""
        self.page.locator("#writing-slug input, #writing-slug textarea").first.fill(slug)
        self.page.locator("#writing-consent input").set_checked(consent)
        self.page.locator("#writing-read").click()
        shown = self.page.locator("#writing-result .sc-card, #writing-result .sc-notice").first
        shown.wait_for(timeout=timeout_seconds * 1000)
        return shown.inner_text()

    def train(self, *, base: str | None = None, timeout_seconds: float = 900) -> str:
        """Train and wait to the end; returns the last status line."""
        self.start_training(base=base)
        status = self.page.locator("#train-status .sc-notice").first
        status.wait_for(timeout=timeout_seconds * 1000)
        return status.inner_text()

    def start_training(self, *, base: str | None = None) -> None:
        """Press the button and wait for the bar."""
        self.step("Train")
        if base is not None:
            self.page.locator("#train-base input, #train-base textarea").first.fill(base)
        expect(self.page.locator("#train-persona input")).not_to_have_value("")
        self.page.locator("#train-start").click()
        self.page.locator("#train-status [role=progressbar]").wait_for(timeout=180_000)

    def choose(self, dropdown: str, name: str) -> None:
        """Choose from the dropdown with that id."""
        self.page.locator(f"#{dropdown} input").click()
        self.page.get_by_role("option", name=name, exact=True).click()

    def chat(self, text: str, *, timeout_seconds: float = 180) -> tuple[list[str], list[str]]:
        """Ask and wait for both replies; returns the bubbles of clone and prompted baseline."""
        self.step("Chat")
        before = [len(self.bubbles(side)) for side in ("clone", "prompted")]
        expect(self.page.locator("#chat-persona input")).not_to_have_value("")
        box = self.page.locator("#chat-text textarea, #chat-text input").first
        box.fill(text)
        box.press("Enter")
        self._wait_for_replies(before, timeout_seconds)
        clone, prompted = (self.bubbles(side) for side in ("clone", "prompted"))
        return clone[before[0] :], prompted[before[1] :]

    def bubbles(self, side: str) -> list[str]:
        """What "clone" or "prompted" has said so far, bubble by bubble."""
        return [text.strip() for text in self.page.locator(f"#chat-{side} .message.bot").all_inner_texts()]

    def screenshot(self, path: Path) -> None:
        """The whole page, as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path), full_page=True)

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def _wait_until_ready(self) -> None:
        self.page.get_by_role("tab", name="Writing").first.wait_for()

    def _wait_for_replies(self, before: list[int], timeout_seconds: float) -> None:
        script = """([before, still]) => ["clone", "prompted"].every((side, number) => {
            const bubbles = [...document.querySelectorAll(`#chat-${side} .message.bot`)].slice(before[number]);
            const problem = document.querySelector(`#chat-${side}-problem .sc-notice`);
            const text = bubbles.map(bubble => bubble.innerText).join("\\n");
            const same = (window.__said ??= {})[side] === text;
            const when = (window.__when ??= {});
            if (!same) { window.__said[side] = text; when[side] = Date.now(); }
            return problem || (bubbles.length && text.trim() !== "…" && Date.now() - when[side] > still);
        })"""
        self.page.wait_for_function(script, arg=[before, 1500], timeout=timeout_seconds * 1000, polling=100)

    def _note_request(self, request: Request | Any) -> None:
        self.requests.append(request.url)
