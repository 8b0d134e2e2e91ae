"""Which drafts become pairs: repeats, openings, stock replies, contacts, and how many."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from style_clone.conversation import SPLITS, Message, Pair, read_pairs, write_lines
from style_clone.pairs.choosing.split import SHARES
from style_clone.pairs.documents.written import REWRITE_PROMPT, chunk_hash
from style_clone.pairs.edits import Edits
from style_clone.pairs.options import Options
from style_clone.pairs.redact import Policy
from style_clone.pairs.run import build, is_fresh
from style_clone.workspace import PersonaFolder, Workspace
from tests.pairs_chats import MORNING, chat, many_chats, message, persona

_days = count()


def day(*lines: str, thread: str = "t") -> list[Message]:
    """A conversation on a day of its own, later than all before."""
    return chat(*lines, start=MORNING + timedelta(days=next(_days)), thread=thread)


def replies(folder: PersonaFolder, *names: str) -> list[str]:
    return [pair.reply for name in SPLITS if name in (names or SPLITS) for pair in read_pairs(folder.split(name))]


def pairs(folder: PersonaFolder) -> list[Pair]:
    return [pair for name in SPLITS for pair in read_pairs(folder.split(name))]


def test_what_is_said_again_is_there_once_and_train_keeps_it(workspace: Workspace) -> None:
    stock = "my train is late again so start without me"
    messages = many_chats(100)
    for index in (3, 55, 70, 95, 96):
        messages[6 * index + 1] = message("Nell", stock, messages[6 * index + 1].date)
    folder = persona(workspace, messages)
    summary = build(folder)
    assert replies(folder, "train").count(stock) == replies(folder).count(stock) == 1
    assert {key: value for key, value in summary.dropped.items() if "near-duplicate" in key} == {
        "near-duplicate (test)": 2,
        "near-duplicate (judge)": 1,
        "near-duplicate (dev)": 1,
    }


def test_short_answers_are_no_repeats(workspace: Workspace) -> None:
    folder = persona(
        workspace,
        [each for n in range(30) for each in day(f"Ann: coming{n}?", "Nell: sure", f"Ann: when{n}", "Nell: soon")],
    )
    build(folder)
    assert set(replies(folder, "test")) == {"sure", "soon"}


def test_a_stock_reply_is_capped_in_train_and_nowhere_else(workspace: Workspace) -> None:
    messages = [
        *many_chats(100),
        *(
            each
            for n in range(100)
            for each in chat(f"Ann: really{n}?", "Nell: ok lol", start=MORNING + timedelta(days=n, hours=5))
        ),
    ]
    folder = persona(workspace, messages)
    summary = build(folder)
    assert replies(folder, "train").count("ok lol") == 3
    assert replies(folder, "test").count("ok lol") >= 14
    assert summary.dropped["the same short reply too often (train)"] >= 40


def test_one_contact_does_not_drown_the_others(workspace: Workspace) -> None:
    messages = many_chats(1600, replies=2)
    for name in ("Bob", "Cleo"):
        for n in range(100):
            messages += chat(
                f"{name}: what{name}{n}",
                f"Nell: that {name}{n} thing{n} of{n} yours{n}",
                start=MORNING + timedelta(days=n),
                thread=name,
            )
    folder = persona(workspace, messages)
    summary = build(folder)
    contacts = Counter(pair.recipient for pair in read_pairs(folder.split("train")))
    assert contacts["Ann"] == 1000
    assert contacts["Bob"] > 90
    assert summary.dropped["one contact beyond half of train"] > 100
    assert Counter(pair.recipient for pair in read_pairs(folder.split("judge")))["Ann"] > 700


def test_openings_are_a_tenth_at_most(workspace: Workspace) -> None:
    messages = [
        each for n in range(90) for each in day(f"Nell: guess{n} what{n}", f"Ann: what{n}", f"Nell: that{n} thing{n}")
    ]
    folder = persona(workspace, messages)
    summary = build(folder)
    for name in SPLITS:
        origins = summary.splits[name].origins
        assert origins.get("opening", 0) <= origins["reply"] / 9
    assert summary.dropped["opening beyond a tenth of the pairs"] >= 75


def test_over_the_limit_a_subset_keeps_the_shares_and_the_lengths(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(300))
    everything = build(folder, options=Options(keep=None))
    some = build(folder, options=Options(keep=200))
    assert everything.pairs == 900
    assert {name: part.pairs for name, part in some.splits.items()} == {name: 200 * SHARES[name] for name in SPLITS}
    assert some.dropped == {"beyond the 200 pairs that are kept": 700}
    assert everything.lengths["before"] == everything.lengths["after"] == some.lengths["before"]
    assert sum(some.lengths["after"]) == 200
    assert build(folder, options=Options(keep=200)) == some


@pytest.mark.parametrize("keep", [900, 901, None])
def test_at_the_limit_nothing_is_left_out(workspace: Workspace, keep: int | None) -> None:
    assert not build(persona(workspace, many_chats(300)), options=Options(keep=keep)).dropped


def test_rewrites_are_a_fifth_of_train_and_nowhere_else(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(100, replies=2))
    long = [
        message(each.author, f"{each.text} and so it goes on{n} with us{n} all day", each.date)
        for n, each in enumerate(many_chats(100, replies=2))
    ]
    persona(workspace, long)
    with folder.backtranslations.open("w", encoding="utf-8") as file:
        write_lines(
            file, ({"sha256": chunk_hash(each.text), "prompt": "they do not know", "kind": "rewrite"} for each in long)
        )
    summary = build(folder)
    assert summary.splits["train"].origins == {"reply": 100, "rewrite": 25}
    rewrites = [pair for pair in pairs(folder) if pair.origin == "rewrite"]
    assert {pair.context[-1]["content"] for pair in rewrites} == {REWRITE_PROMPT.format(paraphrase="they do not know")}
    assert {pair.asked_by for pair in rewrites} == {"model"}
    assert {pair.reply for pair in rewrites} < set(replies(folder, "train"))
    assert summary.author_messages == summary.used_messages + sum(summary.dropped.values())


def test_a_real_channel_loses_no_message_unaccounted_for(workspace: Workspace, corpora: Path) -> None:
    from tests.test_pairs_run import irc_messages

    summary = build(persona(workspace, irc_messages(corpora), "mhwood"), options=Options(keep=1000))
    assert summary.pairs <= 1000
    assert summary.author_messages == summary.used_messages + sum(summary.dropped.values())


def test_only_replies_in_the_language_asked_for(workspace: Workspace) -> None:
    messages = many_chats(30)
    foreign = "Ich komme morgen leider erst gegen acht Uhr abends nach Hause und bringe Brot mit"
    for index in range(1, len(messages), 12):
        messages[index] = message("Nell", f"{foreign} {index}", messages[index].date)
    folder = persona(workspace, messages)
    build(folder)
    assert any("Brot" in reply for reply in replies(folder, *SPLITS))
    summary = build(folder, options=Options(language="en"))
    assert summary.dropped["in another language"] == len(range(1, len(messages), 12))
    assert not any("Brot" in reply for reply in replies(folder, *SPLITS))


def test_what_is_masked_is_masked_everywhere_and_follows_the_users_wishes(workspace: Workspace) -> None:
    messages = many_chats(30)
    messages[1] = message("Nell", "the token is ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2, messages[1].date)
    messages[7] = message("Nell", "mail me at nell@mail.example about project falcon please", messages[7].date)
    messages[8] = message("Bob Orr", "Bob Orr was here and left", messages[8].date)
    messages[9] = message("Nell", "i told you that Bob Orr had the keys all along", messages[9].date)
    folder = persona(workspace, messages)
    summary = build(folder)
    said = "\n".join(replies(folder, *SPLITS))
    assert "ghp_" not in said
    assert "<email> about project falcon" in said
    assert "i told you that <person-2> had the keys" in said
    assert summary.redacted["secret"] >= 1
    Policy(words=("project falcon",), off=("email", "person")).save(folder)
    assert not is_fresh(folder)
    build(folder)
    said = "\n".join(replies(folder, *SPLITS))
    assert "nell@mail.example about <word>" in said
    assert "told you that Bob Orr had" in said
    assert "ghp_" not in said


def test_edits_are_made_again_at_every_build(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(30))
    build(folder)
    first, second, *_ = pairs(folder)
    Edits().exclude(first.key).rewrite(second.key, "something else altogether").save(folder)
    assert not is_fresh(folder)
    for _ in range(2):
        summary = build(folder)
        assert first.key not in {pair.key for pair in pairs(folder)}
        assert {pair.key: pair.reply for pair in pairs(folder)}[second.key] == "something else altogether"
        assert summary.dropped == {"left out by you": 1}
