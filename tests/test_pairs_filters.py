"""What is left out, and tidying."""

from __future__ import annotations

import pytest

from style_clone.pairs.filters import gives_away, is_only_links, tidy
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
    found, ledger = drafts(messages)
    assert ledger.close(found) == (
        2,
        {"empty": 1, "media placeholder": 1, "only a link": 1, "written by the software": 1},
    )
    assert dict(ledger.ignored) == {"media placeholder": 1}


def test_a_reply_over_400_words_is_dropped_with_a_reason() -> None:
    found, ledger = drafts(chat("Ann: so?", *(f"Nell: {'word ' * 150}{n}" for n in range(3))))
    assert ledger.close(found) == (0, {"over 400 words": 3})


def test_the_same_message_twice_counts_once() -> None:
    twice = chat("Ann: hi", "Nell: hello")
    found, ledger = drafts([*twice, *twice])
    assert len(found) == 1
    assert ledger.ignored["the same message again"] == 2


def test_a_link_of_somebody_else_may_be_what_is_answered() -> None:
    found, _ = drafts(chat("Ann: https://a.example/cat.jpg", "Nell: what a cat"))
    assert found[0].pair.context[-1]["content"] == "https://a.example/cat.jpg"


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
