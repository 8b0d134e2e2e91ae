"""A scorecard in the terminal: 80 columns, every candidate in its place, and the quick one as it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from style_clone.cli.scorecard_print import print_scorecard
from tests import scorecards


def printed(capsys: pytest.CaptureFixture[str], scorecard: dict[str, Any], page: Path | None = None) -> list[str]:
    print_scorecard(scorecard, page)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def test_a_full_scorecard_from_verdict_to_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "scorecard.html"
    page.touch()
    print_scorecard(scorecards.full(), page)
    text = capsys.readouterr().out
    rows = [re.split(r"\s{2,}", line) for line in text.splitlines()]
    assert "FINE-TUNING IS WORTH IT (EXPLORATORY, PROVISIONAL)" in text
    assert "- No guardrail fails." in text
    assert text.endswith(f"The whole scorecard: {page}\n")
    assert ["bits per byte", "1.642", "1.983", "–"] in rows
    assert ["guardrails", "pass", "pass"] in rows


def test_every_candidate_stands_between_the_anchors(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, scorecards.full())
    floor, ceiling = (
        next(index for index in map(line.find, "┌┐") if index >= 0)
        for words in ("0 other people", "1 Nell Quayle")
        for line in lines
        if words in line
    )
    marks = {mark: line.index(mark) for mark in "●◆" for line in lines if mark in line}
    assert marks["◆"] < floor < marks["●"] <= ceiling
    assert "Voice match, S, with 95% intervals: ● clone  ◆ best prompt" in lines
    (clone,) = (line for line in lines if "●" in line and "○" not in line and "◆" not in line)
    assert clone.startswith("the clone ")
    assert clone.endswith("0.94 (0.72 to 1.17)")
    assert sum("○" in line for line in lines) == 4


def test_what_is_off_the_strip_has_an_arrow_and_a_guardrail_that_fails_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "\n".join(printed(capsys, scorecards.overdone()))
    assert re.search(r"▶ +5\.00 \(3\.10 to 7\.00\)", text)
    assert "copying fails" in text
    assert "relevance unsettled" in "\n".join(printed(capsys, scorecards.unsettled()))


def test_every_guardrail_that_is_not_kept_has_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    found = scorecards.unsettled()
    clone, prompted = (
        next(row for row in found["candidates"] if row["role"] == role) for role in ("clone", "prompted")
    )
    clone["failed"], prompted["failed"] = ["copying", "shape"], ["shape"]
    lines = printed(capsys, found)
    first = next(number for number, line in enumerate(lines) if line.startswith("guardrails"))
    told = [re.split(r"\s{2,}", line) for line in lines[first : first + 3]]
    assert told == [
        ["guardrails", "relevance unsettled", "shape fails"],
        ["", "copying fails"],
        ["", "shape fails"],
    ]
    assert len({line.index("fails") for line in lines[first + 1 : first + 3]}) == 1, "in one column"


def test_a_guardrail_that_was_not_measured_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, scorecards.letters())
    told = next(line for line in lines if line.startswith("guardrails"))
    assert re.split(r"\s{2,}", told) == ["guardrails", "relevance unmeasured", "relevance unmeasured"]


def test_what_cannot_be_measured_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(printed(capsys, scorecards.cannot_measure()))
    assert "CANNOT MEASURE" in text
    assert "Voice: not measured. The judge's AUC is 0.66 (0.55 to 0.77)" in text
    text = "\n".join(printed(capsys, scorecards.nobody_to_compare_with()))
    assert "Voice: not measured (there are no other writers to compare with)." in text


@pytest.mark.parametrize(
    "verdict", ["The clone is nearer.", {"code": "inconclusive", "headline": "The clone is nearer."}]
)
def test_the_quick_one_is_a_small_table(capsys: pytest.CaptureFixture[str], tmp_path: Path, verdict: Any) -> None:
    lines = printed(capsys, scorecards.quick() | {"verdict": verdict}, tmp_path / "missing.html")
    assert lines == [
        "",
        "Held-out fit on 60 replies (bits per byte, lower is better)",
        "  plain      2.083  █████████████████",
        "  prompted   1.983  ████████████████",
        "  clone      1.642  █████████████  <- lowest",
        "  clone - prompted: -0.341 (95% interval -0.392 to -0.288)",
        "The clone is nearer.",
    ]
