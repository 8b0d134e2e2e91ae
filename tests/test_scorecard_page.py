"""scorecard.html: whole, safe, self-contained, true to its scorecard, and fit for a desk, a phone and paper."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from style_clone.evaluate.page.candidates import BEYOND
from style_clone.evaluate.page.figures import (
    Interval,
    bounds,
    chance,
    decimal,
    interval,
    number,
    percent,
    sentence,
    signed,
    spelled,
)
from style_clone.evaluate.page.methods import DEFINITIONS
from style_clone.evaluate.page.run import render, write_page
from style_clone.evaluate.page.strips import Scale, bar
from style_clone.evaluate.page.style import CSS
from style_clone.units import counted
from style_clone.workspace import Workspace
from tests import scorecards
from tests.page import BROWSERS, FLAGS

KINDS = {
    "full": scorecards.full,
    "quick": scorecards.quick,
    "cannot-measure": scorecards.cannot_measure,
    "overdone": scorecards.overdone,
    "with-rival": scorecards.with_rival,
    "nobody": scorecards.nobody_to_compare_with,
    "letters": scorecards.letters,
    "unbroken": scorecards.unbroken,
}
SECTIONS = ("voice", "habits", "fit", "guardrails", "examples", "votes", "cost", "methods")
QUICK_SECTIONS = ("fit", "cost", "methods")
VOID = {"meta", "link", "br", "img", "input", "hr"}
NASTY = "<script>alert('x')</script>&\"'></svg><img src=http://evil.example onerror=alert(1)>"


class Outline(HTMLParser):
    """What a page is made of; that every tag is closed in its turn is checked on the way."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: dict[str, str] = {}
        self.section = "top"
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "section":
            self.section = dict(attrs).get("id") or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text[self.section] = f"{self.text.get(self.section, '')}{data} "

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def outline(scorecard: dict[str, Any]) -> Outline:
    return Outline(render(scorecard))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_whole_and_every_link_leads_somewhere(kind: str) -> None:
    seen = outline(KINDS[kind]())
    ids = seen.values("id")
    assert len(ids) == len(set(ids))
    sections = QUICK_SECTIONS if kind == "quick" else SECTIONS
    assert set(sections) == set(ids) & set(SECTIONS)
    targets = {target.removeprefix("#") for target in seen.values("href")}
    assert targets <= set(ids)
    assert {f"def-{key}" for key in sections if key != "methods"} <= targets
    assert seen.tags["h1"] == 1
    assert seen.values("lang") == ["en"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_and_nothing_runs(kind: str) -> None:
    page = render(KINDS[kind]())
    seen = Outline(page)
    assert not re.search(
        r"(?:src|href|action|srcset|data)\s*=\s*[\"']?\s*(?:https?:|//)|url\(|@import|@font-face", page
    )
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(seen.tags)
    assert [name for _, name, _ in seen.attributes if name.startswith("on")] == []
    assert "default-src 'none'" in " ".join(seen.values("content"))


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_tables_can_be_heard(kind: str) -> None:
    page = render(KINDS[kind]())
    assert re.findall(r'<svg [^>]*role="img"[^>]*>(?!<title>[^<]+</title>)', page) == []
    hidden = [
        row for row in re.findall(r"<svg class=\"mark[^>]*>", page) if "x=" not in row and "aria-hidden" not in row
    ]
    assert hidden == [], "a mark of the legend is read out"
    assert re.findall(r"<th(?! scope=)[ >]", page) == []
    assert page.count("<table") == page.count("<caption")
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert all(
        after <= before + 1 or (before, after) == (3, 4) for before, after in zip(levels, levels[1:], strict=False)
    )


def spoilt(value: Any) -> Any:
    """`value` with every text of it hostile, but for the words of the contract."""
    if isinstance(value, dict):
        kept = ("kind", "code", "id", "role", "unit")
        return {key: each if key in kept else spoilt(each) for key, each in value.items()}
    if isinstance(value, list):
        return [spoilt(each) for each in value]
    return NASTY if isinstance(value, str) else value


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_stays_text(kind: str) -> None:
    clean, foul = outline(KINDS[kind]()), outline(spoilt(KINDS[kind]()))
    assert set(foul.tags) <= set(clean.tags)
    assert {(tag, name) for tag, name, _ in foul.attributes} <= {(tag, name) for tag, name, _ in clean.attributes}
    assert "<script>" in foul.text["top"]


@pytest.mark.parametrize("key", ["kind", "unit", "code", "id"])
def test_words_of_the_contract_are_not_trusted_either(key: str) -> None:
    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: NASTY if name == key and name != "kind" else replaced(each) for name, each in value.items()}
        return [replaced(each) for each in value] if isinstance(value, list) else value

    clean, foul = outline(scorecards.full()), outline(replaced(scorecards.full()))
    assert set(foul.tags) <= set(clean.tags)


def without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_numbers(each) for each in value]
    return None if isinstance(value, int | float) and not isinstance(value, bool) else value


def test_a_page_without_a_single_number_is_whole() -> None:
    seen = outline(without_numbers(scorecards.full()))
    assert {*SECTIONS} <= set(seen.values("id"))
    assert "nan" not in " ".join(seen.text.values()).lower().split()


@pytest.mark.parametrize("key", scorecards.full())
@pytest.mark.parametrize("how", ["missing", "null"])
def test_any_part_may_be_missing(key: str, how: str) -> None:
    found = scorecards.full()
    if how == "missing":
        del found[key]
    else:
        found[key] = None
    seen = outline(found)
    sections = QUICK_SECTIONS if key == "kind" else SECTIONS
    assert {*sections} <= set(seen.values("id"))
    assert all(seen.text[section].strip() for section in sections)


def test_any_measure_of_a_candidate_may_be_missing() -> None:
    for key in ("voice", "habits", "fit", "relevance", "copying", "extraction", "shape", "setting", "role", "failed"):
        found = scorecards.full()
        for row in found["candidates"]:
            row[key] = None
        assert outline(found).tags["section"] >= len(SECTIONS), key


def test_the_head_says_it_all() -> None:
    seen = outline(scorecards.full())
    top = " ".join(seen.text["top"].split())
    for told in (
        "Fine-tuning is worth it",
        "exploratory",
        "provisional",
        "the clone sounds like Nell Quayle",
        "131 unseen replies in 18 conversations",
        "Next: Forty blind votes",
        "0.94",
        "0.94 clone",
        "best prompt −0.31",
        "✓ copying",
    ):
        assert told in top, told
    why = " ".join(seen.text["why"].split())
    assert "No guardrail fails." in why
    assert "Expect voice, not sense" in why
    larger = scorecards.full() | {"base": "HuggingFaceTB/SmolLM2-1.7B-Instruct"}
    assert "voice, not sense" not in render(larger)


def places(page: str, kind: str) -> list[float]:
    """Where marks of a kind stand in the first plot, percent from the left."""
    plot = page[page.index('id="voice"') :]
    plot = plot[: plot.index("</table>")]
    return [float(x) for x in re.findall(rf'<svg class="mark {kind}" x="([\d.]+)%"', plot)]


def test_marks_stand_between_other_people_and_the_author() -> None:
    page = render(scorecards.full())
    row = page[page.index("<title>The clone: 0.94") :]
    floor, ceiling = (float(x) for x in re.findall(r'<line class="level" x1="([\d.]+)%"', row)[:2])
    (clone,), (prompted,) = places(page, "clone"), places(page, "prompted")
    assert prompted < floor < clone < ceiling
    assert (clone - floor) / (ceiling - floor) == pytest.approx(0.94, abs=0.001)
    assert len(places(page, "other")) == 4
    left, right = re.findall(r'class="whisker clone" x1="([\d.]+)%" x2="([\d.]+)%"', row)[0]
    assert float(left) < clone < float(right)


def test_more_like_them_than_they_are_is_said_and_what_is_off_the_picture_shows_it() -> None:
    seen = outline(scorecards.full())
    assert seen.text["voice"].count(BEYOND) == 3, "the axis, the picture and the row of the clone with memory"
    assert BEYOND not in seen.text["top"]
    page = render(scorecards.overdone())
    assert f"over 1.25 is “{BEYOND}”" in Outline(page).text["top"]
    assert "The clone: 5.00, 95% interval 3.10 to 7.00, more like them than they are" in page
    assert 'd="M9 0-3-8V8Z"' in page, "an arrow to the right"
    assert places(page, "clone") == [97.0]


def test_habits_are_told_in_words_with_an_example() -> None:
    text = " ".join(outline(scorecards.full()).text["habits"].split())
    assert "Open a reply in lower case" in text
    assert "Nell Quayle 71% of replies; clone 68%, prompt 2%, others 18%" in text
    assert "Nell Quayle 6.2 per 100 words; clone 5.9" in text
    right, off = text.index("It is about right in these"), text.index("It is off in these")
    assert right < text.index("Use a comma") < off < text.index("Answer with a question")
    assert "too much Nell Quayle 12% of replies; clone 27%" in text
    assert "too little Nell Quayle 1.4 per 100 words; clone 0.2" in text
    assert "too " not in text[right:off]
    assert "running late, save me the seat" in text


def test_guardrails_say_pass_and_fail_in_words() -> None:
    good = " ".join(outline(scorecards.full()).text["guardrails"].split())
    assert good.count("✓ passes") == 3
    assert "✕" not in good
    for told in ("48% 40% to 56%", "1.6%", "+1.1%", "0 of 100", "0.92", "Theirs is 11 words"):
        assert told in good, told
    bad = " ".join(outline(scorecards.overdone()).text["guardrails"].split())
    assert "It recites its training ✕ fails" in bad
    assert bad.count("✓ passes") == 2
    unsettled = " ".join(outline(scorecards.unsettled()).text["guardrails"].split())
    assert "Relevance ? unsettled" in unsettled
    assert "It answers what it was asked" not in unsettled, "nobody knows"
    assert "relevance unsettled" in unsettled[unsettled.index("Does not keep") :]
    assert unsettled.count("✓ passes") == 2


def test_the_rules_of_guardrails_are_said_in_full() -> None:
    text = " ".join(outline(scorecards.full()).text["guardrails"].split())
    assert "It may lose at most 5 points to the best prompt. It fails where the whole 95% interval" in text
    assert "must be 0.5 of the author's or more" in text
    assert "may each be 5 points more than of the author's own" in text
    assert "What comes out word for word decides nothing." in text
    assert "Measured on" not in text
    assert "never trained on" not in text
    found = scorecards.full()
    clone = next(row for row in found["candidates"] if row["role"] == "clone")
    clone["relevance_replies"] = 90
    clone["extraction"] |= {"held_out_extracted": 4, "held_out": 117}
    text = " ".join(outline(found).text["guardrails"].split())
    assert "Measured on 90 replies." in text
    assert "0 of 100 never trained on: 4 of 117" in text


def test_relevance_that_was_not_measured_says_why_under_its_name() -> None:
    text = " ".join(outline(scorecards.letters()).text["guardrails"].split())
    assert "Relevance – not measured Too few different messages ask for something, and" in text


def test_the_row_that_is_out_of_shape_is_marked() -> None:
    found = scorecards.full()
    clone = next(row for row in found["candidates"] if row["role"] == "clone")
    bounds = {"length_ratio": 0.67, "distinct2_ratio": 0.5, "gzip_ratio": 0.5, "empty": 0.05, "looping": 0.05}
    clone["failed"] = ["shape"]
    clone["shape"] |= bounds
    assert "fails" not in shape_of(found, "clone")
    for key, bound in bounds.items():
        clone["shape"] |= bounds | {key: bound + (0.01 if key in ("empty", "looping") else -0.01)}
        assert shape_of(found, "clone").count("fails") == 1, key
    found["human"]["shape"] |= {"looping": 0.04}
    clone["shape"] |= bounds | {"looping": 0.08}
    assert "fails" not in shape_of(found, "clone"), "the author's own loop too"
    clone["shape"] |= bounds | {"length_ratio": 2.1}
    assert "✕ 2.10 fails" in shape_of(found, "clone")
    clone["failed"] = []
    assert "fails" not in shape_of(found, "clone"), "the scorecard says what fails"


def shape_of(found: dict[str, Any], role: str) -> str:
    """The shape figures of the candidate of that role as the page tells them."""
    page = render({**found, "candidates": [row for row in found["candidates"] if row["role"] == role]})
    told = page[page.index("Median length") : page.index("Every candidate, every number")]
    return " ".join(re.sub("<[^>]*>", " ", told).split())


def test_what_so_few_replies_do_not_settle_is_said_at_the_top() -> None:
    page = " ".join(re.sub("<[^>]*>", " ", render(scorecards.unsettled())).split())
    assert "? relevance unsettled" in page
    assert "but this writing does not settle whether it answers as well." in page
    assert "40% of replies fit their prompt, 35% of the baseline" in page
    assert "test replies instead of" in page


def test_the_comparison_says_who_is_better_and_what_may_be_chance() -> None:
    text = " ".join(outline(scorecards.full()).text["voice"].split())
    assert "p is corrected for 3 tests; that of voice is of S, not of V." in text
    assert "Voice match, V (at most 1) +1.25 0.94 to 1.51 ✓ clone better p < 0.001 Habits" in text
    assert "Bits per byte −0.341 −0.392 to −0.288 ✓ clone better p < 0.001 Relevance" in text
    assert "Relevance, in points +2.0 −4.0 to 8.0 – no clear difference" in text
    found = scorecards.full()
    found["contrasts"]["habits"] = {**scorecards.between(-0.3, -0.5, -0.1), "p_holm": 0.2}
    found["contrasts"]["fit"] = {**scorecards.between(0.1, 0.05, 0.2), "p_holm": 0.01}
    text = " ".join(outline(found).text["voice"].split())
    assert "– prompt better, perhaps by chance p = 0.20" in text
    assert "✕ prompt better p = 0.01" in text


def test_votes_are_apart_and_hidden_until_all_are_in() -> None:
    text = " ".join(outline(scorecards.full()).text["votes"].split())
    assert "The author took the clone in 80% of 40 votes, 95% interval 65% to 90%" in text
    assert "3 traps seen through" in text
    assert "hidden until 40 votes are in" in text
    found = scorecards.full()
    found["votes"]["author"] |= {"votes": 0, "preferred": None, "low": None, "high": None}
    assert "not counted: too few traps" in outline(found).text["votes"]
    assert "People who know them" not in text
    assert "Nobody has voted yet" in outline(scorecards.cannot_measure()).text["votes"]


def test_costs_and_the_day_it_has_paid_for_itself() -> None:
    text = " ".join(outline(scorecards.full()).text["cost"].split())
    for told in (
        "5 min",
        "63.2k",
        "1.9 GB",
        "20 MB",
        "17 min",
        "412k",
        "4 min",
        "after 1,840 replies",
        "after 3,067 replies",
        "At 0.15",
    ):
        assert told in text, told
    found = scorecards.full()
    found["cost"]["api"]["break_even_replies"] = None
    assert "At these prices training never" in " ".join(outline(found).text["cost"].split())
    found["cost"]["break_even_replies"] = None
    assert "In this machine's time never" in " ".join(outline(found).text["cost"].split())
    found["cost"]["api"]["machine_hourly"] = 0.0
    assert "(--machine-price)" in outline(found).text["cost"]


def test_a_quick_scorecard_has_held_out_fit_and_says_what_it_left_out() -> None:
    seen = outline(scorecards.quick())
    top, text = (" ".join(seen.text[section].split()) for section in ("top", "fit"))
    assert "The full scorecard adds voice, habits, guardrails, examples" in top
    assert "style-clone evaluate nell" in top
    assert "not measured" not in " ".join(seen.text.values())
    assert "–" not in seen.text["top"]
    assert "1.642" in text
    assert "lowest" in text
    assert "The clone minus the prompted baseline: −0.341 bits per byte (95% interval −0.392 to −0.288)." in text
    assert "best prompt" not in text, "nothing was chosen"
    assert "5 min" in seen.text["cost"]
    assert "--api-price" not in seen.text["cost"]
    assert "60 unseen replies" in seen.text["top"]
    assert "A quick look" in seen.text["top"]
    assert "Inconclusive" not in seen.text["top"], "held-out fit alone decides nothing"


def test_a_page_with_a_rival_says_what_was_sent_to_it() -> None:
    page, with_rival = render(scorecards.full()), render(scorecards.with_rival())
    assert "nothing was sent anywhere" in page
    assert "nothing was sent anywhere" not in with_rival
    assert "were sent to the server of Llama-3.3-70B" in with_rival


def test_a_page_whose_replies_came_from_another_machine_names_it() -> None:
    afar = {"sent_to": "gpu.example.com"}
    page, with_rival = render({**scorecards.full(), **afar}), render({**scorecards.with_rival(), **afar})
    assert "nothing was sent anywhere" not in page
    assert "were sent to gpu.example.com." in page
    assert "were sent to gpu.example.com and to the server of Llama-3.3-70B." in with_rival


def test_what_cannot_be_measured_is_not_drawn() -> None:
    seen = outline(scorecards.cannot_measure())
    voice = " ".join(seen.text["voice"].split())
    assert "the judge cannot tell this author from other people" in voice
    assert "AUC of 0.66 (0.55 to 0.77)" in voice
    assert "AUC 0.66, under 0.80" in voice
    assert "Cannot measure" in seen.text["top"]
    assert places(render(scorecards.cannot_measure()), "clone") == []


def test_the_judge_is_told_with_what_it_rests_on() -> None:
    text = " ".join(outline(scorecards.full()).text["voice"].split())
    assert "AUC of 0.94 (0.89 to 0.98), on about 13 bundles of ten of the author's replies." in text
    assert "chance alone reaches 0.69; it must be above that too." in text
    found = scorecards.full()
    found["gate"] |= {"auc": scorecards.between(1, 1, 1), "bundles": 4}
    text = " ".join(outline(found).text["voice"].split())
    assert "AUC of 1.00 (1.00 to 1.00), on 4 bundles of ten" in text
    assert text.count("1.00 to 1.00") == 3, "the sentence, the picture and the number below it"


def test_where_there_is_nobody_to_compare_with_that_is_the_reason() -> None:
    text = " ".join(outline(scorecards.nobody_to_compare_with()).text["voice"].split())
    assert "Nobody's voice was measured: there are no other writers to compare with." in text
    assert "✕ No. The judge was not tested: there are no other writers to compare with." in text
    assert "AUC" not in text


def test_every_definition_is_there_and_what_it_was_made_from() -> None:
    seen = outline(scorecards.full())
    assert all(f"def-{key}" in seen.values("id") for key, _, _ in DEFINITIONS)
    for told in ("Ada, Ben, Cleo, Dov", "3f" * 32, "21 November 2026", "208", "smollm2-135m"):
        assert told in seen.text["methods"], told


def test_a_long_reply_is_cut_and_an_empty_one_said_so() -> None:
    found = scorecards.full()
    found["examples"][0]["replies"]["clone"] = "round and " * 1000
    page = render(found)
    assert len(page) < len(render(scorecards.full())) + 2000
    assert "said nothing" in Outline(page).text["examples"]


def test_the_page_is_written_whole_into_the_personas_folder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace.folder("nell")
    page = write_page(folder, scorecards.full())
    assert page == folder.root / "scorecard.html"
    before = page.read_text(encoding="utf-8")
    assert before == render(scorecards.full())
    monkeypatch.setattr("style_clone.evaluate.page.run.render", lambda scorecard: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_page(folder, scorecards.quick())
    assert page.read_text(encoding="utf-8") == before
    assert [path.name for path in folder.root.iterdir()] == ["scorecard.html"]


def test_a_render_changes_nothing_and_is_the_same_twice() -> None:
    found = scorecards.full()
    before = deepcopy(found)
    assert render(found) == render(found)
    assert found == before


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (decimal(-0.314), "−0.31"),
        (decimal(-0.001), "0.00"),
        (decimal(None), "not measured"),
        (signed(0.5), "+0.50"),
        (signed(-0.5), "−0.50"),
        (signed(0.0), "0.00"),
        (
            sentence("It is -0.04 (-0.16 to +0.09): style-clone vote me --votes 2-3"),
            "It is −0.04 (−0.16 to +0.09): style-clone vote me --votes 2-3",
        ),
        (sentence(None), ""),
        (percent(0.31), "31%"),
        (percent(0.016), "1.6%"),
        (percent(0.02), "2%"),
        (percent(1.0), "100%"),
        (percent(-0.002), "−0.2%"),
        (chance(0.0001), "p < 0.001"),
        (chance(0.004), "p = 0.004"),
        (chance(0.48), "p = 0.48"),
        (counted(1, "reply", "replies"), "1 reply"),
        (counted(1840, "reply", "replies"), "1,840 replies"),
        (spelled(interval({"value": 0.87, "low": 0.7, "high": 1.02})), "0.87 (0.70 to 1.02)"),
        (spelled(interval(0.5)), "0.50"),
        (bounds(interval({"value": 1, "low": None, "high": None})), ""),
        (bounds(interval({"value": 1, "low": 1, "high": 1})), "1.00 to 1.00"),
    ],
)
def test_numbers_are_written_as_people_read_them(written: str, expected: str) -> None:
    assert written == expected


def test_what_is_no_number_is_none() -> None:
    assert [number(raw) for raw in (None, "1", True, float("nan"), float("inf"), 2)] == [None] * 5 + [2.0]
    assert interval({"low": 1, "high": 2}) is None


def test_a_scale_keeps_everything_on_the_picture() -> None:
    scale = Scale.over([-9.0, 0.5], least=(-0.25, 1.45), most=(-3.0, 3.5))
    assert (scale.low, scale.high) == (-3.0, 1.45)
    assert scale.at(-9) == scale.at(-3) == 3.0
    assert scale.at(1.45) == pytest.approx(97.0)
    assert (scale.shape(-9, "clone"), scale.shape(9, "clone"), scale.shape(1, "clone")) == ("left", "right", "clone")


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_marks_and_lines_stand_out_from_the_page(scheme: int) -> None:
    colours = [
        re.findall(rf"--{name}: (#[0-9a-f]{{6}});", CSS)[scheme] for name in ("level", "other", "clone", "prompt")
    ]
    card = re.findall(r"--card: (#[0-9a-f]{6});", CSS)[scheme]
    assert min(contrast(colour, card) for colour in colours) >= 3
    assert "opacity" not in CSS


def contrast(one: str, other: str) -> float:
    """That of WCAG 2, 1 to 21, of two colours such as "#0f766e"."""

    def luminance(colour: str) -> float:
        shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_an_interval_is_seen_over_its_own_bar() -> None:
    drawn = bar(Scale(0, 2), Interval(1, 0.9, 1.1), "clone")
    assert drawn.count('class="halo"') == drawn.count('class="range"') == 3
    assert drawn.rindex("halo") < drawn.index("range")


def test_examples_have_headings_of_their_own() -> None:
    page = render(scorecards.full())
    section = page[page.index('id="examples"') : page.index('id="votes"')]
    assert re.findall(r"<h3>(.*?)</h3>", section) == [f"Example {number}" for number in range(1, 9)]
    assert section.count("<h4>") == 8 * 4


def test_on_a_desk_on_a_phone_in_the_dark_and_on_paper(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    from tests.test_ui_browser import SHOTS

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no browser here")
    SHOTS.mkdir(parents=True, exist_ok=True)
    for kind, make in KINDS.items():
        (tmp_path / f"{kind}.html").write_text(render(make()), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        page = browser.new_page()
        problems: list[str] = []
        requests: list[str] = []
        page.on("console", lambda line: problems.append(line.text))
        page.on("request", lambda request: requests.append(request.url))
        for width, scheme in ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            for kind in KINDS if scheme == "light" else ["full"]:
                page.goto((tmp_path / f"{kind}.html").as_uri())
                page.screenshot(path=str(SHOTS / f"scorecard-{kind}-{width}-{scheme}.png"), full_page=True)
                assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, (kind, width)
                assert page.evaluate(OUTSIDE) == [], (kind, width)
                assert page.evaluate(UNNAMED) == [], (kind, width)
                assert page.evaluate(SLIDING) == [], (kind, width)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 10, 9)"
        page.emulate_media(color_scheme="light", media="print")
        page.set_viewport_size({"width": 696, "height": 1000})  # what A4 leaves between the margins
        assert page.evaluate(CUT) == []
        page.pdf(path=str(SHOTS / "scorecard.pdf"), prefer_css_page_size=True)
        browser.close()
    assert problems == []
    assert all(url.startswith("file:") for url in requests)


OUTSIDE = """[...document.querySelectorAll('svg text')].filter(text => {
  const box = text.getBoundingClientRect(), frame = text.closest('svg').getBoundingClientRect();
  return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1);
}).map(text => text.textContent)"""
"""Words of pictures that are cut off."""
UNNAMED = """[...document.querySelectorAll('.strips thead .value:not(:empty)')].filter(head => !head.offsetHeight)
  .map(head => head.textContent)"""
"""Headings of numbers that are not shown."""
SLIDING = """[...document.querySelectorAll('.scroll')].filter(frame => {
  const details = frame.closest('details'), name = frame.querySelector('tbody th');
  if (details) details.open = true;
  frame.scrollLeft = 200;
  const gone = name.getBoundingClientRect().left < frame.getBoundingClientRect().left - 1;
  frame.scrollLeft = 0;
  return gone;
}).map(frame => frame.getAttribute('aria-label'))"""
"""Tables whose rows lose their names when they are scrolled."""
CUT = """[...document.querySelectorAll('table')].filter(table => table.offsetWidth > table.parentElement.offsetWidth + 1)
  .map(table => table.textContent)"""
"""Tables that paper cuts off."""
