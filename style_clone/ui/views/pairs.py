"""The second tab: what the writing has become, a list of its pairs, and one pair in full to leave out or rewrite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from style_clone.errors import StyleCloneError
from style_clone.ui.handlers.overview import overview
from style_clone.ui.handlers.pairs import Act, Open, any_pair, apply, browse, change, open_pair, pending, step
from style_clone.ui.handlers.shelf import Shelf
from style_clone.ui.markup import failure, notice
from style_clone.ui.views.desk import Desk, listen
from style_clone.ui.views.pairs_board import LEAVE_OUT, TAKE_BACK, Board, Look, build_board
from style_clone.workspace import PersonaFolder

Updates = dict[Any, Any]
_FOCUS = "() => setTimeout(() => document.querySelector('{}')?.focus(), 80)"
FOCUS_PAIR = _FOCUS.format("#pairs-pair h3")
FOCUS_ROW = _FOCUS.format("#pairs-list .sc-open[aria-current]")


@dataclass(frozen=True)
class PairsTab:
    """The components that other tabs and the page's loading need."""

    tab: gr.Tab
    board: Board
    painter: Painter


@dataclass(frozen=True)
class Painter:
    """What the tab shows after something was done, as updates of its components."""

    desk: Desk
    shelf: Shelf
    board: Board

    def folder(self, look: Look) -> PersonaFolder:
        """The persona looked at. Raises PersonaNotFound."""
        return self.desk.workspace.existing(look.slug or "")

    def bar(self, look: Look) -> Updates:
        """What is not in the pairs yet."""
        now = pending(self.shelf, self.folder(look))
        return {
            self.board.bar: now.html,
            self.board.apply: gr.Button(now.button or "Apply", visible=bool(now.button), interactive=True),
        }

    def listing(self, look: Look, page: int) -> Updates:
        """A page of the list, in place of a pair that was open."""
        current = look.opened.key if look.opened else None
        now = browse(self.shelf, self.folder(look), look.wanted, page, current)
        return {
            self.board.listing: now.html,
            self.board.told: f'<p class="sc-told" role="status">{now.told}</p>' if now.told else "",
            self.board.back: gr.Button(interactive=now.page > 0),
            self.board.forward: gr.Button(interactive=now.page + 1 < now.pages),
            self.board.page: now.page,
            self.board.list_side: gr.Column(visible=True),
            self.board.pair_side: gr.Column(visible=False),
            self.board.overview: gr.HTML(visible=True),
            self.board.message: "",
        }

    def pair(self, now: Open, answer: str = "") -> Updates:
        """One pair in place of the list."""
        return {
            self.board.pair: now.html,
            self.board.reply: now.reply,
            self.board.undo: gr.Button(interactive=now.edited),
            self.board.leave: gr.Button(TAKE_BACK if now.left_out else LEAVE_OUT),
            self.board.previous: gr.Button(interactive=not now.is_first),
            self.board.next: gr.Button(interactive=not now.is_last),
            self.board.opened: now.opened,
            self.board.list_side: gr.Column(visible=False),
            self.board.pair_side: gr.Column(visible=True),
            self.board.overview: gr.HTML(visible=False),
            self.board.answer: answer,
            self.board.message: "",
        }

    def changed(self, look: Look, act: Act, reply: str = "") -> Updates:
        """The open pair after an edit of it."""
        assert look.opened is not None
        folder, key = self.folder(look), look.opened.key
        change(self.shelf, folder, act, key, reply)
        now, bar = open_pair(self.shelf, folder, look.wanted, key, look.opened.position), self.bar(look)
        mend = "Apply the changes, at the top, when you have made them all." if bar[self.board.bar] else ""
        return {**self.pair(now, notice("Saved.", mend, kind="good")), **bar}

    def failed(self, look: Look, error: StyleCloneError) -> Updates:
        """An error, where the user looks."""
        return {self.board.answer if look.opened else self.board.message: failure(error)}

    def everything(self, look: Look) -> Updates:
        """The tab from above to below; what is missing is said in the overview."""
        board = self.board
        try:
            told = overview(self.desk.workspace, look.slug)
        except StyleCloneError as error:
            told = failure(error)
        try:
            now = {**self.bar(look), **self.listing(look, look.page), board.body: gr.Column(visible=True)}
        except StyleCloneError as error:
            if look.slug and self.desk.workspace.folder(look.slug).pairs.exists():
                told = failure(error)
            hidden = {board.apply: gr.Button(visible=False), board.body: gr.Column(visible=False)}
            now = {board.bar: "", board.message: "", **hidden}
        return {**now, board.overview: gr.HTML(told, visible=True)}


def pairs_tab(desk: Desk, current: gr.State) -> PairsTab:
    """Build the tab and wire it; `current` is told the persona that is chosen."""
    with gr.Tab("2  Pairs", id="pairs") as tab:
        board = build_board()
    painter = Painter(desk, Shelf(), board)
    _wire_list(painter)
    _wire_pair(painter)
    _wire_apply(painter)

    def chosen(slug: str | None) -> Updates:
        return {current: slug, board.opened: None, **painter.everything(Look(slug))}

    listen(board.persona.input, chosen, board.persona, [current, *board.all])
    return PairsTab(tab, board, painter)


def refreshed(painter: Painter, wanted: str | None, *values: Any) -> Updates:
    """The list of personas with one chosen, and the tab about it; a pair that is open stays so."""
    board, look = painter.board, Look.of(*values)
    known = [folder.slug for folder in painter.desk.workspace.personas()]
    slug = wanted if wanted in known else next(iter(known), None)
    same = slug == look.slug
    now = painter.everything(look if same else Look(slug))
    if same and look.opened is not None:
        # Somebody is in the middle of an edit: what they have typed is theirs.
        now = {
            part: value for part, value in now.items() if part not in (board.list_side, board.pair_side, board.overview)
        }
    else:
        now[board.opened] = None
    return {board.persona: gr.Dropdown(choices=known, value=slug), **now}


def _on(painter: Painter, event: Any, act: Callable[..., Updates], *more: Any, **how: Any) -> Any:
    """Wire `act`, which is given what is looked at and the values of `more`; its errors become a message."""
    board = painter.board

    def handle(*values: Any) -> Updates:
        try:
            return act(Look.of(*values[: len(board.form)]), *values[len(board.form) :])
        except StyleCloneError as error:
            return painter.failed(Look.of(*values[: len(board.form)]), error)

    return listen(event, handle, [*board.form, *more], board.all, **how)


def _wire_list(painter: Painter) -> None:
    board, shelf = painter.board, painter.shelf

    def clicked(event: gr.EventData, *values: Any) -> Updates:
        look, key, page = Look.of(*values), str(event.key), int(values[board.form.index(board.page)])
        try:
            if event.act == "open":
                return painter.pair(open_pair(shelf, painter.folder(look), look.wanted, key))
            change(shelf, painter.folder(look), "include" if event.act == "include" else "exclude", key)
            return {**painter.listing(look, page), **painter.bar(look)}
        except StyleCloneError as error:
            return painter.failed(look, error)

    listen(board.listing.click, clicked, board.form, board.all).then(None, None, None, js=FOCUS_PAIR)
    # Gradio's `input` of a text box misses text that comes without key strokes; `change` does not.
    for event in (board.split.input, board.origin.input, board.changed.input, board.query.change):
        _on(painter, event, lambda look: painter.listing(look, 0), trigger_mode="always_last")
    _on(painter, board.back.click, lambda look: painter.listing(look, look.page - 1))
    _on(painter, board.forward.click, lambda look: painter.listing(look, look.page + 1))

    def draw(look: Look, draws: int) -> Updates:
        return {**painter.pair(any_pair(shelf, painter.folder(look), look.wanted, draws)), board.draws: draws + 1}

    _on(painter, board.random.click, draw, board.draws).then(None, None, None, js=FOCUS_PAIR)


def _wire_pair(painter: Painter) -> None:
    board, shelf = painter.board, painter.shelf

    def move(look: Look, by: Any) -> Updates:
        assert look.opened is not None
        return painter.pair(step(shelf, painter.folder(look), look.wanted, look.opened, by))

    def leave(look: Look, words: str) -> Updates:
        return painter.changed(look, "include" if words == TAKE_BACK else "exclude")

    _on(
        painter, board.to_list.click, lambda look: {**painter.listing(look, look.page_of_opened), board.opened: None}
    ).then(None, None, None, js=FOCUS_ROW)
    _on(painter, board.previous.click, lambda look: move(look, -1)).then(None, None, None, js=FOCUS_PAIR)
    _on(painter, board.next.click, lambda look: move(look, 1)).then(None, None, None, js=FOCUS_PAIR)
    for event in (board.save.click, board.reply.submit):
        _on(painter, event, lambda look, reply: painter.changed(look, "rewrite", reply), board.reply)
    _on(painter, board.undo.click, lambda look: painter.changed(look, "undo"))
    _on(painter, board.leave.click, leave, board.leave)


def _wire_apply(painter: Painter) -> None:
    board = painter.board

    def applied(*values: Any) -> Iterator[Updates]:
        look, last = Look.of(*values), ""
        try:
            for last in apply(painter.shelf, painter.folder(look)):
                yield {board.bar: last, board.apply: gr.Button(interactive=False)}
            now = {**painter.everything(look), board.opened: None}
            yield {**now, board.bar: last} if not pending(painter.shelf, painter.folder(look)).button else now
        except StyleCloneError as error:
            yield {**painter.bar(look), **painter.failed(look, error)}

    listen(board.apply.click, applied, board.form, board.all, trigger_mode="once")
