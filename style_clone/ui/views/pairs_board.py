"""The components of the pairs tab, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import gradio as gr

from style_clone.conversation import SPLITS, Origin, Split
from style_clone.ui.handlers.overview import PURPOSES
from style_clone.ui.handlers.pairs import PAGE_ROWS, Opened
from style_clone.ui.handlers.shelf import Wanted
from style_clone.ui.pair_markup import ORIGINS

LEAVE_OUT, TAKE_BACK = "Leave it out", "Take it back in"
ALL_SPLITS, ALL_ORIGINS = "all four", "anything"
# One listener for every button of the list: rows come and go, the element they are in stays.
CLICKED = """element.addEventListener('click', event => {
  const button = event.target.closest('button[data-act]');
  if (button) trigger('click', { act: button.dataset.act, key: button.dataset.key });
});"""


@dataclass(frozen=True)
class Look:
    """What the user looks at: a persona, a part of its pairs, a page of them, and perhaps one of them."""

    slug: str | None
    wanted: Wanted = field(default_factory=Wanted)
    page: int = 0
    opened: Opened | None = None

    @classmethod
    def of(
        cls,
        slug: str | None,
        split: Split | str,
        origin: Origin | str,
        query: str | None,
        changed: bool,
        page: int,
        opened: Opened | None,
    ) -> Look:
        """From the values of `Board.form`."""
        known: Any = split if split in SPLITS else None
        made: Any = origin if origin in ORIGINS else None
        return cls(slug, Wanted(known, made, query or "", bool(changed)), page, opened)

    @property
    def page_of_opened(self) -> int:
        """The page of the list the open pair is on."""
        return self.opened.position // PAGE_ROWS if self.opened else self.page


@dataclass(frozen=True)
class Board:
    """Every component of the tab. Errors and the like are told in `answer` while a pair is open, else in `message`.

    `body` is all that needs pairs; it holds `list_side` and `pair_side`, one of them shown."""

    persona: gr.Dropdown
    bar: gr.HTML
    apply: gr.Button
    overview: gr.HTML
    body: gr.Column
    train_next: gr.Button
    split: gr.Dropdown
    origin: gr.Dropdown
    query: gr.Textbox
    changed: gr.Checkbox
    message: gr.HTML
    list_side: gr.Column
    listing: gr.HTML
    told: gr.HTML
    back: gr.Button
    forward: gr.Button
    random: gr.Button
    pair_side: gr.Column
    to_list: gr.Button
    previous: gr.Button
    next: gr.Button
    pair: gr.HTML
    reply: gr.Textbox
    save: gr.Button
    undo: gr.Button
    leave: gr.Button
    answer: gr.HTML
    page: gr.State
    opened: gr.State
    draws: gr.State

    @property
    def form(self) -> list[Any]:
        """What every listener is given, in the order of `Look.of`."""
        return [self.persona, self.split, self.origin, self.query, self.changed, self.page, self.opened]

    @property
    def all(self) -> list[Any]:
        """Every component, for listeners that say which of them they change."""
        return [getattr(self, each.name) for each in fields(self)]


def build_board() -> Board:
    """Lay the components out, inside the tab that is open."""
    parts: dict[str, Any] = {name: gr.State(value) for name, value in (("page", 0), ("opened", None), ("draws", 0))}
    parts["persona"] = gr.Dropdown([], label="Persona", info="Whose pairs to look at", elem_id="pairs-persona")
    with gr.Row(elem_classes="sc-pending"):
        parts["bar"] = gr.HTML(elem_id="pairs-bar")
        parts["apply"] = gr.Button(
            "Apply", variant="primary", visible=False, elem_id="pairs-apply", elem_classes="sc-go", scale=0
        )
    parts["overview"] = gr.HTML(elem_id="pairs-overview")
    parts["message"] = gr.HTML(elem_id="pairs-message")
    with gr.Column(visible=False) as body:
        parts["body"] = body
        with gr.Column() as list_side:
            parts["train_next"] = gr.Button("Go on to training", size="md", elem_id="pairs-train", elem_classes="sc-go")
            parts |= {"list_side": list_side, **_filters(), **_list()}
        with gr.Column(visible=False, elem_id="pairs-open") as pair_side:
            parts |= {"pair_side": pair_side, **_pair()}
    return Board(**parts)


def _filters() -> dict[str, Any]:
    with gr.Row(elem_classes="sc-filters"):
        query = gr.Textbox(label="Search", placeholder="Words in a pair", min_width=200, scale=2, elem_id="pairs-query")
        splits = [(ALL_SPLITS, ""), *((PURPOSES[name], name) for name in SPLITS)]
        split = gr.Dropdown(splits, value="", label="Split", min_width=150, elem_id="pairs-split")
        origins = [(ALL_ORIGINS, ""), *((told, name) for name, told in ORIGINS.items())]
        origin = gr.Dropdown(origins, value="", label="Made from", min_width=150, elem_id="pairs-origin")
        changed = gr.Checkbox(label="Changed by you only", min_width=150, elem_id="pairs-changed")
    return {"query": query, "split": split, "origin": origin, "changed": changed}


def _list() -> dict[str, Any]:
    listing = gr.HTML(js_on_load=CLICKED, elem_id="pairs-list")
    with gr.Row(elem_classes="sc-pager"):
        back = gr.Button("Previous page", size="md", min_width=90, elem_id="pairs-back")
        told = gr.HTML(elem_id="pairs-told")
        forward = gr.Button("Next page", size="md", min_width=90, elem_id="pairs-forward")
        drawn = gr.Button("Any pair, by chance", size="md", min_width=90, elem_id="pairs-random")
    return {"listing": listing, "told": told, "back": back, "forward": forward, "random": drawn}


def _pair() -> dict[str, Any]:
    with gr.Row(elem_classes="sc-pager"):
        to_list = gr.Button("Back to the list", size="md", min_width=90, elem_id="pairs-to-list")
        previous = gr.Button("Previous pair", size="md", min_width=90, elem_id="pairs-previous")
        following = gr.Button("Next pair", size="md", min_width=90, elem_id="pairs-next")
    pair = gr.HTML(elem_id="pairs-pair")
    reply = gr.Textbox(
        label="The reply",
        info="What the model learns to write here. Each line is a message of its own.",
        lines=3,
        max_lines=14,
        elem_id="pairs-reply",
    )
    with gr.Row(elem_classes="sc-acts"):
        save = gr.Button("Save", variant="primary", size="md", min_width=90, elem_id="pairs-save")
        undo = gr.Button("Undo the edit", size="md", min_width=90, elem_id="pairs-undo")
        leave = gr.Button(LEAVE_OUT, size="md", min_width=90, elem_id="pairs-leave")
    answer = gr.HTML(elem_id="pairs-answer")
    return {
        "answer": answer,
        "to_list": to_list,
        "previous": previous,
        "next": following,
        "pair": pair,
        "reply": reply,
    } | {
        "save": save,
        "undo": undo,
        "leave": leave,
    }
