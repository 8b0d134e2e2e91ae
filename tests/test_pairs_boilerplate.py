"""Signatures, disclaimers and footers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from style_clone.pairs.cleaning import boilerplate
from style_clone.pairs.cleaning.boilerplate import Boilerplate, without_signature
from style_clone.pairs.cleaning.quoting import own_part

CARD = "Tim Dow\nAssociate Professor\nUniversity of Sark\nTel: 0123 456789\nSark, Channel Islands"
NOTICE = (
    "This message and what is attached to it belong to the firm.\n"
    "They are confidential. If you have it by mistake, tell us\nand throw it away."
)


def learnt(texts: list[str]) -> Boilerplate:
    shared = Boilerplate()
    for text in texts:
        shared.see(text)
    shared.settle()
    return shared


def stripped(end: str, count: int = 20) -> list[str]:
    texts = [f"This is number {chr(97 + number)} of my letters.\n\n{end}" for number in range(count)]
    shared = learnt(texts)
    return [shared.strip(text).partition("\n\n")[2] for text in texts]


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        ("Thanks,\nTim", "Thanks,\nTim"),
        ("Hope this helps, Tim", "Hope this helps, Tim"),
        ("Let me know if you have any questions.\nTim", "Let me know if you have any questions.\nTim"),
        ("lol", "lol"),
        ("<3", "<3"),
        ("x", "x"),
        (f"Best wishes,\n{CARD}", "Best wishes,\nTim Dow"),
        ("Tim\n\n---\n  Tim Dow\n  Sark", "Tim"),
        ("Tim\nhttp://tim.example.org", "Tim"),
        ("-----\n\nCheers,\nTim", "Cheers,\nTim"),
        (f"Tim\n\n{NOTICE}", "Tim"),
        ("Tim\n\n" + "Words of the firm " * 20, "Tim"),
        ("____\nOur mailing list\nlist@example.org", ""),
        ("Sent from my iPhone", ""),
        ("Tim\n-----\nSent from my BlackBerry Wireless Handheld (www.example.org)", "Tim"),
        ("Get Outlook for iOS<https://aka.example/x>", ""),
        ("Von meinem iPhone gesendet", ""),
        ("Envoyé de mon iPhone", ""),
        ("-- \nTim Dow\nwalker, talker", ""),
    ],
)
def test_contacts_go_and_closings_stay(end: str, kept: str) -> None:
    assert stripped(end) == [kept] * 20


def test_what_only_a_few_messages_share_stays() -> None:
    texts = [f"letter {number}\n\n{'Tel: 0123 456789' if number < 4 else 'Tim'}" for number in range(30)]
    shared = learnt(texts)
    assert [shared.strip(text) for text in texts] == texts


def test_what_two_in_a_hundred_share_stays_not_what_more_share() -> None:
    texts = [f"letter {number}\n\n{'Tel: 0123 456789' if number < 5 else 'Tim'}" for number in range(300)]
    assert learnt(texts).strip(texts[0]) == texts[0]
    assert learnt(texts[:200]).strip(texts[0]) == "letter 0"


def test_a_link_the_message_is_about_stays() -> None:
    texts = [f"Dear {name},\n\nread this:\n\nhttp://example.org/help\n\nTim" for name in "abcdefghij"]
    assert [learnt(texts).strip(text) for text in texts] == texts


def test_a_link_with_words_below_it_stays() -> None:
    texts = [
        f"Dear {name},\n\nsee\n\nhttp://example.org\n\nas {name} said to us all once.\n\nBye,\nTim"
        for name in "abcdefgh"
    ]
    assert [learnt(texts).strip(text) for text in texts] == texts


def test_a_long_paragraph_between_shared_lines_stays() -> None:
    own = "A paragraph of the author's own, number {name}, on one line. " * 5
    texts = [
        f"Dear all,\n\n----\nTel: 0123 456789\n\n{own.format(name=name)}\n\nwww.tim.org\n----" for name in "abcdefgh"
    ]
    assert all("author's own" in learnt(texts).strip(text) for text in texts)


def test_a_line_that_changes_its_figures_only_is_one_line() -> None:
    texts = [
        f"letter {chr(97 + day)}\n\nTim\n\nDate: {day}-Jun-10 Time: 21:0{day}:16\n---- XMail ----" for day in range(10)
    ]
    assert learnt(texts).strip(texts[3]) == "letter d\n\nTim"


def test_shared_heads_go() -> None:
    texts = [f"*** EXTERNAL: do not open what is confidential ***\n\nletter {name}" for name in "abcdefgh"]
    assert learnt(texts).strip(texts[0]) == "letter a"


@pytest.mark.parametrize(
    "text",
    [
        "one line, -- and more",
        "Sent from my iPhone",
        "first\nSent from my desk, which is much easier than the phone in my pocket.",
        "-- one point\n-- another point",
        "above\n----\nbelow",
    ],
)
def test_no_signature(text: str) -> None:
    assert without_signature(text) == text


def test_what_a_list_says_of_attachments_goes() -> None:
    note = "An embedded and charset-unspecified text was scrubbed...\nName: not available"
    assert without_signature(f"words\n\n{note}") == "words"
    assert without_signature(note) == ""


def test_chats_are_untouched() -> None:
    bubbles = [
        "ok",
        "see you at 8",
        "call 0123 456789",
        "ok\nlol",
        "yes!\nlol",
        "no\nlol",
        "hm\nlol",
        "why\nlol",
        "so\nlol",
    ]
    shared = learnt(bubbles * 10)
    assert [shared.strip(text) for text in bubbles] == bubbles


def test_counts_are_bounded_and_frequent_lines_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boilerplate, "MAX_LINES_COUNTED", 100)
    shared = Boilerplate()
    largest = 0
    for number in range(2000):
        shared.see(f"{'abcdefghij'[number % 10]}{number // 10 * 'x'}\nword{'y' * number}\nTel: 0123 456789")
        largest = max(largest, len(shared.counts))
    shared.settle()
    assert largest <= 100
    text = "new\nTel: 0123 456789"
    assert shared.strip(text) == "new"
    assert not shared.counts


def test_real_signatures(corpora: Path) -> None:
    path = corpora / "authors/email/r-sig-lists/messages.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [own_part(row["text"]).text for row in rows if row["author"] == "(Ted Harding)"]
    shared = learnt(texts)
    after = [shared.strip(text) for text in texts]
    assert sum("XFMail" in text for text in texts) > 15
    assert not any("XFMail" in text or "Fax" in text for text in after)
    assert sum(text.rstrip().endswith("Ted.") for text in after) > 15
