"""The last tab: one question, the clone on the left, the prompted baseline on the right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from style_clone.client import PROMPTED
from style_clone.errors import StyleCloneError
from style_clone.persona import Persona
from style_clone.register import Registers
from style_clone.ui.handlers.chatting import Side, bubbles, converse, find_personas
from style_clone.ui.markup import failure, notice, side_heading
from style_clone.ui.views.desk import Desk, listen

LIMITS = (
    "Both sides are AI, not the person. The bundled 135M model shows voice, not sense: it picks up how somebody "
    "writes, but often answers beside the question and makes things up. A bigger base model has more sense."
)
ANYBODY = "anybody"
NOBODY = "There is no trained clone to talk to yet."
Update = Any


@dataclass(frozen=True)
class ChatTab:
    """The components that other tabs and the page's loading need. `registers` holds every clone's."""

    tab: gr.Tab
    persona: gr.Dropdown
    registers: gr.State
    status: gr.HTML
    sides: tuple[gr.State, gr.State]


def chat_tab(desk: Desk, current: gr.State) -> ChatTab:
    """Build the tab and wire it; `current` is told the persona that is chosen."""
    with gr.Tab("5  Chat", id="chat") as tab:
        with gr.Row():
            persona = gr.Dropdown([], label="Persona", info="Every clone the endpoint serves", elem_id="chat-persona")
            to = gr.Dropdown(
                [], label="Writing to", info="Nobody writes the same way to everyone", visible=False, elem_id="chat-to"
            )
        registers = gr.State({})
        status = gr.HTML()
        with gr.Row():
            left = _column("clone", "Clone", "trained on the writing")
            right = _column("prompted", "Prompted baseline", "the same model, only told about it")
        with gr.Row(elem_classes="sc-ask"):
            text = gr.Textbox(
                placeholder="Write a message; Enter sends it",
                label="Message",
                show_label=False,
                container=False,
                max_lines=5,
                scale=6,
                min_width=240,
                elem_id="chat-text",
            )
            send = gr.Button("Send", variant="primary", min_width=80, elem_id="chat-send")
            stop = gr.Button("Stop", min_width=80, elem_id="chat-stop")
            clear = gr.Button("Clear", min_width=80, elem_id="chat-clear")
        gr.HTML(f'<p class="sc-hint">{LIMITS}</p>')
    columns = (left, right)
    states = tuple(column.state for column in columns)
    shown = [part for column in columns for part in (column.state, column.chatbot, column.problem)]

    async def ask(slug: str | None, label: str | None, question: str, *sides: Side) -> AsyncIterator[list[Update]]:
        if not slug:
            yield [question, notice(NOBODY, "Choose a persona, or train one in step 3.", kind="bad"), *_show(sides)]
        elif question.strip():
            own = [side.facing(slug) for side in sides]
            async for now in converse(desk.address, (slug, slug + PROMPTED), question.strip(), own, label or None):
                yield ["", "", *_show(now)]
        else:
            yield [question, gr.skip(), *_show(sides)]

    # One listener for both, so that a second question waits for the first one's answer whichever way it is sent.
    sending = partial(gr.on, [text.submit, send.click])
    asking = listen(sending, ask, [persona, to, text, *states], [text, status, *shown], trigger_mode="once")
    listen(stop.click, lambda *sides: _show([side.settled() for side in sides]), [*states], shown, cancels=asking)
    listen(persona.input, lambda slug: slug, persona, current)
    choosing = partial(gr.on, [persona.change, registers.change])
    listen(choosing, _contacts, [persona, registers], to)
    for event in (clear.click, persona.input, to.input):
        listen(event, lambda: _show([Side(), Side()]), None, shown, cancels=asking)
    # When the page itself chooses the persona, which it may do while the first question is on its way.
    listen(persona.change, _without_others, [persona, *states], shown)
    return ChatTab(tab, persona, registers, status, (left.state, right.state))


async def refreshed(desk: Desk, wanted: str | None) -> tuple[Update, Update, Update]:
    """Persona list, everybody's registers and status line, as the endpoint has them now."""
    try:
        known = await find_personas(desk.address)
    except StyleCloneError as error:
        return gr.skip(), gr.skip(), failure(error)
    value = wanted if wanted in known else next(iter(known), None)
    absence = await asyncio.to_thread(_absence, desk, wanted, known)
    return gr.Dropdown(choices=list(known), value=value), known, absence


def _without_others(slug: str | None, *sides: Side) -> list[Update]:
    """Empty columns where they hold another persona's conversation; else they stay untouched."""
    if all(side.persona in ("", slug) for side in sides):
        return [gr.skip() for _ in _show(sides)]
    return _show([Side(), Side()])


def _contacts(slug: str | None, registers: dict[str, Registers]) -> Update:
    """The contacts a persona has a register for, nobody chosen; not shown where there are none."""
    labels = list(registers.get(slug or "", {}).values())
    return gr.Dropdown(choices=[(ANYBODY, ""), *((label, label) for label in labels)], value="", visible=bool(labels))


def _absence(desk: Desk, wanted: str | None, known: Collection[str]) -> str:
    """Why the persona the user comes from is not in the list; empty where it is."""
    if wanted and wanted not in known and desk.workspace.folder(wanted).adapter.exists():
        base = Persona.load(desk.workspace.folder(wanted)).base_model
        told = f"{wanted} is trained on {base}, which is not the base model the endpoint runs."
        return notice(told, f"Start the endpoint with: style-clone serve --base {base}")
    return "" if known else notice(NOBODY, "Read your writing in step 1 and train on it in step 3.")


@dataclass(frozen=True)
class _Column:
    state: gr.State
    chatbot: gr.Chatbot
    problem: gr.HTML


def _column(kind: str, title: str, note: str) -> _Column:
    with gr.Column(min_width=300, elem_classes=["sc-column", f"sc-{kind}"]):
        gr.HTML(side_heading(title, note))
        chatbot = gr.Chatbot(
            label=title,
            show_label=False,
            # What it wrote, as it wrote it: asterisks and angle brackets are part of a style.
            render_markdown=False,
            group_consecutive_messages=False,
            buttons=[],
            feedback_options=None,
            elem_id=f"chat-{kind}",
            elem_classes="sc-chatbot",
        )
        problem = gr.HTML(elem_id=f"chat-{kind}-problem")
    return _Column(gr.State(Side()), chatbot, problem)


def _show(sides: Any) -> list[Update]:
    return [part for side in sides for part in (side, bubbles(side), _problem(side))]


def _problem(side: Side) -> str:
    first, _, rest = side.problem.partition("\n")
    return notice(first, rest, kind="bad")
