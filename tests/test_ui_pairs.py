"""The second step's handlers: a list to browse, a pair in full, edits that are remembered and then applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from style_clone.conversation import SPLITS, Origin, Pair, Split, Turn, write_lines
from style_clone.errors import MissingStage, StorageError, TooFewPairs, UsageError
from style_clone.pairs.edits import Edits
from style_clone.pairs.summary import LENGTH_NAMES
from style_clone.progress import Event
from style_clone.ui.chart import bar_chart
from style_clone.ui.handlers import pairs
from style_clone.ui.handlers.overview import lasting, overview
from style_clone.ui.handlers.pairs import PAGE_ROWS, Opened, any_pair, apply, browse, change, open_pair, pending, step
from style_clone.ui.handlers.shelf import Shelf, Wanted
from style_clone.workspace import PersonaFolder, Workspace, write_json

ALL = Wanted()
NASTY = "<script>alert('x')</script> <b onclick=\"evil()\">**bold**</b> ${1} {{this}} 'quoted'"


def pair(number: int, reply: str, said: str = "so?", origin: Origin = "reply", recipient: str = "Ann") -> Pair:
    turns: tuple[Turn, ...] = ({"role": "user", "content": said}, {"role": "assistant", "content": reply})
    return Pair(turns, f"m{number}", f"t#{number // 3}", origin, "chat.txt", "chat", "2024-03-01T09:00:00", recipient)


def write_pairs(folder: PersonaFolder, **splits: Sequence[Pair]) -> None:
    """Files as a build leaves them, without the messages they were made from."""
    write_json(folder.persona, {"slug": folder.slug, "author": "Nell", "aliases": ["Nell"]})
    folder.pairs.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        with folder.split(name).open("w", encoding="utf-8") as file:
            write_lines(file, (each.to_json() for each in splits.get(name, ())))
    part = {"pairs": 3, "conversations": 1, "words": 9, "first_date": None, "last_date": "2024-03-01T09:00:00"}
    row = {"author": "Nell <b>", "messages": 90, "author_messages": 40, "used_messages": 35, "conversations": 12}
    row |= {"pairs": 33, "dropped": {"too <long>": 5}, "ignored": {}, "mended": {}, "notes": ["few & small"]}
    write_json(folder.pairs / "summary.json", {**row, "splits": dict.fromkeys(SPLITS, part)})


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    """Thirty pairs to train on, two to test on."""
    folder = workspace.folder("nell")
    train = [pair(number, f"reply number {number}") for number in range(30)]
    train[7] = pair(7, "Über STRASSE\nand on", "where to?", origin="opening", recipient="Bob")
    write_pairs(folder, train=train, test=[pair(40, "held back"), pair(41, "this as well")])
    return folder


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def key(number: int) -> str:
    return pair(number, "").key


def count(listing: pairs.Listing) -> int:
    return listing.html.count('data-act="open"')


def test_the_list_comes_in_pages(shelf: Shelf, folder: PersonaFolder) -> None:
    first = browse(shelf, folder, ALL, 0)
    assert (count(first), first.told, first.page, first.pages) == (PAGE_ROWS, "1-25 of 32", 0, 2)
    last = browse(shelf, folder, ALL, 99, key(41))
    assert (count(last), last.told, last.page) == (7, "26-32 of 32", 1)
    assert last.html.count("aria-current") == 1
    assert browse(shelf, folder, ALL, -3) == first


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(split="train"), "1-25 of 30"),
        (Wanted(split="test"), "1-2 of 2"),
        (Wanted(split="dev"), ""),
        (Wanted(origin="opening"), "1-1 of 1"),
        (Wanted(query="  STRASSE "), "1-1 of 1"),
        (Wanted(query="WHERE to"), "1-1 of 1"),
        (Wanted(query="bob"), "1-1 of 1"),
        (Wanted(split="test", query="as well"), "1-1 of 1"),
        (Wanted(query="no such words"), ""),
        (Wanted(changed=True), ""),
    ],
)
def test_the_list_is_filtered(shelf: Shelf, folder: PersonaFolder, wanted: Wanted, told: str) -> None:
    listing = browse(shelf, folder, wanted, 0)
    assert listing.told == told
    assert ("No pair is like that" in listing.html) == (not told)


def test_a_reply_is_shown_bubble_by_bubble(shelf: Shelf, folder: PersonaFolder) -> None:
    html = browse(shelf, folder, Wanted(origin="opening"), 0).html
    assert "<span>Über STRASSE</span><span>and on</span>" in html
    for shown in ("where to?", "Bob", "01 Mar 2024", "opening", "a person"):
        assert shown in html


def test_files_made_anew_are_seen(shelf: Shelf, folder: PersonaFolder) -> None:
    assert browse(shelf, folder, ALL, 0).told.endswith("of 32")
    write_pairs(folder, train=[pair(1, "only one")])
    assert browse(shelf, folder, ALL, 0).told == "1-1 of 1"
    with pytest.raises(MissingStage, match="no longer there"):
        open_pair(shelf, folder, ALL, key(40))


def test_a_pair_in_full_shows_what_carries_loss(shelf: Shelf, folder: PersonaFolder) -> None:
    now = open_pair(shelf, folder, ALL, key(7))
    loss = now.html.partition("sc-loss")[2]
    assert "<p>Über STRASSE</p><p>and on</p>" in loss
    assert "where to?" not in loss
    assert "Pair 8 of 32" in now.html
    assert now.reply == "Über STRASSE\nand on"
    assert not (now.edited or now.left_out or now.is_first or now.is_last)
    assert "carries loss" in now.html
    assert "measured on this pair" not in now.html
    assert "learns nothing from it" in open_pair(shelf, folder, ALL, key(40)).html
    assert "measured on this pair" in open_pair(shelf, folder, ALL, key(40)).html


def test_one_pair_leads_to_the_next_and_the_list_ends(shelf: Shelf, folder: PersonaFolder) -> None:
    assert open_pair(shelf, folder, ALL, key(0)).is_first
    assert step(shelf, folder, ALL, Opened(key(0), 0), 1).opened == Opened(key(1), 1)
    assert step(shelf, folder, ALL, Opened(key(0), 0), -1).opened == Opened(key(0), 0)
    last = step(shelf, folder, ALL, Opened(key(40), 30), 1)
    assert last.opened == Opened(key(41), 31)
    assert last.is_last


def test_an_edit_that_takes_a_pair_from_the_list_does_not_lose_the_place(shelf: Shelf, folder: PersonaFolder) -> None:
    wanted = Wanted(query="reply number 1")
    opened = open_pair(shelf, folder, wanted, key(10)).opened
    assert opened.position == 1
    change(shelf, folder, "rewrite", key(10), "nothing of the kind")
    assert open_pair(shelf, folder, wanted, key(10), opened.position).opened == opened
    assert step(shelf, folder, wanted, opened, 1).opened.key == key(11)
    assert step(shelf, folder, wanted, opened, -1).opened.key == key(1)


def test_chance_reaches_many_pairs_and_can_be_repeated(shelf: Shelf, folder: PersonaFolder) -> None:
    drawn = [any_pair(shelf, folder, ALL, draw).opened.key for draw in range(40)]
    assert drawn == [any_pair(Shelf(), folder, ALL, draw).opened.key for draw in range(40)]
    assert len(set(drawn)) > 10
    with pytest.raises(UsageError, match="no pair"):
        any_pair(shelf, folder, Wanted(query="no such words"), 0)


def test_edits_are_remembered_shown_and_undone(shelf: Shelf, folder: PersonaFolder) -> None:
    change(shelf, folder, "exclude", key(3))
    change(shelf, folder, "rewrite", key(4), " better\r\nlike this ")
    edits = Edits.load(folder)
    assert edits.excluded == {key(3)}
    assert edits.replies == {key(4): "better\nlike this"}
    assert edits.was[key(4)].pair.reply == "reply number 4"
    changed = browse(Shelf(), folder, Wanted(changed=True), 0)
    assert changed.told == "1-2 of 2"
    assert "left out" in changed.html
    assert "Take back" in changed.html
    assert browse(shelf, folder, Wanted(query="like this"), 0).told == "1-1 of 1"
    now = open_pair(shelf, folder, ALL, key(4))
    assert (now.reply, now.edited) == ("better\nlike this", True)
    assert "reply number 4" in now.html.partition("As you wrote it")[2]
    assert "2 changes" in pending(shelf, folder).button
    change(shelf, folder, "include", key(3))
    change(shelf, folder, "undo", key(4))
    assert not folder.edits.exists()


def test_writing_what_was_there_is_no_edit(shelf: Shelf, folder: PersonaFolder) -> None:
    change(shelf, folder, "rewrite", key(4), "better")
    change(shelf, folder, "rewrite", key(4), "reply number 4\n")
    assert not folder.edits.exists()
    with pytest.raises(UsageError, match="cannot be empty"):
        change(shelf, folder, "rewrite", key(4), " ")


def build(folder: PersonaFolder, train: Sequence[Pair]) -> None:
    """What a build does with edits, in a line."""
    edits = Edits.load(folder)
    kept = [each for each in train if each.key not in edits.excluded]
    turns = [(each, edits.replies.get(each.key, each.reply)) for each in kept]
    write_pairs(folder, train=[replace(each, turns=pair(0, reply).turns) for each, reply in turns])


def test_what_a_build_left_out_can_be_brought_back(shelf: Shelf, folder: PersonaFolder) -> None:
    train = [pair(number, f"reply number {number}") for number in range(5)]
    write_pairs(folder, train=train)
    change(shelf, folder, "exclude", key(3))
    change(shelf, folder, "rewrite", key(4), "better")
    build(folder, train)
    listing = browse(shelf, folder, ALL, 0)
    assert listing.told == "1-5 of 5"
    assert "reply number 3" in listing.html
    now = open_pair(shelf, folder, ALL, key(3))
    assert now.left_out
    assert "nothing is made of it" in now.html
    assert now.is_last
    assert "Apply" not in pending(shelf, folder).button
    assert open_pair(shelf, folder, ALL, key(4)).edited
    change(shelf, folder, "include", key(3))
    assert pending(shelf, folder).button == "Apply 1 change"
    change(shelf, folder, "undo", key(4))
    assert pending(shelf, folder).button == "Apply 2 changes"
    assert open_pair(shelf, folder, ALL, key(4)).reply == "reply number 4"
    build(folder, train)
    assert browse(shelf, folder, ALL, 0).told == "1-5 of 5"
    assert "Apply" not in pending(shelf, folder).button


def test_applying_is_told_as_it_goes(shelf: Shelf, folder: PersonaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(_: PersonaFolder, *, report: Any) -> None:
        report(Event("pairs", "cutting <threads>", 1, 2))
        raise TooFewPairs("3 usable pairs", mend="Take some back in.")

    monkeypatch.setattr(pairs, "prepare", prepare)
    change(shelf, folder, "exclude", key(3))
    change(shelf, folder, "include", key(3))
    change(shelf, folder, "exclude", key(4))
    before = Edits.load(folder)
    told: list[str] = []
    with pytest.raises(TooFewPairs):
        told.extend(apply(shelf, folder))
    assert Edits.load(folder) == before, "an apply that failed forgets nothing"
    steps = apply(shelf, folder)
    assert "progressbar" in next(steps)
    assert "cutting &lt;threads&gt;" in next(steps)


def test_pairs_in_use_are_left_alone(shelf: Shelf, folder: PersonaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs.jobs, "running", lambda _: object())
    with pytest.raises(UsageError, match="being trained"):
        next(apply(shelf, folder))


@pytest.mark.parametrize("split", ["train", "test"])
def test_no_text_becomes_markup(shelf: Shelf, workspace: Workspace, split: Split) -> None:
    folder = workspace.folder("nell")
    nasty = Pair(
        (
            *({"role": "user", "content": NASTY} for _ in range(9)),
            {"role": "assistant", "content": f"{NASTY}\n{NASTY}"},
        ),
        NASTY,
        NASTY,
        "reply",
        NASTY,
        NASTY,
        "2024-03-01",
        NASTY,
    )
    write_pairs(folder, **{split: [nasty]})
    change(shelf, folder, "rewrite", nasty.key, NASTY)
    shown = [browse(shelf, folder, ALL, 0).html, open_pair(shelf, folder, ALL, nasty.key).html]
    for html in (*shown, overview(workspace, "nell")):
        assert "<script" not in html
        assert "<b onclick" not in html
        assert 'evil()"' not in html
        assert "<strong>bold" not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in shown[0]
    assert "too &lt;long&gt;" in html


def test_the_overview_tells_what_went_in_and_came_out(workspace: Workspace, folder: PersonaFolder) -> None:
    html = overview(workspace, "nell")
    for shown in (
        "90",
        "40",
        "35",
        "33",
        "too &lt;long&gt;",
        "train: the model learns",
        "01 Mar 2024",
        "Few &amp; small",
    ):
        assert shown in html
    assert "How long" not in html
    row = json.loads((folder.pairs / "summary.json").read_text(encoding="utf-8"))
    row |= {"lengths": {"before": [9] * 7, "after": [4] * 7}, "gap_seconds": 9000.0, "gap_learned": True}
    row |= {"gap_histogram": [[10.0, 0], [60.0, 7], [90_000.0, 3], [1e6, 0]], "redacted": {"phone": 2}}
    write_json(folder.pairs / "summary.json", row)
    html = overview(workspace, "nell")
    for shown in (
        "Before the selection <b>63",
        "After <b>28",
        "after 2.5 h of silence",
        "Pauses <b>10",
        "1 d",
        "phone",
    ):
        assert shown in html


def test_without_pairs_the_first_step_is_named(workspace: Workspace, shelf: Shelf) -> None:
    assert "step 1" in overview(workspace, None)
    folder = workspace.folder("ann")
    write_json(folder.persona, {})
    assert "ann has no pairs yet" in overview(workspace, "ann")
    assert pending(shelf, folder) == pairs.Pending()
    with pytest.raises(MissingStage, match="no pairs yet"):
        browse(shelf, folder, ALL, 0)


def test_damage_is_told(workspace: Workspace, shelf: Shelf, folder: PersonaFolder) -> None:
    folder.split("dev").write_text('{"messages": [', encoding="utf-8")
    with pytest.raises(StorageError, match="dev.jsonl is damaged"):
        browse(shelf, folder, ALL, 0)
    write_json(folder.pairs / "summary.json", {"pairs": 3})
    with pytest.raises(MissingStage, match="another version"):
        overview(workspace, "nell")


def test_times_are_spelled_in_their_largest_unit() -> None:
    assert [lasting(seconds) for seconds in (20, 90, 10_800, 200_000)] == ["20 s", "1.5 min", "3 h", "2.3 d"]


def test_bars_stand_on_the_ground_and_are_read_aloud() -> None:
    chart = bar_chart({"a <b>": range(7), "c": [0] * 7}, LENGTH_NAMES, x_name="words", y_name="Replies")
    assert chart.count("<rect") == 2 * 2 * 7
    assert chart.count('height="0.0"') == 2 * 8
    assert "a &lt;b&gt;: 1-2 0, 3-5 1" in chart
    assert bar_chart({"a": [0, 0]}, ("x", "y"), x_name="", y_name="") == ""
