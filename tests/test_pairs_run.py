"""The whole stage: files, summary, errors, freshness, the command; and what it makes of a chat known by heart."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from style_clone.conversation import SPLITS, Message, Pair, read_lines, read_messages, read_pairs
from style_clone.errors import AuthorNotFound, MissingStage, StorageError, TooFewPairs
from style_clone.pairs.cleaning.filters import gives_away
from style_clone.pairs.options import Options
from style_clone.pairs.run import REMEMBERED, build, is_fresh, load_summary
from style_clone.persona import Persona
from style_clone.progress import Event
from style_clone.words import Run, runs, words
from style_clone.workspace import PersonaFolder, Workspace, read_json
from tests.pairs_chats import MORNING, chat, many_chats, message, persona

GOLDEN = Path(__file__).parent / "golden" / "pairs"


def check_pairs(folder: PersonaFolder) -> None:
    """What holds of all pairs, whatever they were made of; each reply compared with each other one."""
    splits = {name: read_pairs(folder.split(name)) for name in SPLITS}
    pairs = [pair for held in splits.values() for pair in held]
    assert len({pair.key for pair in pairs}) == len(pairs)
    assert not any(gives_away(turn["content"], pair.reply) for pair in pairs for turn in pair.context)
    owners = Counter(name for name, held in splits.items() for _ in {pair.conversation for pair in held})
    assert owners.total() == len({pair.conversation for pair in pairs})
    for name, held in splits.items():
        others = [pair for other, theirs in splits.items() if other != name for pair in theirs]
        long_runs = {run for pair in others for run in runs(words(pair.reply), 12)}
        assert not any(run in long_runs for pair in held for run in runs(words(pair.reply), 12))
    holders: defaultdict[Run, list[frozenset[Run]]] = defaultdict(list)
    for pair in pairs:
        if pair.origin != "rewrite":
            shingles = frozenset(runs(words(pair.reply), 5))
            near = {id(other): other for shingle in shingles for other in holders[shingle]}
            assert not any(len(shingles & other) >= len(shingles | other) / 2 for other in near.values()), pair.reply
            for shingle in shingles:
                holders[shingle].append(shingles)


def everything(folder: PersonaFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.pairs.iterdir()}


def all_pairs(folder: PersonaFolder) -> list[Pair]:
    return [pair for name in SPLITS for pair in read_pairs(folder.split(name))]


def test_the_golden_chat_becomes_the_golden_pairs(workspace: Workspace) -> None:
    """The golden files were read by a person; after a change of the rules read them again."""
    folder = persona(workspace, read_messages(GOLDEN / "messages.jsonl"), "Nell", "Nell B")
    summary = build(folder)
    for name in SPLITS:
        assert list(read_lines(folder.split(name))) == list(read_lines(GOLDEN / f"{name}.jsonl")), name
    assert read_json(folder.pairs / "summary.json") == read_json(GOLDEN / "summary.json")
    assert load_summary(folder) == summary


def test_the_summary_adds_up(workspace: Workspace) -> None:
    messages = [*many_chats(20), message("Nell", "https://a.example", thread="x"), message("Bob", "", thread="x")]
    folder = persona(workspace, messages)
    summary = build(folder)
    assert summary.messages == len(messages)
    assert summary.author_messages == summary.used_messages + sum(summary.dropped.values()) == 61
    assert summary.dropped == {"only a link": 1}
    assert summary.ignored == {"empty": 1}
    assert summary.pairs == len(all_pairs(folder)) == 60
    for name in SPLITS:
        pairs, part = read_pairs(folder.split(name)), summary.splits[name]
        assert (part.pairs, part.conversations) == (len(pairs), len({pair.conversation for pair in pairs}))
        assert part.first_date == min(pair.date or "" for pair in pairs)
        assert sum(part.origins.values()) == part.pairs


def test_time_order_across_the_splits(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(40))
    build(folder)
    dates = [[pair.date or "" for pair in read_pairs(folder.split(name))] for name in SPLITS]
    assert all(max(before) < min(after) for before, after in pairwise(dates))


def test_same_seed_same_bytes_and_another_seed_shares_undated_writing_otherwise(workspace: Workspace) -> None:
    undated = [
        each
        for n in range(40)
        for each in chat(f"Ann: what is{n}", f"Nell: it is n{n} of course m{n} you know", start=None, thread=f"t{n}")
    ]
    folder = persona(workspace, undated)
    build(folder)
    first = everything(folder)
    build(folder)
    assert everything(folder) == first
    build(folder, options=Options(seed=1))
    assert everything(folder)["train.jsonl"] != first["train.jsonl"]


def test_too_few_pairs_names_the_number_and_leaves_what_was_there(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(20))
    build(folder)
    before = everything(folder)
    persona(workspace, [*many_chats(6), message("Nell", "https://a.example")])
    with pytest.raises(TooFewPairs, match=r"^18 usable pairs.*1 only a link") as error:
        build(folder)
    assert "prompt" in error.value.mend
    assert everything(folder) == before
    assert not [path for path in folder.root.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("conversations", "noted"), [(7, True), (17, False)])
def test_under_50_pairs_a_prompt_is_advised(workspace: Workspace, conversations: int, noted: bool) -> None:
    assert any("prompt" in note for note in build(persona(workspace, many_chats(conversations))).notes) is noted


def test_one_conversation_only_is_not_cut_and_said_so(workspace: Workspace) -> None:
    lines = [line for n in range(30) for line in (f"Ann: what{n}", f"Nell: that{n} thing{n} again")]
    summary = build(persona(workspace, chat(*lines, start=None)))
    assert [summary.splits[name].pairs for name in SPLITS] == [30, 0, 0, 0]
    assert any("nothing is held back for dev, judge, test" in note for note in summary.notes)


def test_without_messages_and_without_the_author(workspace: Workspace) -> None:
    folder = workspace.folder("nell")
    with pytest.raises(MissingStage, match="no messages"):
        build(folder)
    with pytest.raises(MissingStage, match="no pairs"):
        load_summary(folder)
    with pytest.raises(AuthorNotFound, match="Anna, Bob"):
        build(persona(workspace, chat("Anna: hi", "Bob: hello"), "Ann"))


def test_a_damaged_messages_file_is_named_with_its_line(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(8))
    with folder.messages.open("a") as file:
        file.write("{broken\n")
    with pytest.raises(StorageError, match=r"messages\.jsonl, line 49"):
        build(folder)


def test_a_full_disk_leaves_the_old_pairs(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = persona(workspace, many_chats(8))
    build(folder)
    before = everything(folder)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("style_clone.pairs.writing.write_lines", full)
    with pytest.raises(StorageError, match="disk is full"):
        build(folder, options=Options(seed=1))
    assert everything(folder) == before


def test_freshness_follows_messages_and_names(workspace: Workspace) -> None:
    folder = persona(workspace, many_chats(8))
    assert not is_fresh(folder)
    build(folder)
    assert is_fresh(folder)
    Persona(slug="nell", author="Nell", aliases=("Nell", "Nell B")).save(folder)
    assert not is_fresh(folder)
    persona(workspace, many_chats(9))
    assert not is_fresh(folder)
    build(folder)
    assert is_fresh(folder)


def test_events_carry_no_content(workspace: Workspace) -> None:
    events: list[Event] = []
    build(persona(workspace, many_chats(8)), report=events.append)
    assert events[-1].done == events[-1].total == 1
    assert not any("alpha" in event.text or "Ann" in event.text for event in events)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["Nell", "Ann"]), st.integers(0, 40), st.integers(0, 30_000)), min_size=150))
def test_whatever_comes_in_counts_add_up_and_nothing_repeats_across(
    workspace: Workspace, table: list[tuple[str, int, int]]
) -> None:
    date, messages = MORNING, list[Message]()
    for number, (author, topic, pause) in enumerate(table):
        date += timedelta(seconds=pause)
        messages.append(message(author, f"so topic{topic} is the thing we talk about", date, id=str(number)))
    folder = persona(workspace, messages)
    try:
        summary = build(folder)
    except (TooFewPairs, AuthorNotFound):
        return
    assert summary.author_messages == summary.used_messages + sum(summary.dropped.values())
    check_pairs(folder)


def irc_messages(corpora: Path) -> list[Message]:
    rows = read_lines(corpora / "authors/chat/duraspace-irc/messages.jsonl")
    return [
        Message(
            id=row["id"],
            author=row["author"],
            text=row["text"],
            thread=row["thread_id"],
            source="irc",
            channel="irc",
            date=datetime.fromisoformat(row["date"]),
        )
        for row in rows
    ]


def test_a_real_channel(workspace: Workspace, corpora: Path) -> None:
    folder = persona(workspace, irc_messages(corpora), "tdonohue")
    summary = build(folder)
    assert summary.author_messages == summary.used_messages + sum(summary.dropped.values()) == 5633
    assert summary.used_messages > 5400
    shares = [summary.splits[name].pairs / summary.pairs for name in SPLITS]
    assert all(abs(share - goal) < 0.03 for share, goal in zip(shares, (0.5, 0.1, 0.25, 0.15), strict=True))
    check_pairs(folder)


def write_golden() -> None:
    """Only for a deliberate change of the rules: `python -c 'import test_pairs_run as t; t.write_golden()'` in tests/."""
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        folder = persona(Workspace(Path(home)), read_messages(GOLDEN / "messages.jsonl"), "Nell", "Nell B")
        build(folder)
        for name, content in everything(folder).items():
            if name != REMEMBERED:
                (GOLDEN / name).write_bytes(content)
