"""The first tab: drop files, say who you are, read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import gradio as gr

from style_clone.errors import StyleCloneError
from style_clone.ui.handlers.writing import CONSENT, FILE_TYPES, MAX_FILE_SIZE, Form, preview, read_writing
from style_clone.ui.markup import failure
from style_clone.ui.views.desk import Desk, listen

Update = Any
HINT = (
    '<p class="sc-hint">A WhatsApp export (.txt or .zip), notes and posts (.txt, .md), or .jsonl with author and text; '
    f"up to {MAX_FILE_SIZE.upper()} each. The more you wrote, the better the clone.</p>"
)


@dataclass(frozen=True)
class WritingTab:
    """The components that other tabs and the page's loading need."""

    tab: gr.Tab
    pairs_next: gr.Button


def writing_tab(desk: Desk, current: gr.State) -> WritingTab:
    """Build the tab and wire it; `current` is told the persona that has been read."""
    with gr.Tab("1  Writing", id="writing") as tab:
        gr.HTML(HINT)
        files = gr.File(
            file_count="multiple",
            file_types=list(FILE_TYPES),
            label="Files of your writing",
            height=170,
            elem_id="writing-files",
        )
        found = gr.HTML(elem_id="writing-preview")
        with gr.Row():
            me = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label="Which one is you?",
                info="Choose every name you wrote under. For notes and posts, type your name.",
                scale=2,
                min_width=280,
                elem_id="writing-me",
            )
            slug = gr.Textbox("me", label="Name of the clone", info="Short, in lower case", elem_id="writing-slug")
        consent = gr.Checkbox(label=CONSENT, elem_id="writing-consent")
        read = gr.Button("Read my writing", variant="primary", elem_id="writing-read", elem_classes="sc-go")
        result = gr.HTML(elem_id="writing-result")
        pairs_next = gr.Button("Look at the pairs", visible=False, elem_id="writing-next", elem_classes="sc-go")

    def read_form(
        paths: Sequence[str] | None, names: Sequence[str] | None, name: str, agreed: bool
    ) -> Iterator[list[Update]]:
        form = Form(tuple(map(Path, paths or [])), tuple(names or []), name, agreed)
        try:
            for step in read_writing(desk.workspace, form, date.today()):
                ready = step.slug is not None
                slug_now, emptied = (step.slug, None) if ready else (gr.skip(), gr.skip())
                yield [step.html, slug_now, gr.Button(visible=ready), emptied]
        except StyleCloneError as error:
            yield [failure(error), gr.skip(), gr.Button(visible=False), gr.skip()]

    listen(files.change, _previewed, [files, me], [found, me])
    listen(read.click, read_form, [files, me, slug, consent], [result, current, pairs_next, files], trigger_mode="once")
    return WritingTab(tab, pairs_next)


def _previewed(paths: Sequence[str] | None, chosen: Sequence[str] | None) -> tuple[str, Update]:
    seen = preview([Path(path) for path in paths or []])
    known = {name for name, _ in seen.people}
    return seen.html, gr.Dropdown(choices=seen.choices, value=[name for name in chosen or [] if name in known])
