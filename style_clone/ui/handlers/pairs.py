"""The second step: look through the pairs, leave some out, write some anew, and make the pairs with that."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from style_clone import jobs
from style_clone.errors import StyleCloneError, UsageError
from style_clone.pairs.edits import Edits
from style_clone.preparation import Prepared, prepare
from style_clone.ui.handlers.overview import day
from style_clone.ui.handlers.shelf import Entry, Shelf, Wanted, said
from style_clone.ui.handlers.watching import watch
from style_clone.ui.markup import notice, progress_bar
from style_clone.ui.pair_markup import ASKERS, ORIGINS, Row, conversation, pair_list, shorten
from style_clone.workspace import PersonaFolder

PAGE_ROWS = 25
Act = Literal["exclude", "include", "rewrite", "undo"]


@dataclass(frozen=True)
class Listing:
    """A page of the list: its rows as HTML, what it shows in words, and where it stands among `pages`, from 0."""

    html: str = ""
    told: str = ""
    page: int = 0
    pages: int = 0


@dataclass(frozen=True)
class Opened:
    """Which pair is open, and its place in the list it was opened from."""

    key: str
    position: int


@dataclass(frozen=True)
class Open:
    """One pair in full, with what can be done about it."""

    opened: Opened
    html: str
    reply: str
    edited: bool
    left_out: bool
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class Pending:
    """What the pairs on file do not have yet: a notice, and the button's words; both empty where nothing is missing."""

    html: str = ""
    button: str = ""


def browse(shelf: Shelf, folder: PersonaFolder, wanted: Wanted, page: int, current: str | None = None) -> Listing:
    """The page asked for, or the nearest there is; the row of `current` is marked. Raises MissingStage, StorageError."""
    edits = Edits.load(folder)
    keys = shelf.keys(folder, edits, wanted)
    pages = -(-len(keys) // PAGE_ROWS)
    page = max(0, min(page, pages - 1))
    begin = page * PAGE_ROWS
    shown = keys[begin : begin + PAGE_ROWS]
    if not shown:
        return Listing(notice("No pair is like that.", "Search for something else, or show all of them."))
    rows = [_row(shelf.entry(folder, edits, key), is_current=key == current) for key in shown]
    return Listing(pair_list(rows), f"{begin + 1:,}-{begin + len(shown):,} of {len(keys):,}", page, pages)


def open_pair(shelf: Shelf, folder: PersonaFolder, wanted: Wanted, key: str, position: int | None = None) -> Open:
    """One pair in full. `position` is where it stood in the list, if that is known and the list may have changed since."""
    edits = Edits.load(folder)
    keys = shelf.keys(folder, edits, wanted)
    if key in keys:
        position = keys.index(key)
    entry, place = shelf.entry(folder, edits, key), position or 0
    title = f"Pair {place + 1:,} of {len(keys):,}" if key in keys else "A pair outside the list"
    html = conversation(title, _facts(entry), entry.pair, entry.original, _use(entry))
    return Open(
        Opened(key, place),
        _held_back(entry) + html,
        entry.pair.reply,
        entry.edited,
        entry.left_out,
        is_first=place == 0,
        is_last=place >= len(keys) - (key in keys),
    )


def step(shelf: Shelf, folder: PersonaFolder, wanted: Wanted, opened: Opened, by: Literal[-1, 1]) -> Open:
    """The pair after (1) or before (-1) the open one, also where an edit has taken that one from the list."""
    keys = shelf.keys(folder, Edits.load(folder), wanted)
    if not keys:
        raise UsageError("no pair is left in this list", mend="Go back to the list and show all of them.")
    place = keys.index(opened.key) + by if opened.key in keys else opened.position - (by == -1)
    return open_pair(shelf, folder, wanted, keys[max(0, min(place, len(keys) - 1))])


def any_pair(shelf: Shelf, folder: PersonaFolder, wanted: Wanted, draw: int) -> Open:
    """A pair picked by chance; the same for the same `draw`."""
    keys = shelf.keys(folder, Edits.load(folder), wanted)
    if not keys:
        raise UsageError("there is no pair to pick from", mend="Search for something else, or show all of them.")
    return open_pair(shelf, folder, wanted, random.Random(draw).choice(keys))


def change(shelf: Shelf, folder: PersonaFolder, act: Act, key: str, reply: str = "") -> None:
    """Remember one more wish of the user's. Raises UsageError for an empty reply, MissingStage, StorageError."""
    with shelf.editing:
        edits = Edits.load(folder)
        entry = shelf.entry(folder, edits, key)
        if act == "exclude":
            edits = edits.exclude(key, entry.was)
        elif act == "include":
            edits = edits.include(key)
        elif act == "rewrite" and reply.replace("\r\n", "\n").strip() != entry.original.strip():
            edits = edits.rewrite(key, reply, entry.was)
        else:
            edits = edits.undo(key)
        # What is on file as it was before has nothing left to be remembered.
        if shelf.reply_on_file(folder, key) == entry.original:
            edits = edits.forget([key])
        edits.save(folder)


def pending(shelf: Shelf, folder: PersonaFolder) -> Pending:
    """What a build would change. Raises StorageError where a file is damaged."""
    from style_clone.pairs.run import SUMMARY, is_fresh

    if not (folder.pairs / SUMMARY).exists() or is_fresh(folder):
        return Pending()
    count = _missing(shelf, folder)
    if not count:
        told = "The pairs are older than your writing, your settings or this program."
        return Pending(notice(told, "Make them anew before you train."), "Make the pairs anew")
    what = "1 change is" if count == 1 else f"{count:,} changes are"
    html = notice(f"{what} not in the pairs yet.", "Make all you want, then apply them together.")
    return Pending(html, "Apply 1 change" if count == 1 else f"Apply {count:,} changes")


def apply(shelf: Shelf, folder: PersonaFolder) -> Iterator[str]:
    """Make the pairs anew with the edits, told as it goes. Raises any StyleCloneError; pairs and edits are then as before."""
    if jobs.running(folder):
        raise UsageError(
            "the clone is being trained on these pairs", mend="Wait until it is done, or cancel it in step 3."
        )
    yield progress_bar(None, "Making the pairs anew")
    before = _forget_undone(shelf, folder)
    try:
        for event in watch(lambda report: prepare(folder, report=report)):
            if isinstance(event, Prepared):
                yield notice(f"Done: {event.summary.pairs:,} pairs.", "Go on to training when you like.", kind="good")
            else:
                share = event.done / event.total if event.total else None
                yield progress_bar(share, "Making the pairs anew", [event.text])
    except StyleCloneError:
        with shelf.editing:
            now = Edits.load(folder)
            replace(now, was={**before.was, **now.was}).save(folder)
        raise


def _forget_undone(shelf: Shelf, folder: PersonaFolder) -> Edits:
    """Drop the copies of pairs that are as their author wrote them again; returns the edits before that."""
    with shelf.editing:
        edits = Edits.load(folder)
        edits.forget(edits.was).save(folder)
    return edits


def _missing(shelf: Shelf, folder: PersonaFolder) -> int:
    """How many pairs on file are not as the user wants them."""
    edits = Edits.load(folder)
    return sum(
        shelf.reply_on_file(folder, key) != (None if key in edits.excluded else _wanted_reply(edits, key))
        for key in edits.changed | edits.was.keys()
    )


def _wanted_reply(edits: Edits, key: str) -> str:
    return edits.replies[key] if key in edits.replies else edits.was[key].pair.reply


def _row(entry: Entry, *, is_current: bool) -> Row:
    pair = entry.pair
    state = "left out" if entry.left_out else "edited" if entry.edited else ""
    cells = (
        shorten(pair.recipient or "", 24),
        day(pair.date),
        ORIGINS.get(pair.origin, pair.origin),
        ASKERS[pair.asked_by],
    )
    return Row(pair.key, said(pair), pair.reply, cells, state, is_current)


def _facts(entry: Entry) -> list[tuple[str, str]]:
    pair = entry.pair
    state = "left out" if entry.left_out else "edited by you" if entry.edited else "as you wrote it"
    return [
        ("State", state),
        ("Split", entry.split),
        ("To", pair.recipient or ""),
        ("Date", day(pair.date)),
        ("Made from", ORIGINS.get(pair.origin, pair.origin)),
        ("Prompt by", ASKERS[pair.asked_by]),
        ("Source", pair.source),
    ]


def _use(entry: Entry) -> str:
    """What becomes of the reply, as `USES` has it."""
    return "left out" if entry.left_out else "learned" if entry.split == "train" else "checked"


def _held_back(entry: Entry) -> str:
    """A warning where an edit would change what the clone is measured on."""
    if entry.split != "test":
        return ""
    return notice("The clone is measured on this pair.", "Rewrite it only where the reply is not really yours.")
