"""The fourth tab: a button that measures the clone, and the scorecard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import gradio as gr

from style_clone.errors import StyleCloneError
from style_clone.ui.handlers.following import Follower
from style_clone.ui.handlers.scoring import HINT, View, begin, look, stop
from style_clone.ui.markup import failure
from style_clone.ui.views.desk import Desk, listen

Updates = dict[Any, Any]
# Frames come and go, the element they are in stays. `load` does not bubble, so it is caught on its way down.
FITTED = """element.addEventListener('load', event => {
  const frame = event.target;
  if (frame.tagName !== 'IFRAME') return;
  const inner = frame.contentDocument;
  const fit = () => { if (inner.body) frame.style.height = inner.documentElement.offsetHeight + 'px'; };
  new ResizeObserver(fit).observe(inner.documentElement);
  fit();
  inner.addEventListener('click', click => {
    const link = click.target.closest('a[href^="#"]');
    const place = link && inner.getElementById(link.getAttribute('href').slice(1));
    if (!place) return;
    click.preventDefault();
    place.scrollIntoView({ block: 'center' });
    place.focus({ preventScroll: true });
  });
}, true);"""


@dataclass(frozen=True)
class Board:
    """The tab's components that change. `problem` is what a button just pressed could not do."""

    measure: gr.Button
    quick: gr.Button
    cancel: gr.Button
    problem: gr.HTML
    status: gr.HTML
    page: gr.HTML
    timer: gr.Timer

    @property
    def all(self) -> list[Any]:
        """Every component, for listeners that say which of them they change."""
        return [getattr(self, each.name) for each in fields(self)]


@dataclass(frozen=True)
class ScorecardTab:
    """The tab, and what other tabs and the page's loading need of it."""

    desk: Desk
    follower: Follower
    tab: gr.Tab
    persona: gr.Dropdown
    board: Board

    @property
    def shown(self) -> list[Any]:
        """Everything that is told about the persona that is chosen."""
        return self.board.all

    def everything(self, slug: str | None) -> Updates:
        """The tab from above to below."""
        return self._shown(look(self.desk.workspace, slug, self.follower))

    def after(self, act: Callable[..., None], slug: str | None) -> Updates:
        """The tab once `act` was done, or with what was wrong with it."""
        try:
            act(self.desk.workspace, slug)
            return {**self.everything(slug), self.board.problem: ""}
        except StyleCloneError as error:
            return {self.board.problem: failure(error)}

    def tick(self, slug: str | None) -> Updates:
        """What a second has changed; the scorecard only once the measurement is over."""
        try:
            return self._shown(look(self.desk.workspace, slug, self.follower, with_page=False))
        except StyleCloneError as error:
            return {self.board.status: failure(error)}

    def _shown(self, view: View) -> Updates:
        board = self.board
        return {
            board.status: view.status,
            board.measure: gr.Button(interactive=not view.busy),
            board.quick: gr.Button(interactive=not view.busy),
            board.cancel: gr.Button(interactive=view.running),
            board.timer: gr.Timer(active=view.running),
            **({} if view.page is None else {board.page: view.page}),
        }


def scorecard_tab(desk: Desk, current: gr.State) -> ScorecardTab:
    """Build the tab and wire it; `current` is told the persona that is chosen."""
    with gr.Tab("4  Scorecard", id="scorecard") as tab:
        persona = gr.Dropdown(
            [], label="Persona", info="Whose clone to measure", min_width=200, elem_id="scorecard-persona"
        )
        board = _build_board()
    made = ScorecardTab(desk, Follower(), tab, persona, board)
    acts = (
        (board.measure, partial(begin, quick=False)),
        (board.quick, partial(begin, quick=True)),
        (board.cancel, stop),
    )
    for button, act in acts:
        listen(button.click, lambda slug, act=act: made.after(act, slug), persona, board.all, trigger_mode="once")
    listen(board.timer.tick, made.tick, persona, board.all)
    listen(
        persona.input,
        lambda slug: {current: slug, board.problem: "", **made.everything(slug)},
        persona,
        [current, *board.all],
    )
    return made


def refreshed(made: ScorecardTab, wanted: str | None) -> Updates:
    """The list of personas with one chosen, and everything about it."""
    known = [folder.slug for folder in made.desk.workspace.personas()]
    slug = wanted if wanted in known else next(iter(known), None)
    chosen = {made.persona: gr.Dropdown(choices=known, value=slug)}
    try:
        return {**chosen, **made.everything(slug)}
    except StyleCloneError as error:
        return {**chosen, made.board.status: failure(error)}


def _build_board() -> Board:
    with gr.Row(elem_classes="sc-starts"):
        measure = gr.Button("Measure", variant="primary", size="md", min_width=90, elem_id="scorecard-measure")
        quick = gr.Button("Quick", size="md", min_width=90, elem_id="scorecard-quick")
        cancel = gr.Button("Cancel", size="md", min_width=90, interactive=False, elem_id="scorecard-cancel")
    gr.HTML(f'<p class="sc-hint">{HINT}</p>', elem_id="scorecard-hint")
    return Board(
        measure=measure,
        quick=quick,
        cancel=cancel,
        problem=gr.HTML(elem_id="scorecard-problem"),
        status=gr.HTML(elem_id="scorecard-status"),
        page=gr.HTML(js_on_load=FITTED, elem_id="scorecard-page"),
        timer=gr.Timer(1.0, active=False),
    )
