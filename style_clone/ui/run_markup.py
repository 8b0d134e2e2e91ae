"""How a run looks: the voice as it comes, and what came out in the end. Samples and records are escaped here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from style_clone.ui.handlers.following import Sample
from style_clone.ui.markup import notice
from style_clone.units import spell_bytes, spell_count, spell_seconds

STOPPED = {
    "finished": "It ran to its end, and the adapter is the best of all that was measured.",
    "early": "It stopped early: the held-out loss was not getting better any more.",
    "cancelled": "It was cancelled, and the best until then was kept.",
}
"""How a run can end, in words."""
TITLE = "The voice as it comes"


def voice(samples: Sequence[Sample]) -> str:
    """Held-out messages, what the clone made of each from step to step, and what its author wrote; the last told first."""
    if not samples:
        return ""
    shown = "".join(map(_sample, reversed(samples)))
    hint = "Messages the clone has not seen in training, and what it would write back at each step."
    return f'<section class="sc-voice"><h3>{TITLE}</h3><p class="sc-hint">{hint}</p>{shown}</section>'


def warning(texts: Sequence[str]) -> str:
    """What training warned of, once each."""
    return "".join(notice(f"{text[:1].upper()}{text[1:]}") for text in texts)


def run_card(run: Mapping[str, Any]) -> str:
    """What run.json says of a training: predicted against what was, where it was best, how it ended, whether it leaks.

    What a record of an earlier version does not say is left out.
    """
    predicted, resumed = run.get("predicted") or {}, run.get("resumed") or 0
    # Of a run that was taken up again only the last part was timed.
    whole = None if resumed else predicted.get("seconds")
    figures = [
        _measured("Time", run.get("seconds"), whole, spell_seconds, "since it was last taken up" if resumed else ""),
        _measured("Memory", run.get("peak_memory_bytes"), predicted.get("peak_memory_bytes"), spell_bytes),
        _best(run),
        _learned(run),
        _leaked(run.get("leaks") or {}),
    ]
    notes = [
        STOPPED.get(run.get("stopped", ""), ""),
        f"It was broken off and taken up again {_times(resumed)}." if resumed else "",
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class='sc-sub'>{escape(note)}</dd></div>"
        for name, value, note in filter(None, figures)
    )
    told = "".join(f"<p>{escape(note)}</p>" for note in notes if note)
    card = f'<section class="sc-card sc-ran"><h3>What the training took</h3><dl>{cells}</dl>{told}</section>'
    return card + leak_notice(run.get("leaks") or {})


def leak_notice(leaks: Mapping[str, Any]) -> str:
    """The leak check's verdict and sentence; nothing where it has not run."""
    verdict = str(leaks.get("verdict", ""))
    if not verdict:
        return ""
    kinds: Mapping[str, str] = {"clean": "good", "leaky": "bad"}
    return notice(f"Leak check: {verdict}.", str(leaks.get("sentence", "")), kind=kinds.get(verdict, "info"))


def _measured(
    name: str, actual: Any, predicted: Any, spell: Callable[[float], str], otherwise: str = ""
) -> tuple[str, str, str] | None:
    """A figure and what was expected of it, with by how much it was off."""
    if not actual:
        return None
    off = f"{spell(predicted)} predicted, {100 * (actual / predicted - 1):+.0f}%" if predicted else otherwise
    return name, spell(actual), off


def _best(run: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if "best_dev_nats" not in run:
        return None
    where = f"after {run['best_epoch']:.3g} of {run['recipe']['epochs']} passes"
    first = next((point["dev_nats"] for point in run.get("curve", ()) if "dev_nats" in point), None)
    began = f", from {first:.2f}" if first is not None else ""
    return "Best held-out loss", f"{run['best_dev_nats']:.2f}", where + began


def _learned(run: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if not run.get("num_train_tokens"):
        return None
    speed = run.get("tokens_per_second")
    note = f"{run.get('steps', 0):,} steps" + (f", {speed:,.0f} tokens/s" if speed else "")
    return "Tokens read", spell_count(run["num_train_tokens"]), note


def _leaked(leaks: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if "replies" not in leaks:
        return None
    unseen = f"of unseen ones {leaks['held_out_extracted']:,} of {leaks['held_out']:,}"
    return "Replies given away", f"{leaks['extracted']:,} of {leaks['replies']:,}", unseen


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _sample(sample: Sample) -> str:
    """Replies keep their lines, as they would be sent."""
    now = len(sample.replies) - 1
    replies = "".join(
        f'<li class="{"sc-now" if number == now else ""}"><small>{_when(step)}</small><p>{escape(text) or "&nbsp;"}</p></li>'
        for number, (step, text) in enumerate(sample.replies)
    )
    author = (
        f'<li class="sc-yours"><small>you wrote</small><p>{escape(sample.author)}</p></li>' if sample.author else ""
    )
    return (
        f'<article class="sc-said"><p class="sc-asked">{escape(sample.prompt)}</p><ol>{replies}{author}</ol></article>'
    )


def _when(step: float) -> str:
    return f"step {step:,.0f}" if step else "before"
