"""Conversations, bubbles and contexts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.conversation import Message
from style_clone.pairs.cleaning.filters import gives_away
from style_clone.pairs.conversations.replies import MAX_CONTEXT_CHARACTERS, MAX_CONTEXT_TURNS, OPENING_CUE, labels
from style_clone.pairs.reading.stretches import MOST_UNDATED
from tests.pairs_chats import MORNING, chat, drafts, message, pairs_of, shown, units


def test_a_silence_of_a_day_and_five_minutes_cuts_although_the_clock_moved_only_five_minutes() -> None:
    first = message("Ann", "hi", MORNING)
    later = message("Nell", "hello", MORNING + timedelta(hours=24, minutes=5))
    assert [pair.origin for pair in pairs_of([first, later])] == ["opening"]


@pytest.mark.parametrize(("hours", "expected"), [(2.99, 1), (3, 2)])
def test_three_hours_of_silence_begin_a_new_conversation(hours: float, expected: int) -> None:
    messages = [message("Ann", "hi"), message("Nell", "yo"), message("Nell", "so", MORNING + timedelta(hours=hours))]
    assert len(units(messages)[0]) == expected


def test_threads_are_never_joined_even_when_their_times_interleave() -> None:
    messages = [
        message("Ann", "are you in", MORNING, "ann"),
        message("Bob", "lunch?", MORNING + timedelta(seconds=10), "bob"),
        message("Nell", "yes at my desk", MORNING + timedelta(seconds=20), "ann"),
        message("Nell", "noon", MORNING + timedelta(seconds=30), "bob"),
    ]
    assert [shown(pair.turns) for pair in pairs_of(messages)] == [
        ["user: are you in", "assistant: yes at my desk"],
        ["user: lunch?", "assistant: noon"],
    ]


def test_a_thread_without_dates_is_one_conversation() -> None:
    pairs = pairs_of(chat("Ann: one", "Nell: two", "Ann: three", "Nell: four", start=None))
    assert {pair.conversation for pair in pairs} == {"t"}
    assert shown(pairs[1].turns) == ["user: one", "assistant: two", "user: three", "assistant: four"]


def test_time_zones_are_compared_as_instants() -> None:
    early = message("Ann", "hi", datetime(2024, 3, 1, 12, 0, tzinfo=UTC))
    late = message("Nell", "yo", datetime(2024, 3, 1, 8, 1, tzinfo=timezone(timedelta(hours=-4))))
    (pair,) = pairs_of([late, early])
    assert shown(pair.turns) == ["user: hi", "assistant: yo"]


def test_messages_of_the_same_minute_keep_their_order() -> None:
    (pair,) = pairs_of(chat("Ann: b", "Ann: a", "Nell: c", seconds=0))
    assert shown(pair.context) == ["user: b\na"]


def test_messages_that_came_in_the_wrong_order_are_put_into_theirs() -> None:
    (pair,) = pairs_of(chat("Ann: shall we", "Nell: not today")[::-1])
    assert shown(pair.turns) == ["user: shall we", "assistant: not today"]


def test_an_undated_chat_is_cut_after_so_many_messages_for_nothing_else_ends_it() -> None:
    lines = [line for n in range(MOST_UNDATED) for line in (f"Ann: what{n}", f"Nell: that{n}")]
    found, _ = units(chat(*lines, start=None))
    assert [(unit.id, len(unit.drafts)) for unit in found] == [("t", MOST_UNDATED // 2), ("t@1", MOST_UNDATED // 2)]


def test_a_mail_thread_is_not_ended_by_silence() -> None:
    dates = [MORNING + timedelta(days=day) for day in range(3)]
    mails = [message(name, "well then", date, title="Re: boat") for name, date in zip("ANA", dates, strict=True)]
    found, _ = units(mails, "N")
    assert [len(unit.drafts) for unit in found] == [1]


def test_bubbles_become_one_reply() -> None:
    (pair,) = pairs_of(chat("Ann: up?", "Ann: hello??", "Nell: yes", "Nell: just", "Nell: barely"))
    assert shown(pair.turns) == ["user: up?\nhello??", "assistant: yes\njust\nbarely"]
    assert (pair.origin, pair.recipient, pair.date) == ("reply", "Ann", "2024-03-01T09:02:00")


def test_after_a_pause_the_author_speaks_unprompted() -> None:
    pairs = pairs_of(
        [
            *chat("Ann: up?", "Nell: yes"),
            message("Nell", "guess what", MORNING + timedelta(minutes=20)),
            message("Ann", "what", MORNING + timedelta(minutes=21)),
        ]
    )
    assert [(pair.origin, shown(pair.context)) for pair in pairs] == [
        ("reply", ["user: up?"]),
        ("opening", [f"user: {OPENING_CUE}"]),
    ]


def test_media_separates_nothing_and_is_counted() -> None:
    messages = chat("Ann: look", "Nell: wow", "Nell: <media>", "Nell: love it")
    messages[2] = message("Nell", "<media>", messages[2].date, kind="media")
    found, ledger = drafts(messages)
    assert [draft.reply for draft in found] == ["wow\nlove it"]
    assert (ledger.used, ledger.dropped()) == (2, {"media placeholder": 1})


def test_the_last_words_before_are_the_prompt_with_earlier_turns_above() -> None:
    pairs = pairs_of(chat("Nell: morning", "Ann: hi", "Nell: tea?", "Ann: please", "Nell: coming"))
    assert shown(pairs[-1].turns) == ["user: hi", "assistant: tea?", "user: please", "assistant: coming"]


def test_in_a_group_everybody_else_is_named_and_the_author_is_not() -> None:
    pairs = pairs_of(chat("Ann Lee: who is in", "Bob: me", "Nell: me too", "Bob: ok", "Nell: see you"))
    assert shown(pairs[1].turns) == [
        "user: Ann: who is in\nBob: me",
        "assistant: me too",
        "user: Bob: ok",
        "assistant: see you",
    ]
    assert pairs[0].recipient is None


def test_people_who_share_a_first_name_keep_their_whole_names() -> None:
    label = labels(["Ann Lee", "Ann Ray", "Bob Orr", "+44 7700", "Dr. Ho"], str)
    assert [label(name) for name in ("Ann Lee", "Bob Orr", "+44 7700", "Dr. Ho")] == [
        "Ann Lee",
        "Bob",
        "+44 7700",
        "Dr. Ho",
    ]


def test_the_message_replied_to_is_the_prompt_whatever_came_between() -> None:
    question, noise, other = chat("Ann: shall we sell the boat", "Bob: nice weather", "Ann: very")
    reply = message("Nell", "never", MORNING + timedelta(minutes=3), in_reply_to=question.id)
    (pair,) = pairs_of([question, noise, other, reply])
    assert shown(pair.context) == ["user: Bob: nice weather\nAnn: very\nAnn: shall we sell the boat"]


def test_a_reply_days_later_still_has_its_prompt() -> None:
    question = message("Ann", "does it build for you")
    reply = message("Nell", "it does now", MORNING + timedelta(days=2), in_reply_to=question.id, title="Re: build")
    (pair,) = pairs_of([question, reply])
    assert (pair.origin, shown(pair.context)) == ("reply", ["user: does it build for you"])


def test_two_messages_replied_to_make_two_pairs() -> None:
    one, two = chat("Ann: tea or coffee", "Ann: and cake?")
    answers = [
        message("Nell", "tea", MORNING + timedelta(minutes=2), in_reply_to=one.id),
        message("Nell", "obviously", MORNING + timedelta(minutes=2), in_reply_to=two.id),
    ]
    assert [(pair.context[-1]["content"].splitlines()[-1], pair.reply) for pair in pairs_of([one, two, *answers])] == [
        ("tea or coffee", "tea"),
        ("and cake?", "obviously"),
    ]


@pytest.mark.parametrize(
    "reply", ["ann: it is", "Ann - it is", "@ann it is", "ann, it is", "it is @ann", "it is, Ann!", "thanks ann"]
)
def test_whom_the_author_addresses_by_name_is_answered(reply: str) -> None:
    (pair,) = pairs_of(chat("ann: is the build green", "bob: lunch", f"Nell: {reply}"))
    assert shown(pair.context) == ["user: bob: lunch\nann: is the build green"]


@pytest.mark.parametrize("reply", ["i met ann", "ask ann about it", "mail me at x@ann.example"])
def test_whom_the_author_only_mentions_is_not(reply: str) -> None:
    (pair,) = pairs_of(chat("ann: is the build green", "bob: lunch", f"Nell: {reply}"))
    assert shown(pair.context) == ["user: ann: is the build green\nbob: lunch"]


def test_what_a_mail_quotes_is_its_prompt_rather_than_the_whole_mail_quoted_from() -> None:
    asked = message("Ann", "First the fence. Then the gate. Shall we paint it?", title="Re: gate")
    reply = message(
        "Nell",
        "green please",
        in_reply_to=asked.id,
        title="Re: gate",
        quoted="Shall we paint it?",
        date=MORNING + timedelta(days=2),
    )
    (pair,) = pairs_of([asked, reply])
    assert shown(pair.turns) == ["user: Shall we paint it?", "assistant: green please"]


def test_a_quote_is_the_prompt_where_the_mail_it_is_from_is_not_there() -> None:
    (pair,) = pairs_of([message("Nell", "> Shall we paint it?\n\ngreen please", title="Re: gate", recipient="Ann")])
    assert (shown(pair.turns), pair.origin) == (["user: Shall we paint it?", "assistant: green please"], "reply")


def test_interrupted_by_others_each_part_is_a_reply_to_what_came_before_it() -> None:
    pairs = pairs_of(chat("Ann: next topic", "Nell: so the release", "Bob: friday", "Nell: is on monday"))
    assert shown(pairs[1].turns) == [
        "user: Ann: next topic",
        "assistant: so the release",
        "user: Bob: friday",
        "assistant: is on monday",
    ]


def test_the_context_is_bounded_in_turns_and_characters() -> None:
    many = chat(*(f"{'Ann' if n % 2 else 'Nell'}: word{n}" for n in range(200)), "Nell: end")
    longest = max(pairs_of(many), key=lambda pair: len(pair.context))
    assert MAX_CONTEXT_TURNS / 2 < len(longest.context) <= MAX_CONTEXT_TURNS
    (pair,) = pairs_of(chat("Ann: start " + "x" * 3000, "Ann: " + "y " * 1500 + "end?", "Nell: ok", seconds=400))
    assert sum(len(turn["content"]) for turn in pair.context) <= MAX_CONTEXT_CHARACTERS
    assert pair.context[-1]["content"].endswith("end?")


def test_contexts_of_a_long_conversation_begin_together() -> None:
    """Else the cost of training on it grows with the square of its length."""
    pairs = pairs_of(chat(*(f"{'Ann' if n % 2 else 'Nell'}: word{n}" for n in range(1, 301))))
    beginnings = {pair.context[0]["content"] for pair in pairs}
    assert len(beginnings) < len(pairs) / 8


def test_a_prompt_longer_than_the_context_keeps_its_end() -> None:
    (pair,) = pairs_of(chat("Ann: " + "blah " * 700 + "\n" + "more " * 500 + "will you come?", "Nell: no"))
    assert pair.context[-1]["content"].endswith("will you come?")
    assert len(pair.context[-1]["content"]) <= MAX_CONTEXT_CHARACTERS


def test_the_target_is_never_in_its_prompt() -> None:
    secret = "the gate code is seven four nine"
    found, ledger = drafts(
        [
            *chat(f"Ann: did you say {secret}?", f"Nell: {secret}"),
            *chat(f"Ann: you wrote {secret}", "Ann: what then", f"Nell: {secret}", thread="u", seconds=400),
        ]
    )
    assert [draft.pair() for draft in found] == [None, None]
    assert ledger.dropped() == {"repeats its own prompt": 2}


def test_an_earlier_turn_that_holds_the_target_is_cut_off() -> None:
    line = "i am on my way to yours now"
    found, ledger = drafts(chat("Ann: where", f"Nell: {line}", "Ann: still?", f"Nell: {line}"))
    assert ledger.mended.total() == 1
    assert [shown(draft.prompt(draft.reply) or []) for draft in found] == [["user: where"], ["user: still?"]]


def test_a_yes_may_be_answered_with_a_yes() -> None:
    assert [pair.reply for pair in pairs_of(chat("Ann: yes?", "Nell: yes"))] == ["yes"]


names = st.sampled_from(["Nell", "Ann", "Bob"])
texts = st.sampled_from(
    ["", "hi", "https://a.example/x", "yes", "long " * 230, "so " * 50, "well i never did such a thing"]
)
rows = st.lists(
    st.tuples(names, texts, st.integers(0, 20_000), st.sampled_from(["t", "u"]), st.integers(0, 30)), max_size=40
)


def _messages(table: list[tuple[str, str, int, str, int]]) -> list[Message]:
    date = MORNING
    made = []
    for number, (name, text, pause, thread, answered) in enumerate(table):
        date += timedelta(seconds=pause)
        made.append(message(name, text, date, thread, id=f"{number}", in_reply_to=f"{answered}"))
    return made


@given(rows)
def test_whatever_is_said_pairs_are_well_formed_and_every_message_is_accounted_for(
    table: list[tuple[str, str, int, str, int]],
) -> None:
    messages = _messages(table)
    found, ledger = drafts(messages)
    assert ledger.used + sum(ledger.dropped().values()) == sum(each.author == "Nell" for each in messages)
    for pair in filter(None, (draft.pair() for draft in found)):
        roles = [turn["role"] for turn in pair.turns]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(turn["content"].strip() for turn in pair.turns)
        assert not any(gives_away(turn["content"], pair.reply) for turn in pair.context)
