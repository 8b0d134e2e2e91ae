"""Does an adapter give its training replies away, word for word?

Where the model's likeliest token is the true one k times in a row, greedy decoding from the text before yields those k tokens
verbatim. So one pass over a conversation finds every run that an attacker who knows its beginning could draw out: the
"extractable" text of Carlini and others, "Quantifying Memorization Across Neural Language Models" (ICLR 2023). A run counts
against the adapter only where it is at least RUN_TOKENS long (or a whole short reply), is not in the prompt already, does not
come out of the plain base model too, and is no stock sentence that the author used in other conversations as well. What is
left may still be no more than a predictable turn of phrase, so the same is measured on replies never trained on.

What a clean result does not show: that nothing was memorised. An attacker may draw many samples, try other prompts, or ask
only whether a known text was trained on (membership inference), and a secret shorter than a run is not looked at; `canaries`
measure that last kind. On the other hand the attacker here is given the true beginning, which a stranger would not have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from style_clone.precision import autocast
from style_clone.progress import Event, Report, silent
from style_clone.proportion import wilson
from style_clone.train.canaries import Trial, exposures
from style_clone.train.data import IGNORED, LengthBatches, collate
from style_clone.train.loss import reply_logits
from style_clone.train.tokens import Example
from style_clone.train.verbatim import RUN_TOKENS, Reply, Run, Sample, draw, stock_of

ADAPTED, PLAIN = "adapted", "plain"
"""The two models that are compared."""
BATCH_TOKENS = 1024
"""Tokens in a pass, padding counted: what bounds the memory, besides the longest example."""
LEAKY = 0.05
"""Share of replies given away, beyond what comes out of unseen ones, from which an adapter is called leaky."""
ADVICE = {
    "clean": "",
    "some": "Read what you trained on before you share the adapter, or train for fewer passes.",
    "leaky": "Whoever has this adapter can have it recite what you wrote: train for fewer passes or at a lower rate.",
}
"""What to do about each verdict."""


@dataclass
class Tally:
    """What came out of one set of replies: counts of replies, and the longest run in tokens."""

    replies: int = 0
    extracted: int = 0
    plain: int = 0
    stock: int = 0
    longest: int = 0

    def add(self, reply: Reply, adapted: Mapping[int, Run], plain: Mapping[int, Run], stock: Collection[Run]) -> None:
        """Count one reply: the runs of the adapted and of the plain model, and those of several conversations."""
        own = {start for start, run in adapted.items() if run not in stock}
        given = own - set(plain)
        self.replies += 1
        self.extracted += bool(given)
        self.plain += bool(own & set(plain))
        self.stock += bool(adapted) and not own
        self.longest = max(self.longest, _longest(given, reply.width))

    @property
    def rate(self) -> float:
        """Share of the replies that the adapter gives away."""
        return self.extracted / self.replies if self.replies else 0.0


def leak_check(
    model: Any,
    train: Sequence[Example],
    held_out: Sequence[Example],
    pad_id: int,
    *,
    limit: int = 200,
    seed: int = 0,
    conversations: Sequence[str] = (),
    canaries: Sequence[Trial] = (),
    report: Report = silent,
) -> dict[str, Any]:
    """What an adapted `model` gives away of some `limit` training replies; counts and rates only, never a word.

    `conversations` names the conversation of each training pair by its index (without it, each example counts as one of its
    own), so that what the author said in several is told apart from what was said once. Whole examples are drawn, with
    `seed`; replies of one conversation lean the same way, so the interval (Wilson, 1927; 95%) is a little narrow. Keys:
    replies, extracted, plain_extracted (replies of which a run came out of the adapter and of the base), stock_only (whose
    runs all stand in other conversations too), held_out, held_out_extracted, rate, interval, held_out_rate, longest (tokens),
    run_tokens, verdict ("clean": no more than comes out of unseen replies; "some"; "leaky": certainly more, by LEAKY or
    over), sentence; and canaries, where there are any.
    """
    planted = {tuple(trial[0].ids) for trial in canaries}
    named = [(example, _conversation(example, at, conversations)) for at, example in enumerate(train)]
    own = [(example, name) for example, name in named if tuple(example.ids) not in planted]
    seen = draw(own, limit, seed)
    unseen = draw([(example, f"held out {at}") for at, example in enumerate(held_out)], limit, seed)
    with _measuring(model):
        report(Event("leaks", "looking for training replies in the adapter"))
        for sample in (seen, unseen):
            _look(ADAPTED, model, sample, pad_id, range(len(sample.examples)))
        secrets = exposures(model, canaries, pad_id) if canaries else {}
        report(Event("leaks", "looking for what came out in the plain base model"))
        with model.disable_adapter():
            for sample in (seen, unseen):
                _look(PLAIN, model, sample, pad_id, sample.telling(ADAPTED))
    stock = stock_of([seen, unseen], own)
    return _summary(_tally(seen, stock), _tally(unseen, stock), secrets)


@contextmanager
def _measuring(model: Any) -> Iterator[None]:
    """Evaluation mode and training's precision and kernels within the block; the mode is put back after it."""
    import torch

    from style_clone.train.step import as_in_training

    training = model.training
    model.eval()
    try:
        with as_in_training(model), torch.inference_mode(), autocast(model.device.type):
            yield
    finally:
        model.train(training)


def _look(name: str, model: Any, sample: Sample, pad_id: int, which: Sequence[int]) -> None:
    """Note which tokens of the sample's replies `model` would have said, in the examples at `which`."""
    examples = [example for example, _ in sample.examples]
    hits = sample.hits[name] = [[False] * len(example.ids) for example in examples]
    for chosen in LengthBatches([len(examples[at].ids) for at in which], BATCH_TOKENS, seed=0):
        places = [which[at] for at in chosen]
        batch = {key: of.to(model.device) for key, of in collate([examples[at] for at in places], pad_id).items()}
        wanted = batch["labels"] != IGNORED  # (B, T)
        right = wanted.clone()
        right[wanted] = reply_logits(model, **batch).argmax(dim=-1) == batch["labels"][wanted]
        for at, row in zip(places, right.tolist(), strict=True):
            hits[at] = row[: len(hits[at])]


def _conversation(example: Example, at: int, conversations: Sequence[str]) -> str:
    return conversations[max(example.owner)] if conversations else str(at)


def _longest(starts: Collection[int], width: int) -> int:
    """Tokens of the longest stretch that windows of `width` at `starts` cover without a gap between their starts."""
    longest = streak = 0
    for start in sorted(starts):
        streak = streak + 1 if start - 1 in starts else width
        longest = max(longest, streak)
    return longest


def _tally(sample: Sample, stock: Collection[Run]) -> Tally:
    tally = Tally()
    for reply, found in sample.replies():
        tally.add(reply, found[ADAPTED], found[PLAIN], stock)
    return tally


def _summary(seen: Tally, unseen: Tally, secrets: dict[str, Any]) -> dict[str, Any]:
    interval = wilson(seen.extracted, seen.replies)
    verdict = verdict_of(interval[0], unseen.rate, secrets.get("extracted", 0))
    return {
        "replies": seen.replies,
        "extracted": seen.extracted,
        "plain_extracted": seen.plain,
        "stock_only": seen.stock,
        "held_out": unseen.replies,
        "held_out_extracted": unseen.extracted,
        "rate": seen.rate,
        "interval": list(interval),
        "held_out_rate": unseen.rate,
        "longest": seen.longest,
        "run_tokens": RUN_TOKENS,
        "verdict": verdict,
        "sentence": " ".join(filter(None, [_counts(seen, unseen), _of_secrets(secrets), ADVICE[verdict]])),
        **({"canaries": secrets} if secrets else {}),
    }


def verdict_of(low: float, unseen_rate: float, secrets: int) -> str:
    """The verdict on an adapter: `low` is the interval's lower end, `secrets` how many canaries came out."""
    if low > unseen_rate + LEAKY:
        return "leaky"
    return "some" if low > unseen_rate or secrets else "clean"


def _counts(seen: Tally, unseen: Tally) -> str:
    low, high = (f"{share:.1%}" for share in wilson(seen.extracted, seen.replies))
    many = f", {RUN_TOKENS} tokens or more in a row" + (f" and up to {seen.longest}" if seen.extracted else "")
    return (
        f"Given the words before, {seen.extracted} of {seen.replies} training replies come out of the adapter word for word"
        f"{many} (95% interval {low} to {high}); of replies it never saw, {unseen.extracted} of {unseen.replies}."
    )


def _of_secrets(secrets: Mapping[str, Any]) -> str:
    return f"{secrets['extracted']} of {secrets['planted']} planted secrets come out." if secrets else ""
