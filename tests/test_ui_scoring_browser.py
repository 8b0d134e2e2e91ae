"""The scorecard tab in a real browser: a measurement followed and cancelled, the scorecard in full height, its links."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from style_clone.workspace import PersonaFolder, write_json
from tests import scorecards
from tests.fake_endpoint import KEY, fake_endpoint
from tests.page import ALONE, LOOKS, browser_page, page_process
from tests.test_ui_pairs_browser import show

pytestmark = ALONE

MEASURER = f"""
import json, os, sys, time
from pathlib import Path
from style_clone.cli.terminal import progress
from style_clone.progress import Event
with progress(quiet=True) as report:
    for number, name in enumerate(("plain", "system", "few_shot", "clone")):
        report(Event("evaluate", name, number, 4))
        time.sleep(0.2 if "--quick" in sys.argv else 15)
folder = Path(os.environ["STYLE_CLONE_HOME"], "personas", "sam")
folder.joinpath("scorecard.json").write_text(json.dumps({scorecards.full()!r}))
"""


@LOOKS
def test_measured_cancelled_and_read(
    kind: str, size: tuple[int, int], dark: bool, sam: PersonaFolder, home: Path
) -> None:
    write_json(sam.adapter / "run.json", {"adapter_sha256": "3f" * 32, "pairs_sha256": ""})
    with (
        fake_endpoint() as endpoint,
        page_process(endpoint.url, KEY, home, trainer=MEASURER) as url,
        browser_page(url, size, dark=dark) as driver,
    ):
        page = driver.page
        driver.step("Scorecard")
        expect(page.locator("#scorecard-page")).to_contain_text("not been measured yet")
        page.locator("#scorecard-measure").click()
        expect(page.locator("#scorecard-status")).to_contain_text("plain")
        show(driver, f"{kind}-scorecard-1-running")
        page.locator("#scorecard-cancel").click()
        expect(page.locator("#scorecard-status")).to_contain_text("cancelled")
        page.locator("#scorecard-quick").click()
        frame = page.frame_locator("#scorecard-page iframe")
        expect(frame.locator("h1")).to_contain_text("Fine-tuning is worth it")
        show(driver, f"{kind}-scorecard-2-done")
        inside = page.locator("#scorecard-page iframe").evaluate(
            "frame => frame.offsetHeight - frame.contentDocument.documentElement.offsetHeight"
        )
        assert 0 <= inside <= 4, "the whole scorecard is to be seen"
        wide = page.locator("#scorecard-page iframe").evaluate(
            "frame => frame.contentDocument.documentElement.scrollWidth - frame.clientWidth"
        )
        assert wide <= 0
        colour = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        assert colour == ("rgb(12, 10, 9)" if dark else "rgb(250, 250, 249)")
        frame.locator("#habits .how").focus()
        page.keyboard.press("Enter")
        expect(frame.locator("#def-habits")).to_be_in_viewport()
        assert page.title() == "style-clone"
        with page.expect_download() as got:
            page.get_by_text("Download scorecard.html").click()
        assert got.value.suggested_filename == "sam-scorecard.html"
        assert Path(got.value.path()).read_text(encoding="utf-8").startswith("<!doctype html>")
        # Nothing may run in the frame, which the browser says aloud when the driver's own listeners try to.
        assert [error for error in driver.errors if "Blocked script execution in 'about:srcdoc'" not in error] == []
