"""The page: a title, a step a tab, and what binds them together."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from style_clone.ui.theme import FONT, FONT_MONO, VARIABLES
from style_clone.ui.views.chatting import chat_tab
from style_clone.ui.views.chatting import refreshed as chat_refreshed
from style_clone.ui.views.desk import Desk, listen
from style_clone.ui.views.pairs import pairs_tab
from style_clone.ui.views.pairs import refreshed as pairs_refreshed
from style_clone.ui.views.scorecard import refreshed as scorecard_refreshed
from style_clone.ui.views.scorecard import scorecard_tab
from style_clone.ui.views.training import refreshed as train_refreshed
from style_clone.ui.views.training import train_tab
from style_clone.ui.views.voting import refreshed as vote_refreshed
from style_clone.ui.views.voting import vote_tab
from style_clone.ui.views.writing import writing_tab

_DAY_SECONDS = 24 * 60 * 60


def title(elsewhere: str | None) -> str:
    """The name, what this is and where the writing goes: `elsewhere` is the host that clones are asked on, if another's."""
    goes = (
        f"Chats, and prompts that quote it, go to {escape(elsewhere)}" if elsewhere else "It never leaves this machine"
    )
    return (
        '<div class="sc-title"><h1>style<b>-clone</b></h1>'
        f"<p>Your own writing becomes a small model that writes like you. {goes}.</p></div>"
    )


def build_page(desk: Desk, elsewhere: str | None = None) -> gr.Blocks:
    """The page, wired and ready to launch. Uploads that were never read go after a day."""
    with gr.Blocks(title="style-clone", analytics_enabled=False, delete_cache=(3600, _DAY_SECONDS)) as page:
        gr.HTML(title(elsewhere))
        current = gr.State(None)
        with gr.Tabs() as tabs:
            writing = writing_tab(desk, current)
            pairs = pairs_tab(desk, current)
            training = train_tab(desk, current)
            scorecard = scorecard_tab(desk, current)
            chat = chat_tab(desk, current)
            vote = vote_tab(desk, current)

    async def refresh_chat(slug: str | None) -> tuple[Any, Any, Any]:
        return await chat_refreshed(desk, slug)

    with page:
        pairs_inputs = [current, *pairs.board.form]
        # Not when the page is loaded: another tab is shown then, and the list would be made twice.
        listen(pairs.tab.select, lambda *seen: pairs_refreshed(pairs.painter, *seen), pairs_inputs, pairs.board.all)
        train_outputs = [training.persona, *training.shown]
        for event in (page.load, training.tab.select):
            listen(event, lambda slug: train_refreshed(training, slug), current, train_outputs)
        shown = [scorecard.persona, *scorecard.shown]
        listen(scorecard.tab.select, lambda slug: scorecard_refreshed(scorecard, slug), current, shown)
        for event in (page.load, chat.tab.select):
            listen(event, refresh_chat, current, [chat.persona, chat.registers, chat.status])
        listen(vote.tab.select, lambda slug: vote_refreshed(desk, slug), current, vote.persona)
        for button, tab in (
            (writing.pairs_next, "pairs"),
            (pairs.board.train_next, "train"),
            (training.chat_next, "chat"),
        ):
            listen(button.click, lambda tab=tab: gr.Tabs(selected=tab), None, tabs)
    return page


def theme() -> gr.themes.Base:
    """The theme: teal on stone, system fonts only."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=list(FONT),
        font_mono=list(FONT_MONO),
    )
    return base.set(**VARIABLES)
