"""What is left out, and tidying."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.pairs.cleaning.filters import MOSTLY_CODE, gives_away, is_only_links, reason_to_drop, tidy
from style_clone.pairs.cleaning.program_text import is_program_line
from style_clone.persona import Persona
from style_clone.words import count_words, share_run, words
from tests.pairs_chats import chat, drafts, message

WRAPPED = """Unless Debian is 'about to release' which can take a while. In that case, you
can (more often than not) _install and use_ binaries from 'unstable' on
testing (and the exception happens when the core libs and compilers differ,
usually not for long).

- one point
- another point

Dirk"""


def test_line_breaks_of_a_mail_program_are_undone_but_lists_and_paragraphs_stay() -> None:
    lines = tidy(WRAPPED).splitlines()
    assert lines[0].startswith("Unless Debian") and lines[0].endswith("usually not for long).")
    assert lines[1:] == ["", "- one point", "- another point", "", "Dirk"]


@pytest.mark.parametrize(
    "text", ["haha\nno\nwait", "one line only", "a longer line of a chat that somebody broke\nhere"]
)
def test_line_breaks_people_make_stay(text: str) -> None:
    assert tidy(text) == text


LONG = "a line of prose that is as long as the lines of a mail program are made"
CODE = "fit <- lm(outcome ~ one + two, data = measurements_of_the_year[rows, ])"


@pytest.mark.parametrize(
    ("above", "below", "joined"),
    [
        (LONG, "and goes on here", True),
        (f"- {LONG}", "  and goes on here", True),
        (f"1. {LONG}", "   and goes on here", True),
        (f"  {LONG}", "  and goes on here", True),
        (LONG, "  set in on purpose", False),
        (f"{LONG}.", "Thanks, Tim", False),
        (f"{LONG}.", "It goes on with another sentence", True),
        (CODE, "summary of it all", False),
        (LONG, CODE, False),
        (LONG, "> quoted line", False),
        (f"[1] {LONG}", "[2] and so on", False),
    ],
)
def test_what_a_line_is_joined_to(above: str, below: str, joined: bool) -> None:
    text = tidy(f"{LONG}\n\n{above}\n{below}")
    assert text == f"{LONG}\n\n{above}" + (f" {below.strip()}" if joined else f"\n{below}")


@given(st.text(alphabet=st.sampled_from("ab \n\t\r\u2028.>"), max_size=200))
def test_tidying_changes_nothing_but_white_space(text: str) -> None:
    assert tidy(text).split() == text.split()
    assert tidy(tidy(text)) == tidy(text)


@pytest.mark.parametrize(
    "line",
    [
        "> summary(fit)",
        "$ ls -l /tmp",
        "ann@box:~/src$ make",
        "[1] 0.25 0.5",
        '  File "/tmp/a.py", line 3, in main',
        "Traceback (most recent call last):",
        "x <- c(1, 2)",
        "return self.value(x);",
        "sudo apt-get install r-base",
        "W: Failed to fetch http://example.org",
        "name        version     size",
        "/usr/lib/R/library/stats.so",
    ],
)
def test_code_and_output(line: str) -> None:
    assert is_program_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a sentence, like any other; and so on",
        "All delights of summer weather;",
        "- a point of a list (with brackets)",
        "    A paragraph set in, as in a letter.",
        "I paid $250 for it",
        "$250 is 5-10 times too much",
        "BTW = by the way.",
        "Read https://example.org/a/b/c.html today",
        "https://example.org/a/b/c.html",
        "and/or either/or",
        "> a quoted sentence",
        "Building a house takes time",
    ],
)
def test_prose(line: str) -> None:
    assert not is_program_line(line)


def test_a_message_that_is_mostly_code_is_no_target() -> None:
    code = "\n".join([CODE] * 4)
    prose = "\n".join([LONG] * 6)
    assert reason_to_drop(message("Nell", f"try this\n{code}")) == MOSTLY_CODE
    assert reason_to_drop(message("Nell", f"{prose}\n{code}")) is None
    assert reason_to_drop(message("Nell", f"try\n{CODE}")) is None
    assert reason_to_drop(message("Nell", CODE)) is None
    fenced = "```\none word\nand another\nand a third\nand one more\n```"
    assert reason_to_drop(message("Nell", f"look:\n{fenced}")) == MOSTLY_CODE


def test_real_letters_and_essays_are_no_code(corpora: Path) -> None:
    for path in (corpora / "authors/essays").glob("*/*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert reason_to_drop(message("Nell", tidy(json.loads(line)["text"]))) is None, path


def test_invisible_marks_and_blank_ends_go() -> None:
    assert tidy("\u200e  hi there \n\n") == "hi there"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("https://a.example/b?c", True), ("www.a.example <http://b.example>", True), ("see https://a.example", False)],
)
def test_only_links(text: str, expected: bool) -> None:
    assert is_only_links(text) is expected


def test_every_reason_is_counted_once_for_each_of_the_authors_messages() -> None:
    messages = [
        *chat("Ann: hi", "Nell: hello you", "Nell: https://a.example", "Nell:  ", "Nell: back", seconds=20),
        message("Nell", "voice note", kind="media"),
        message("Nell", "Nell changed the subject", kind="system"),
        message("Ann", "picture", kind="media"),
    ]
    _, ledger = drafts(messages)
    assert (ledger.used, ledger.dropped()) == (
        2,
        {"empty": 1, "media placeholder": 1, "only a link": 1, "written by the software": 1},
    )
    assert ledger.ignored() == {"media placeholder": 1}


def test_a_reply_over_400_words_is_dropped_with_a_reason() -> None:
    _, ledger = drafts(chat("Ann: so?", *(f"Nell: {'word ' * 150}{n}" for n in range(3))))
    assert (ledger.used, ledger.dropped()) == (0, {"over 400 words": 3})


def test_the_same_message_twice_counts_once() -> None:
    twice = chat("Ann: hi", "Nell: hello")
    found, ledger = drafts([*twice, *twice])
    assert len(found) == 1
    assert (ledger.used, ledger.dropped()) == (1, {})


def test_a_link_of_somebody_else_may_be_what_is_answered() -> None:
    found, _ = drafts(chat("Ann: https://a.example/cat.jpg", "Nell: what a cat"))
    assert (found[0].prompt(found[0].reply) or [])[-1]["content"] == "https://a.example/cat.jpg"


def test_gives_away() -> None:
    run = "one two three four five six seven eight nine ten eleven twelve"
    assert gives_away("she said: One two, three four FIVE!", "one two three four five")
    assert gives_away(f"before {run} after", f"mine {run} too")
    assert not gives_away("one two three four", "one two three four")
    assert not gives_away("nothing alike here at all", "one two three four five")


def test_words_of_scripts_without_spaces_are_characters() -> None:
    assert words("我们 Don’t STOP_now 3pm") == ["我", "们", "don't", "stop", "now", "3pm"]
    assert count_words("") == 0
    assert share_run("a b c d", "x b c d y", 3)
    assert not share_run("a b", "a b", 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ann", True),
        ("ann  lee", True),
        ("Anna", False),
        ("An", False),
        ("ANN", True),
        ("Zoë", True),
        ("Ann Leef", False),
    ],
)
def test_the_author_is_known_by_the_whole_name_only(name: str, expected: bool) -> None:
    assert Persona(slug="a", author="Ann", aliases=("Ann", "Ann Lee", "Zoe\u0308")).is_author(name) is expected
