"""The third tab: what there is to train on, what it would take, a button, and how it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from style_clone.errors import StyleCloneError
from style_clone.ui.handlers.following import Follower
from style_clone.ui.handlers.planning import begin_plan
from style_clone.ui.handlers.training import View, begin, facts, go_on, look, stop
from style_clone.ui.markup import failure, notice
from style_clone.ui.views.desk import Desk, listen
from style_clone.ui.views.pairs_board import CLICKED

Updates = dict[Any, Any]
CHANGES = "Changes to the recipe, as on the command line: epochs=3 learning_rate=5e-4"
FOCUS_PLAN = "() => setTimeout(() => document.querySelector('#train-plan-start')?.focus(), 80)"


@dataclass(frozen=True)
class Board:
    """The tab's components that change, from above to below. `problem` is what a button just pressed could not do."""

    facts: gr.HTML
    plan: gr.HTML
    plan_button: gr.Button
    train: gr.Button
    go_on: gr.Button
    cancel: gr.Button
    problem: gr.HTML
    status: gr.HTML
    result: gr.HTML
    chat_next: gr.Button
    chart: gr.HTML
    voice: gr.HTML
    timer: gr.Timer

    @property
    def all(self) -> list[Any]:
        """Every component, for listeners that say which of them they change."""
        return [getattr(self, each.name) for each in fields(self)]


@dataclass(frozen=True)
class TrainTab:
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

    @property
    def chat_next(self) -> gr.Button:
        """Leads to the chat."""
        return self.board.chat_next

    def everything(self, slug: str | None) -> Updates:
        """The tab from above to below."""
        workspace = self.desk.workspace
        view = look(workspace, slug, self.follower)
        return {self.board.facts: facts(workspace, slug), self.board.plan: view.plan, **self._going(view)}

    def after(self, act: Callable[..., None], *given: Any) -> Updates:
        """The tab once `act` was done, or with what was wrong with it."""
        try:
            act(self.desk.workspace, *given)
            return {**self.everything(given[0]), self.board.problem: ""}
        except StyleCloneError as error:
            return {self.board.problem: failure(error)}

    def tick(self, slug: str | None) -> Updates:
        """What a second has changed: what is above the buttons stays as it is, open or folded up, while a training runs.

        Whether pairs are up to date takes a look at all messages as well, and waits until the end.
        """
        try:
            view = look(self.desk.workspace, slug, self.follower)
            if not view.running:
                return self.everything(slug)
            return {**self._going(view), **({self.board.plan: view.plan} if view.planning else {})}
        except StyleCloneError as error:
            return {self.board.status: failure(error)}

    def _going(self, view: View) -> Updates:
        board = self.board
        plan, train = ("primary" if view.next_step == name else "secondary" for name in ("plan", "train"))
        return {
            board.status: view.status,
            board.result: view.result,
            board.chart: view.chart,
            board.voice: view.voice,
            board.plan_button: gr.Button(interactive=not view.running, variant=plan),
            board.train: gr.Button(interactive=not view.running, variant=train),
            board.go_on: gr.Button(visible=view.can_go_on and not view.running),
            board.cancel: gr.Button(interactive=view.running),
            board.chat_next: gr.Button(visible=view.done),
            board.timer: gr.Timer(active=view.running),
        }


def train_tab(desk: Desk, current: gr.State) -> TrainTab:
    """Build the tab and wire it; `current` is told the persona that is chosen."""
    with gr.Tab("3  Train", id="train") as tab:
        with gr.Row():
            persona = gr.Dropdown(
                [], label="Persona", info="Whose writing to train on", min_width=200, elem_id="train-persona"
            )
            base = gr.Textbox(
                desk.base,
                label="Base model",
                info="The bundled one, a hub id, or a local folder",
                min_width=260,
                elem_id="train-base",
            )
        with gr.Accordion("Advanced", open=False, elem_id="train-advanced", elem_classes="sc-advanced"):
            changes = gr.Textbox(
                "", label="Recipe", info=CHANGES, placeholder="none: the recipe as planned", elem_id="train-changes"
            )
        board = _build_board()
    made = TrainTab(desk, Follower(), tab, persona, board)
    _wire(made, [persona, base, changes])
    listen(
        persona.input,
        lambda slug: {current: slug, board.problem: "", **made.everything(slug)},
        persona,
        [current, *board.all],
    )
    return made


def refreshed(made: TrainTab, wanted: str | None) -> Updates:
    """The list of personas with one chosen, and everything about it."""
    known = [folder.slug for folder in made.desk.workspace.personas()]
    slug = wanted if wanted in known else next(iter(known), None)
    chosen = {made.persona: gr.Dropdown(choices=known, value=slug)}
    try:
        return {**chosen, **made.everything(slug)}
    except StyleCloneError as error:
        return {**chosen, made.board.status: failure(error)}


def _build_board() -> Board:
    parts: dict[str, Any] = {
        "facts": gr.HTML(elem_id="train-facts"),
        "plan": gr.HTML(js_on_load=CLICKED, elem_id="train-plan"),
    }
    with gr.Row(elem_classes="sc-starts"):
        parts["plan_button"] = gr.Button("Plan", size="md", min_width=90, elem_id="train-plan-start")
        parts["train"] = gr.Button("Train", variant="primary", size="md", min_width=90, elem_id="train-start")
        parts["go_on"] = gr.Button(
            "Go on", variant="primary", size="md", min_width=90, visible=False, elem_id="train-go-on"
        )
        parts["cancel"] = gr.Button("Cancel", size="md", min_width=90, interactive=False, elem_id="train-cancel")
    parts |= {name: gr.HTML(elem_id=f"train-{name}") for name in ("problem", "status", "result")}
    parts["chat_next"] = gr.Button(
        "Talk to the clone", variant="primary", visible=False, elem_id="train-next", elem_classes="sc-go"
    )
    parts |= {name: gr.HTML(elem_id=f"train-{name}") for name in ("chart", "voice")}
    return Board(**parts, timer=gr.Timer(1.0, active=False))


def _wire(made: TrainTab, form: list[Any]) -> None:
    board, persona, base = made.board, form[0], form[1]

    def use(event: gr.EventData) -> Updates:
        name = str(event.key)
        return {base: name, board.problem: notice(f"{name} is chosen.", "Plan again to see what it takes.")}

    for button, act in ((board.plan_button, begin_plan), (board.train, begin)):
        listen(button.click, lambda *given, act=act: made.after(act, *given), form, board.all, trigger_mode="once")
    for button, do in ((board.go_on, go_on), (board.cancel, stop)):
        listen(button.click, lambda slug, do=do: made.after(do, slug), persona, board.all, trigger_mode="once")
    listen(board.timer.tick, made.tick, persona, board.all)
    listen(board.plan.click, use, None, [base, board.problem]).then(None, None, None, js=FOCUS_PLAN)
