"""Redaction of names: who is masked, who is spoken to, and what is only a word."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from style_clone.pairs.redact import PLACEHOLDER, Policy, Redactor, type_of

PEOPLE = (
    "Ann Marlow",  # 1
    "Bob Hale",
    "+44 7700 900123",
    "~ Zoë",
    "Dr José García-Márquez ❤️",  # 5
    "ann_lee84",
    "Will May",
    "Smith, Harriet </O=EXAMPLE>",
    "Mum",
    "Grace Field",  # 10
    "tdonohue",
    "王小明",
    "Family group",
    "Ann Other",
    "Messrs. Pratt And Lowe",  # 15
    "Anna van Houten",
    "Göran Broström",
    "Friday football",
    "ann@example.org",
    "No address",  # 20
    "Ruth Quayle",
)


@pytest.fixture
def mask() -> Redactor:
    return Redactor(Policy(), PEOPLE, ("Nell Quayle", "Nell", "nell_q"))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("I asked Ann Marlow", "I asked <person-1>"),
        ("ann marlow and ANN MARLOW", "<person-1> and <person-1>"),
        ("Marlow, Ann and A. Marlow", "<person-1> and <person-1>"),
        ("Mrs Marlow's car", "Mrs <person-1>'s car"),
        ("Ann\nMarlow", "<person-1>"),
        ("I saw Ann at Bob's", "I saw <person-1> at <person-2>'s"),
        ("I saw ann there", "I saw <person-1> there"),
        ("Ann came by", "<person-1> came by"),
        ("Zoe and Zoë came", "<person-4> and <person-4> came"),
        ("Jose Garcia Marquez, José García-Márquez", "<person-5>, <person-5>"),
        ("I asked ann_lee84 and @ann_lee84", "I asked <person-6> and @<person-6>"),
        ("Harriet Smith and Smith", "<person-8> and <person-8>"),
        ("I wrote to Pratt and Lowe", "I wrote to <person-15> and <person-15>"),
        ("the van Houten house, Houten said", "the <person-16> house, <person-16> said"),
        ("ask Goran, goran brostroem knows", "ask <person-17>, <person-17> knows"),
        ("我看到王小明了", "我看到<person-12>了"),
        ("Ask Bob Marlow or Bob T. Marlow", "Ask <person-1> or <person-1>"),
        ("I met Bob Trelawney", "I met <person> Trelawney"),
    ],
)
def test_who_is_masked(mask: Redactor, text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "hi Ann, how are you",
        "Hey Ann",
        "Dear Ann\nit rains",
        "hallo Zoë!",
        "thanks, Ann",
        "thank you so much Ann!",
        "love you Ann",
        "Ann, are you there",
        "Ann are you there",
        "Ann: yes",
        "Ann!",
        "@Ann yes",
        "ann_lee84: yes, it is",
        "tdonohue, ann_lee84: hi",
        "see you later Ann",
        "what do you think, Ann?",
        "sorry Ann, I was out",
        "Best,\nBob",
        "so it rains. Ann, will you come?",
        "hi Ann and Bob!",
    ],
)
def test_who_is_spoken_to(mask: Redactor, text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("hi Ann, Bob told me", "hi Ann, <person-2> told me"),
        ("no Ann did not", "no <person-1> did not"),
        ("with Bob, Ann.", "with <person-2>, <person-1>."),
        ("hi Ann Marlow", "hi <person-1>"),
        ("say hi to Ann", "say hi to <person-1>"),
        ("I love Ann", "I love <person-1>"),
        ("thanks! and Ann said", "thanks! and <person-1> said"),
    ],
)
def test_who_is_spoken_of(mask: Redactor, text: str, masked: str) -> None:
    assert mask(text) == masked


def test_names_that_are_words_are_words_in_lower_case_and_at_a_beginning(mask: Redactor) -> None:
    text = "Will it rain? I will see in may. Grace is rare, WILL IT RAIN, a field, in May, mum said Mum rang"
    assert mask(text) == text
    assert mask("I think Will knows, so does Grace") == "I think <person-7> knows, so does <person-10>"
    assert mask("it was Will May or Grace Field") == "it was <person-7> or <person-10>"


def test_what_is_no_persons_name(mask: Redactor) -> None:
    text = "the Family group plays on Friday, football is fun, there is No address, Annabel likes the Hale Street"
    assert mask(text) == text


def test_the_authors_names_stay_and_so_does_the_surname_they_share(mask: Redactor) -> None:
    text = "Nell Quayle, Nell and nell_q, yours Nell. The Quayle house"
    assert mask(text) == text
    assert mask("Ruth Quayle and Ruth") == "<person-21> and <person-21>"
    other = Redactor(Policy(), ["Steven J Kean", "Ann Lee"], ["Steven Kean"])
    assert other("Steven J Kean met Ann Lee") == "Steven J Kean met <person-2>"


def test_a_shared_first_name_is_the_first_contacts(mask: Redactor) -> None:
    assert mask("so Ann said, and Ann Other said") == "so <person-1> said, and <person-14> said"


@pytest.mark.parametrize(
    "name", ["", " ", "❤️", "()", "<>", "+1 415", "'", "...", "and", "a", "Dr", "~", ",", "A, B, C, D", "x" * 5000]
)
def test_odd_contacts_break_nothing(name: str) -> None:
    mask = Redactor(Policy(), [name, "Ann Marlow"], [name, ""])
    assert mask("and I saw Ann Marlow, Dr") in ("and I saw <person-2>, Dr", "and I saw <person-1>, Dr")


# Real writing


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_real_channel_keeps_its_addresses_and_hides_who_is_spoken_of(corpora: Path) -> None:
    lines = rows(corpora / "authors" / "chat" / "duraspace-irc" / "messages.jsonl")[:6000]
    people = [name for name, _ in Counter(row["author"] for row in lines).most_common()]
    mask = Redactor(Policy(), people, ["tdonohue"])
    masked = [mask(row["text"]) for row in lines]
    assert mask.counts["person"] > 100
    assert mask.counts["phone"] + mask.counts["id"] + mask.counts["secret"] < 10, "ticket numbers and times stay"
    assert sum(row["text"].startswith(text.split(":")[0] + ":") for row, text in zip(lines, masked, strict=True)) > 500
    own = [text for row, text in zip(lines, masked, strict=True) if " tdonohue " in row["text"]]
    assert own
    assert all(" tdonohue " in text for text in own)


def test_real_letters_lose_their_people_and_nothing_else(corpora: Path) -> None:
    letters = rows(corpora / "authors" / "letters" / "john-keats" / "letters.jsonl")[:60]
    mask = Redactor(Policy(), sorted({row["recipient"] for row in letters}), ["John Keats"])
    texts = [mask(row["text"]) for row in letters]
    assert mask.counts["person"] > 200
    assert set(mask.counts) <= {"person", "address"}
    assert not any("Haydon" in text for text in texts)
    assert any("Keats" in text for text in texts)


def test_most_messages_of_a_real_chat_are_only_glanced_at(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = rows(corpora / "authors" / "chat" / "duraspace-irc" / "messages.jsonl")[:3000]
    mask = Redactor(Policy(), list(dict.fromkeys(row["author"] for row in lines)), ["tdonohue"])
    read: list[str] = []
    monkeypatch.setattr(mask, "_pass", lambda text: read.append(text) or text)
    for row in lines:
        assert mask(row["text"]) == row["text"]
    assert len(read) < 0.6 * len(lines)


def test_placeholders_of_people_are_people() -> None:
    assert [type_of(match[0]) for match in PLACEHOLDER.finditer("<person-3> <person> <iban>")] == [
        "person",
        "person",
        "iban",
    ]
