"""The fifth tab: who votes, then one trial after the other, by mouse or by the keys 1, 2 and 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from style_clone.errors import StyleCloneError
from style_clone.ui.handlers.voting import Booth, View, answer, enter
from style_clone.ui.markup import failure
from style_clone.ui.views.desk import Desk, listen

Updates = dict[Any, Any]
ABOUT = (
    "Two replies to a message that neither clone nor prompt was made from: one is the clone’s, one the best prompt’s. "
    "Now and then one is real, to see who reads. How it stands is shown after the last answer, not before."
)
VOTERS = [("Its author", "author"), ("I know how they write", "acquaintance"), ("I do not know them", "stranger")]
NUMBERS = [("the usual number", 0), *((str(number), number) for number in (20, 30, 40, 50, 60, 80, 100))]
FOCUS = "() => setTimeout(() => document.querySelector('#vote-arena h3')?.focus(), 80)"
# One listener for the buttons of every trial, and the keys, which nobody should lose to a text box or to holding one down.
CHOSEN = """const send = choice => {
  const arena = element.querySelector('[data-number]');
  if (arena) trigger('click', { choice, number: Number(arena.dataset.number) });
};
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-choice]');
  if (button) send(button.dataset.choice);
});
document.addEventListener('keydown', event => {
  const choice = { 1: 'left', 2: 'right', 0: 'tie' }[event.key];
  const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
  if (!choice || typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (element.checkVisibility()) { event.preventDefault(); send(choice); }
});"""


@dataclass(frozen=True)
class VoteTab:
    """The components that the page's wiring needs."""

    tab: gr.Tab
    persona: gr.Dropdown


def vote_tab(desk: Desk, current: gr.State) -> VoteTab:
    """Build the tab and wire it; `current` is told the persona that is chosen."""
    with gr.Tab("6  Vote", id="vote") as tab:
        with gr.Column() as form:
            gr.HTML(f'<p class="sc-hint">{ABOUT}</p>')
            with gr.Row():
                persona = gr.Dropdown(
                    [], label="Persona", info="Whose clone to vote on", min_width=200, elem_id="vote-persona"
                )
                votes = gr.Dropdown(
                    NUMBERS, value=0, label="Votes", info="Fixed once begun", min_width=200, elem_id="vote-votes"
                )
                name = gr.Textbox(
                    label="Your name",
                    info="Only where several people vote",
                    max_length=100,
                    min_width=200,
                    elem_id="vote-name",
                )
            voter = gr.Radio(VOTERS, value="author", label="Who are you?", elem_id="vote-voter")
            begin = gr.Button("Begin, or go on", variant="primary", elem_id="vote-begin", elem_classes="sc-go")
        booth = gr.State(None)
        message = gr.HTML(elem_id="vote-message")
        board = gr.HTML(js_on_load=CHOSEN, elem_id="vote-arena")
        stop = gr.Button("Stop for now", visible=False, elem_id="vote-stop", elem_classes="sc-go")
    parts = [form, booth, message, board, stop]

    def shown(view: View) -> Updates:
        voting = view.booth is not None
        hidden = {form: gr.Column(visible=not voting), stop: gr.Button(visible=voting)}
        return {**hidden, booth: view.booth, message: "", board: view.html}

    def entered(slug: str | None, kind: str, who: str, number: int) -> Updates:
        try:
            return shown(enter(desk.workspace, desk.database_url, slug, kind, who, number or None))
        except StyleCloneError as error:
            return {message: failure(error), board: ""}

    def chosen(event: gr.EventData, now: Booth | None) -> Updates:
        if now is None:
            return {message: ""}
        try:
            return shown(answer(desk.workspace, desk.database_url, now, int(event.number), str(event.choice)))
        except StyleCloneError as error:
            return {**shown(View("", None)), message: failure(error)}

    listen(begin.click, entered, [persona, voter, name, votes], parts).then(None, None, None, js=FOCUS)
    # By default Gradio drops a press in the moment between a new trial's drawing and the end of the event that brought it.
    listen(board.click, chosen, booth, parts, trigger_mode="multiple").then(None, None, None, js=FOCUS)
    listen(stop.click, lambda: shown(View("", None)), None, parts)
    listen(persona.input, lambda slug: (slug, ""), persona, [current, board])
    return VoteTab(tab, persona)


def refreshed(desk: Desk, wanted: str | None) -> Updates | Any:
    """The list of personas with one chosen."""
    known = [folder.slug for folder in desk.workspace.personas()]
    return gr.Dropdown(choices=known, value=wanted if wanted in known else next(iter(known), None))
