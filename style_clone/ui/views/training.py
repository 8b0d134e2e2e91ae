"""The third tab: what there is to train on, a button, and how it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from style_clone.errors import StyleCloneError
from style_clone.ui.handlers.training import View, begin, facts, look, stop
from style_clone.ui.markup import failure
from style_clone.ui.views.desk import Desk, listen

Update = Any


@dataclass(frozen=True)
class TrainTab:
    """The components that other tabs and the page's loading need."""

    tab: gr.Tab
    persona: gr.Dropdown
    shown: list[Any]
    chat_next: gr.Button


def train_tab(desk: Desk, current: gr.State) -> TrainTab:
    """Build the tab and wire it; `current` is told the persona that is chosen."""
    with gr.Tab("3  Train", id="train") as tab:
        with gr.Row():
            persona = gr.Dropdown([], label="Persona", info="Whose writing to train on", elem_id="train-persona")
            base = gr.Textbox(
                desk.base,
                label="Base model",
                info="The bundled one, a hub id, or a local folder",
                elem_id="train-base",
            )
        card = gr.HTML(elem_id="train-facts")
        with gr.Row():
            train = gr.Button("Train", variant="primary", elem_id="train-start", elem_classes="sc-go")
            cancel = gr.Button("Cancel", interactive=False, elem_id="train-cancel", elem_classes="sc-go")
        status = gr.HTML(elem_id="train-status")
        chart = gr.HTML(elem_id="train-chart")
        result = gr.HTML(elem_id="train-result")
        chat_next = gr.Button("Talk to the clone", visible=False, elem_id="train-next", elem_classes="sc-go")
        timer = gr.Timer(1.0, active=False)
    shown = [card, status, chart, result, train, cancel, chat_next, timer]

    def show(act: Callable[..., View], *given: Any, ticking: bool = False) -> list[Update]:
        slug = given[0]
        try:
            view = act(desk.workspace, *given)
            # Whether pairs are up to date takes a look at all messages: not once a second while a training runs.
            return _show(gr.skip() if ticking and view.running else facts(desk.workspace, slug), view)
        except StyleCloneError as error:
            return [gr.skip(), failure(error), *[gr.skip()] * (len(shown) - 2)]

    listen(train.click, lambda slug, name: show(begin, slug, name), [persona, base], shown, trigger_mode="once")
    listen(cancel.click, lambda slug: show(stop, slug), persona, shown, trigger_mode="once")
    listen(timer.tick, lambda slug: show(look, slug, ticking=True), persona, shown)
    listen(persona.input, lambda slug: [slug, *show(look, slug)], persona, [current, *shown])
    return TrainTab(tab, persona, shown, chat_next)


def refreshed(desk: Desk, wanted: str | None) -> list[Update]:
    """The list of personas with one chosen, and everything `shown` about it."""
    known = [folder.slug for folder in desk.workspace.personas()]
    slug = wanted if wanted in known else next(iter(known), None)
    try:
        return [gr.Dropdown(choices=known, value=slug), *_show(facts(desk.workspace, slug), look(desk.workspace, slug))]
    except StyleCloneError as error:
        return [gr.Dropdown(choices=known, value=slug), *_show("", View(status=failure(error)))]


def _show(card: Update, view: View) -> list[Update]:
    return [
        card,
        view.status,
        view.chart,
        view.result,
        gr.Button(interactive=not view.running),
        gr.Button(interactive=view.running),
        gr.Button(visible=view.done),
        gr.Timer(active=view.running),
    ]
