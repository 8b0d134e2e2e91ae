"""What of a message is the author's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.pairs.cleaning.quoting import Own, own_part, quoted_words

NOTES = """Yes, Thursday works.

\tAnn Lee
\tSent by: Bo Ek
\t03/14/2001 07:03 PM
\t\t
\t\t To: Tim Dow/NA/Firm@Firm, Cy
Ray/NA/Firm@Firm
\t\t cc:
\t\t Subject: Lunch

Lunch on Thursday?"""

OUTLOOK = """Fine by me, go ahead.

________________________________
Von: Ann Lee [mailto:ann@example.org]
Gesendet: Montag, 6. Dezember 2010 20:01
An: Tim Dow
Betreff: AW: Plan

Shall we start?

Ann"""

FORWARDED = """Worth a read, all of it.

---------- Forwarded message ---------
From: Ann Lee <ann@example.org>
Date: Mon, Dec 15, 2024 at 3:00 PM
Subject: News
To: Team <team@example.org>

The harbour opens in May."""

INTERLEAVED = """Hi Ann,

On Tue, 5 Mar 2001, Ann Lee wrote:
> Tea or coffee?
>
> > somebody asked before

Tea, please.

> And when?

At four.

> Regards
> Ann"""


def text_of(lines: str) -> str:
    return lines.replace("|", "\n")


@pytest.mark.parametrize(
    "attribution",
    [
        "On Tue, 5 Mar 2001, Ann Lee wrote:",
        "On Tue, Mar 5, 2001 at 10:19 AM, Ann Lee <ann@example.org> wrote:",
        "On Dec 16, 2011, at 12:47 PM, Ann Lee|<ann@example.org>|wrote:",
        "Am 13.12.2017 um 21:11 schrieb Ann Lee:",
        "Am Di., 5. März 2001 um 10:00 Uhr schrieb Ann <|ann@example.org>:",
        "Le lun. 15 nov. 2021 à 19:42, Ann <ann@example.org>|a écrit :",
        "Le mer. 5 nov. ? 12:11, Ann Lee a ?crit :",
        "El mar., 9 jul. 2019 a las 7:51, Ann (<ann@example.org>)|escribió:",
        "Il giovedì 8 dicembre 2016, Ann <ann@example.org>|ha scritto:",
        "Em 10 de julho de 2017 às 16:32, Ann Lee escreveu:",
        "Op 12 december 2016 19:05 schreef Ann <|ann@example.org>:",
        "Den fre. 27. okt. 2023 kl. 12.42 skrev Ann <|ann@example.org>:",
        "Dnia 27 grudnia 2016 12:08 Ann Lee <ann@example.org> napisał(a):",
        "ср, 30 апр. 2025 г. в 15:19, Ann <ann@example.org>:",
        '"Ann Lee" <ann@example.org> writes:',
        "* Ann Lee <ann@example.org> [071114 00:20]:",
        "Ann Lee wrote:",
        "wrote:",
        "-----Original Message-----",
    ],
)
def test_attributions_of_many_programs(attribution: str) -> None:
    mail = text_of(f"I will be there at noon then.||{attribution}|> Will you come?|> Ann")
    assert own_part(mail) == Own("I will be there at noon then.", "Will you come?\nAnn", False)


@pytest.mark.parametrize(
    "attribution",
    ["On Tue, 5 Mar 2001 at 10:00, Ann wrote:", "---- On Tue, 5 Mar 2001 10:00:01 ann@example.org wrote ----"],
)
def test_what_stands_below_a_dated_attribution_is_quoted_without_marks_too(attribution: str) -> None:
    mail = text_of(f"I will be there at noon then.||{attribution}||Will you come?")
    assert own_part(mail) == Own("I will be there at noon then.", "Will you come?", False)


def test_an_attribution_above_everything_leaves_the_rest_to_the_author() -> None:
    mail = text_of("Hi Ann,||Am Dienstag, 5. Juni 2023, 15:04:07 CEST schrieb Ann:||Sorry, I was in a hurry.")
    assert own_part(mail) == Own("Hi Ann,\n\nSorry, I was in a hurry.", None, False)


def test_answers_between_quotes_stay_in_order_and_answer_the_quotes_above_them() -> None:
    own = own_part(INTERLEAVED)
    assert own.text == "Hi Ann,\n\nTea, please.\n\nAt four."
    assert own.quoted == "Tea or coffee?\n\nAnd when?"


@pytest.mark.parametrize(
    ("mail", "own"),
    [
        (NOTES, Own("Yes, Thursday works.", "Lunch on Thursday?", False)),
        (OUTLOOK, Own("Fine by me, go ahead.", "Shall we start?\n\nAnn", False)),
        (FORWARDED, Own("Worth a read, all of it.", "The harbour opens in May.", True)),
        (FORWARDED.partition("\n\n")[2], Own("", "The harbour opens in May.", True)),
        ("Begin forwarded message:\n\n> The harbour opens in May.", Own("", "The harbour opens in May.", True)),
        ("Look:\n\nBegin forwarded message:\n\n> From: Ann\n> Subject: x\n>\n> May.", Own("Look:", "May.", True)),
        ("From: a@example.org\nSubject: x\n\nhello there", Own("", "hello there", True)),
        ("Decline.\n\n\tRosa Fell\n\t09/21/2000 05:29 PM", Own("Decline.", None, False)),
        (
            "Ann Lee <ann@example.org> on 05/03/2001 08:23:00 AM\nTo: Tim\ncc:\n\nSubject: Plan\n\nShall we?",
            Own("", "Shall we?", True),
        ),
        (
            "See below.\n\n----- Forwarded by Tim/NA/Firm on 05/04/2001\n03:04 PM -----\n\nThe text.",
            Own("See below.", "The text.", True),
        ),
        ("Mine above.\n---- Forwarded message ----\nTheirs.\n---- End forwarded message ----\nMine.", None),
    ],
)
def test_blocks_of_headers(mail: str, own: Own | None) -> None:
    assert own_part(mail) == (own or Own("Mine above.\n\nMine.", "Theirs.", True))


def test_what_was_passed_on_to_the_author_is_part_of_what_is_answered() -> None:
    mail = "A thorough analysis.\n\n" + OUTLOOK.partition("\n\n")[2].replace("Shall we start?\n\nAnn", FORWARDED)
    assert own_part(mail).quoted == "Worth a read, all of it.\n\nThe harbour opens in May."


@pytest.mark.parametrize(
    "text",
    [
        "> 3 people came",
        "> she said so",
        ">:(",
        "-> that way",
        "> 3 people came\nand left again",
        "angry now\n>:(",
        "go\n-> there\n>_<",
        "On Thursday:\n\nI get proper rendering",
        "From: Rome\nTo: Paris\nDate: 5 May",
        "he wrote:\nnothing at all",
        "As I wrote on 5 May 2012:\nit rains",
        "Forwarded it to you",
        "try this\n\n> x <- rnorm(10)\n> mean(x)\n[1] 0.1",
        "try this\n\n>>> import os\n>>> os.getcwd()",
        "timestamps:\n\n2024-01-15 14:30:25\n01/15/2024 at 2:30 PM",
        "# title: subject\nnote: x",
    ],
)
def test_not_a_quote(text: str) -> None:
    assert own_part(text) == Own(text, None, False)


def test_a_quoted_line_in_a_chat_that_marks_them() -> None:
    assert own_part("> the cat is out again\nnot my cat") == Own("not my cat", "the cat is out again", False)


@pytest.mark.parametrize("mark", ["Forwarded from Ann Lee:", "[Forwarded from Ann]", "↪️ Forwarded from Ann:"])
def test_messages_a_chat_program_marked_as_forwarded(mark: str) -> None:
    assert own_part(f"{mark}\nthe harbour opens") == Own("", "the harbour opens", True)


def test_the_end_of_a_quoted_line_that_was_broken_belongs_to_the_quote() -> None:
    broken = "> a very long quoted line that some mail program has broken without\nasking\n> anybody at all"
    own = own_part(f"Ann wrote:\n{broken}\n\nno way")
    assert own == Own("no way", broken.replace("> ", ""), False)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("plain words", "plain words"),
        ("> with\n> marks", "with\nmarks"),
        ("-----Original Message-----\nFrom: Ann\nSubject: Plan\n\nShall we?\n\n-- \nAnn Lee", "Shall we?"),
        ("To: a@example.org\nSubject: Plan", None),
        ("", None),
    ],
)
def test_quotes_kept_apart_by_the_source(raw: str, words: str | None) -> None:
    assert quoted_words(raw) == words


@given(st.text(alphabet=st.sampled_from("ab >:-\n\tOnFrom@<.5/")))
def test_nothing_is_invented_and_one_line_is_never_touched(text: str) -> None:
    own = own_part(text)
    written = {line.strip() for line in text.splitlines()} | {""}
    assert written >= {line.strip() for line in own.text.splitlines()}
    if "\n" not in text:
        assert own.text == text


@given(
    st.lists(st.sampled_from(["> the quoted words", ">", "", "my own words", "On 5 May 2001, Ann wrote:"]), min_size=2)
)
def test_quoted_words_are_never_the_authors(lines: list[str]) -> None:
    own = own_part("\n".join(lines))
    assert "the quoted words" not in own.text
    assert own.text.count("my own words") == lines.count("my own words")
    assert "my own words" not in (own.quoted or "")


@pytest.mark.parametrize(
    "line", ["-" * 100_000 + "x", "> " * 50_000 + "x", "<a@b " * 20_000 + ":", "a/" * 50_000 + " x"]
)
def test_odd_lines_take_no_time(line: str) -> None:
    assert line.rsplit(maxsplit=1)[-1] in (own := own_part(f"{line}\nhello")).text or own.quoted


def test_real_mail_of_many_programs(corpora: Path) -> None:
    folder = corpora / "exports/email-replies/crisp-oss__email-reply-parser/fixtures"
    for path in sorted(folder.glob("*.txt")):
        own = own_part(path.read_text(encoding="utf-8"))
        theirs = ("Etiam non sagittis", "query for lastLocation", "The Google Apps Sync Team")
        shown = "sent from my wiko" not in own.text.lower()  # one without any mark but that
        assert not any(words in own.text for words in theirs if shown), path.name


def test_real_tails_lose_their_headers(corpora: Path) -> None:
    path = corpora / "authors/email/enron-ucb/messages.jsonl"
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    words = [quoted_words(row["quoted_tail"]) for row in rows if row["quoted_tail"]]
    left = [text for text in words if text and ("Forwarded by" in text or "Subject:" in text)]
    assert len(words) > 600
    assert len(left) <= 0.02 * len(words)
