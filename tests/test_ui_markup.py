"""HTML and SVG: nothing from files or models comes through as markup, and the chart's lines are where they should be."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.ui.chart import NARROW, WIDE, line_chart, ticks
from style_clone.ui.markup import card, notice, progress_bar, table

NASTY = "<script>alert('x')</script>&\"${1}"


@given(st.text(alphabet="<>&\"'a", min_size=1))
def test_no_text_becomes_markup(text: str) -> None:
    pieces = [table([text], [[text]]), card(text, [(text, text)], [text]), progress_bar(0.5, text, [text])]
    for piece in [*pieces, notice(text, text)]:
        tags = set(re.findall(r"</?([^\s>/]*)", piece))
        known = {"div", "table", "thead", "tbody", "tr", "th", "td", "section", "h3", "dl", "dt", "dd", "p", "ul", "li"}
        assert tags <= {*known, "span", "strong"}


def test_a_notice_of_nothing_is_nothing() -> None:
    assert notice("") == ""


def test_bad_news_is_spoken_at_once_and_every_line_of_the_mend_is_shown() -> None:
    told = notice("no", "one\n\ntwo", kind="bad")
    assert 'role="alert"' in told
    assert told.count("<span>") == 2


@pytest.mark.parametrize(("share", "percent"), [(0.0, 0), (0.456, 46), (1.0, 100), (1.7, 100), (-1.0, 0)])
def test_a_bar_tells_its_percent(share: float, percent: int) -> None:
    bar = progress_bar(share, "Training")
    assert f'aria-valuenow="{percent}"' in bar
    assert f"<span>{percent}%</span>" in bar


def test_a_bar_of_unknown_length_claims_no_percent() -> None:
    bar = progress_bar(None, "Starting")
    assert "aria-valuenow" not in bar
    assert "%" not in bar


def test_a_chart_is_well_formed_and_inside_its_frame() -> None:
    curves = {f"Loss {NASTY}": [(0.0, 4.0), (5.0, 2.0), (10.0, 3.0)], "Held-out": [(5.0, 2.5)]}
    chart = line_chart(curves, x_name="steps", y_name="loss", x_end=20)
    pictures = ElementTree.fromstring(chart).findall("svg")
    assert [picture.attrib["class"] for picture in pictures] == ["sc-wide", "sc-narrow"]
    for picture, (width, height) in zip(pictures, (WIDE, NARROW), strict=True):
        lines = [line.attrib["points"] for line in picture.iter("polyline")]
        points = [tuple(map(float, point.split(","))) for line in lines for point in line.split()]
        assert len(points) == 4
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        assert points[0][1] < points[2][1] < points[1][1], "a higher loss is drawn higher up"
        assert points[2][0] < 0.6 * width, "half of the steps are still to come"
        assert "from 4.00 to 3.00" in picture.attrib["aria-label"]


def test_a_chart_without_points_is_nothing() -> None:
    assert line_chart({"a": [], "b": []}, x_name="x", y_name="y") == ""
    assert line_chart({"a": [(1.0, math.nan)]}, x_name="x", y_name="y") == ""


def test_one_point_is_a_chart() -> None:
    assert "<circle" in line_chart({"a": [(0.0, 3.0)]}, x_name="x", y_name="y")


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_even_and_inside(low: float, width: float) -> None:
    values = ticks(low, low + width)
    steps = [later - earlier for earlier, later in pairwise(values)]
    assert 1 <= len(values) <= 6
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in values)
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)
