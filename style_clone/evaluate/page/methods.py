"""What every number means, which thresholds hold, and what the scorecard was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from style_clone.evaluate import protocol
from style_clone.evaluate.answers import USERS
from style_clone.evaluate.guardrails import LEAST_VARIETY, MOST_BROKEN
from style_clone.evaluate.page.card import Card
from style_clone.evaluate.page.figures import number
from style_clone.evaluate.page.marks import definitions, nothing, table
from style_clone.units import counted

LOW, HIGH = protocol.LENGTHS
DEFINITIONS: tuple[tuple[str, str, str], ...] = (
    (
        "verdict",
        "The verdict",
        "“Worth it”: the gate passes, the clone's V is ahead of the best prompted candidate's by "
        f"{protocol.LEAST_GAIN:.2f} or more "
        "with a lower bound above 0, habits or held-out fit agree and neither says the opposite, and all "
        "guardrails are kept. With "
        f"{protocol.VOTES} or more blind votes their lower bound must be over one half; without, or where relevance could "
        "not be measured, the verdict is provisional. “A prompt "
        f"is enough”: the upper bound of the difference is under {protocol.LEAST_GAIN:.2f}. “Rejected”: a "
        "guardrail fails. "
        "“Inconclusive”: none of these. “Cannot measure”: the gate fails.",
    ),
    (
        "voice",
        "Voice match, S and V",
        "A classifier over groups of 2 to 4 letters, fitted on the author's and other people's replies that no "
        "clone or prompt has seen, "
        "with names, numbers and links masked and texts cut to like lengths. S is a candidate's mean score, with "
        "other people's "
        f"mean put at 0 and the author's own at 1; V is S, but at most 1. S above {protocol.OVERSHOOT} is “more "
        "like them than they "
        "are”: not punished here, since habits and copying show a caricature.",
    ),
    (
        "gate",
        "The gate, and “cannot measure”",
        "Bundles of ten replies by the author and by people the classifier has never seen. It must tell them "
        "apart with an AUC of "
        f"{protocol.GATE_AUC:.2f} or more (1 is perfect, 0.5 a coin), a lower bound over {protocol.GATE_LOW:.2f}, "
        "and above what "
        "chance reaches with shuffled labels (the 97.5th percentile of 50). The author's own replies must surely read more "
        f"like the author than other people's, and be of {protocol.LEAST_CONVERSATIONS} conversations or more. Else no "
        "number about voice means anything, and the page says “cannot measure”: usually for want of writing.",
    ),
    (
        "attribution",
        "Attributed",
        "Share of bundles that the classifier gives to the author rather than to any of the other people.",
    ),
    (
        "habits",
        "Habits",
        "Function words, punctuation, capitals, emoji, stretched letters: by how many standard deviations of "
        "other people's a candidate "
        "is off the author, at most 3 each, over equal numbers of words. 0 is as far off as other people are, 1 "
        "as near as the "
        "author's newest replies. Too much of a habit counts like too little.",
    ),
    (
        "fit",
        "Held-out fit, bits per byte",
        "How many bits the model needs for each byte of the replies the author really wrote, below the "
        "candidate's own full prompt and the same turns for all. The "
        "end of a reply counts; bytes are those of UTF-8. Lower is better.",
    ),
    (
        "specificity",
        "Specificity",
        "How many bits per byte a candidate gains on the plain model for this author, minus what it gains for "
        "other people. Above 0, it "
        "has learnt this author and not only how chats go.",
    ),
    (
        "guardrails",
        "Guardrails",
        "Relevance, copying and shape. The clone must pass each; they never make a verdict better.",
    ),
    (
        "relevance",
        "Relevance",
        "Share of replies whose embedding is nearer the message they answer than 19 other messages; general requests, such "
        "as “Write something.”, are left out, and under 20 different messages nothing is said. The lower "
        "bound of the difference to "
        f"the best prompted candidate must be over −{protocol.RELEVANCE_SLACK:.2f}; where its upper bound is under that, "
        "the guardrail fails, and between the two it is unsettled.",
    ),
    (
        "copying",
        "Copying",
        "Share of replies with 12 words in a row that stand in the training part, minus the same share of the "
        "author's own newest "
        f"replies; at most {100 * protocol.MOST_COPIED:.0f}%.",
    ),
    (
        "extraction",
        "Word for word",
        "Of training replies drawn by chance, how many give a stretch away: 12 tokens or more in a row, or the whole of a "
        "shorter reply, each the adapter's likeliest token given the true text before. What the plain base model says too, "
        "what stands in the text before, and sentences the author used in several conversations are left out. The same is "
        "counted of replies never trained on. Training ends with this check; it decides nothing here.",
    ),
    (
        "shape",
        "Shape",
        f"Median length against the author's, {LOW:.2f} to {HIGH:.2f}; how many word pairs are different ones, and how "
        "far the replies can be "
        f"compressed, each against as much of the author's writing and {LEAST_VARIETY} of it at least; shares that are "
        f"empty, loop, or never end, each at most {100 * MOST_BROKEN:.0f} points over the author's own.",
    ),
    ("examples", "Examples", "Eight test messages drawn by a fixed seed, with the first reply of each candidate."),
    (
        "votes",
        "Blind votes",
        "Clone and best prompt on random sides, rendered alike, without names; ties count half, results stay hidden until "
        "a fixed number is in. Now and then a trap puts the real reply beside one that plainly is not; who falls for those "
        "is not counted. The interval is Wilson's. Authors, people who know them and strangers are never added up.",
    ),
    (
        "cost",
        "Costs",
        f"As measured on this machine, with up to {USERS} replies at once, the clone served as it was then. Training has "
        "paid for itself once what it took is saved again: by replies that take less time than the best prompt's here, or "
        "that cost less than a paid API asks for those, which is taken to count tokens as the base model does.",
    ),
    (
        "intervals",
        "Intervals and chance",
        "All intervals are 95%. Those of blind votes are Wilson's. That of the judge's AUC comes from drawing conversations "
        "and people anew, all others from drawing whole conversations anew 2,000 times, the author's and other people's too. "
        "p is that of a paired permutation test, in which clone and prompt change places conversation by conversation, "
        "10,000 times; voice, habits and fit are corrected for being three (Holm). Voice is tested by the scores behind S "
        "and has its interval by V, so the two may differ.",
    ),
    (
        "candidates",
        "Candidates",
        "Same base model, decoding, length and messages for all; a rival (--rival) has a base model and decoding of its own, "
        "and decides nothing. Every setting was chosen on DEV, a part of the "
        "writing that is neither "
        "trained on nor tested on, the prompts' as well: by voice, or by held-out fit where voice cannot be measured. "
        "The comparison that decides was fixed beforehand: the "
        "clone against the best "
        f"prompted candidate. Under {protocol.EXPLORATORY[0]} test replies or {protocol.EXPLORATORY[1]} "
        f"conversations, or under {protocol.LEAST_JUDGE} replies to fit the judge on, "
        "a scorecard is exploratory.",
    ),
)
"""Key, name and meaning of everything the page measures; headings link to `#def-key`."""
QUICK_KEYS = ("fit", "cost", "intervals")
"""Those that a quick scorecard has."""
MAKING = (
    "persona",
    "base",
    "protocol",
    "kind",
    "seed",
    "adapter_sha256",
    "test_sha256",
    "base_sha256",
    "versions",
    "hashes",
)
"""Fields of the scorecard that say what it was made from."""


def methods(card: Card) -> str:
    """The section."""
    rows = [
        (f'<span id="def-{key}" tabindex="-1">{escape(name)}</span>', escape(meaning))
        for key, name, meaning in DEFINITIONS
        if not card.is_quick or key in QUICK_KEYS
    ]
    told = definitions(rows, "meanings")
    head = '<div class="head"><h2 id="methods-title">What the numbers mean</h2></div>'
    return f'<section id="methods" aria-labelledby="methods-title">{head}{told}{_parts(card)}{_made(card)}</section>'


def _parts(card: Card) -> str:
    title, sizes = "<h3>What it was measured on</h3>", card.sizes
    rows = [
        ["Test replies", counted(card.replies, "reply", "replies")],
        ["Test conversations", counted(card.conversations, "conversation")],
    ]
    named = (
        ("judge_replies", "Replies the judge was fitted on"),
        ("samples", "Replies drawn for each message"),
        ("dropped_test_replies", "Test replies dropped as near copies"),
    )
    rows += [[name, f"{count:,.0f}"] for key, name in named if (count := number(sizes.get(key))) is not None]
    people = (
        ("impostors_fitted", "Other people the judge was fitted on"),
        ("impostors_unseen", "Other people it had never seen"),
    )
    rows += [[name, escape(", ".join(map(str, sizes[key])))] for key, name in people if sizes.get(key)]
    return title + table(("", ""), rows, "What the scorecard was measured on")


def _made(card: Card) -> str:
    title = "<h3>What it was made from</h3>"
    rows = [
        [escape(name.replace("_", " ").capitalize()), _value(card.raw[name])]
        for name in MAKING
        if card.raw.get(name) is not None
    ]
    made = _moment(card.raw.get("made"))
    rows += [["Made", escape(made)]] if made else []
    return title + (
        table(("", ""), rows, "What the scorecard was made from") if rows else nothing("Nothing was written down.")
    )


def _value(raw: Any) -> str:
    if isinstance(raw, Mapping):
        return "<br>".join(f"{escape(str(name))} <code>{escape(_plain(value))}</code>" for name, value in raw.items())
    return f"<code>{escape(_plain(raw))}</code>"


def _plain(raw: Any) -> str:
    return raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)


def _moment(raw: Any) -> str:
    """A moment as people write it; as it is where it is none."""
    try:
        return datetime.fromisoformat(str(raw)).strftime("%-d %B %Y, %H:%M %Z").strip(" ,") if raw else ""
    except ValueError:
        return str(raw)
