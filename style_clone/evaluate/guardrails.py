"""Guardrails: what voice must not be bought with. Replies beside the question, copied ones, and misshapen ones."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from style_clone.evaluate.leakage import Copies
from style_clone.evaluate.protocol import LENGTHS, MOST_COPIED, RELEVANCE_SLACK
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Array, Resamples, interval
from style_clone.words import count_words, words

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""One row of length 1 for each of N texts, (N, 384), such as style_clone.embedding gives."""

DISTRACTORS = 19
MOST_BROKEN = 0.05
"""Replies that may be empty, loop or be unterminated, each, beyond what the author's own do: one in twenty."""
LEAST_VARIETY = 0.5
"""Distinct-2 and gzip ratio to H: people's halves stay within a tenth of 1, a model that says one sentence is near 0."""

LOOP_WORDS, LOOP_TIMES = 12, 3
"""A reply loops where a run of words stands in a row so often and makes up so many words: "ha ha ha" does not."""
_LOOP_CHARACTERS = re.compile(r"(\S{1,8}?)\1{19,}")
"""Or where up to 8 characters stand 20 times in a row, whatever they are."""


@dataclass(frozen=True, eq=False)
class Relevance:
    """Every prompt of a set with the 19 others that replies to it are compared with, the same for every candidate.

    `vectors` is (P, 384), a row for each distinct prompt in `places`; `others` is (P, 19), or fewer columns where there are
    fewer prompts.
    """

    embed: Embed
    places: dict[str, int]
    vectors: NDArray[np.float32]
    others: NDArray[np.int64]

    @classmethod
    def of(cls, prompts: Iterable[str], embed: Embed, *, seed: int = 0) -> Relevance:
        """From the prompts of H. Raises ValueError where fewer than two are different."""
        distinct = sorted(set(prompts))
        if len(distinct) < 2:
            raise ValueError("relevance needs two different prompts")
        size, rng = min(DISTRACTORS, len(distinct) - 1), np.random.default_rng(seed)
        drawn = np.stack([rng.choice(len(distinct) - 1, size, replace=False) for _ in distinct])
        others = drawn + (drawn >= np.arange(len(distinct))[:, np.newaxis])  # past the prompt itself
        return cls(embed, {prompt: at for at, prompt in enumerate(distinct)}, embed(distinct), others)

    def hits(self, replies: Sequence[Reply]) -> NDArray[np.bool_]:
        """Which replies are nearer their own prompt than every other one of its 19, (N,); an empty reply is near nothing.

        A reply to the wrong prompt is right one time in twenty by chance. Raises KeyError for a prompt H does not have.
        """
        own = np.array([self.places[reply.prompt] for reply in replies], dtype=np.int64)
        said = self.embed([reply.text for reply in replies])
        near = np.einsum("nd,nd->n", said, self.vectors[own])
        nearest_other = np.einsum("nd,nod->no", said, self.vectors[self.others[own]]).max(axis=1, initial=-np.inf)
        hits: NDArray[np.bool_] = (near > nearest_other) & np.array([bool(reply.text.strip()) for reply in replies])
        return hits

    def answers(self, replies: Sequence[Reply]) -> list[Reply]:
        """Those that answer one of these prompts."""
        return [reply for reply in replies if reply.prompt in self.places]

    def draws(self, replies: Sequence[Reply], resamples: Resamples) -> Array:
        """The share of hits, of replies to these prompts, under every draw of conversations, (R + 1,)."""
        answers = self.answers(replies)
        return resamples.mean(self.hits(answers), [reply.conversation for reply in answers])


@dataclass(frozen=True)
class Copying:
    """The share of replies with a run of 12 words of a TRAIN reply, and how far that is over the author's own new ones."""

    share: float
    excess: float

    def to_json(self) -> dict[str, float]:
        """As scorecard.json has it."""
        return asdict(self)


@dataclass(frozen=True)
class Shape:
    """What replies look like whatever they say: ratios to H, and shares of all replies."""

    length_ratio: float
    distinct2_ratio: float
    gzip_ratio: float
    empty: float
    looping: float
    unterminated: float

    def to_json(self) -> dict[str, float]:
        """As scorecard.json has it."""
        return asdict(self)


def copying(replies: Sequence[Reply], human: Sequence[Reply], train: Copies) -> Copying:
    """How much of a candidate's replies, and of H's, stands in TRAIN."""
    share = float(train.found(reply.text for reply in replies).mean())
    return Copying(share, share - float(train.found(reply.text for reply in human).mean()))


def shape(replies: Sequence[Reply], human: Sequence[Reply]) -> Shape:
    """The shape of a candidate's replies (one or more) beside H's.

    Length is the median in words. Distinct-2 (Li and others 2016) is the share of pairs of neighbouring words that differ,
    gzip how much deflate shortens the text; both fall with length by themselves, so both sides are cut to the same number of
    words, and of several replies to a prompt the first of each come first.
    """
    mine, theirs = _stream(replies), _stream(human)
    size = min(len(mine), len(theirs))
    return Shape(
        length_ratio=_ratio(median_words(replies), median_words(human)),
        distinct2_ratio=_ratio(_distinct2(mine[:size]), _distinct2(theirs[:size])),
        gzip_ratio=_ratio(_deflated(mine[:size]), _deflated(theirs[:size])),
        empty=_share(not reply.text.strip() for reply in replies),
        looping=_share(loops(reply.text) for reply in replies),
        unterminated=_share(not reply.ended for reply in replies),
    )


def median_words(replies: Sequence[Reply]) -> float:
    """The median length in words."""
    return float(np.median([count_words(reply.text) for reply in replies]))


def loops(text: str) -> bool:
    """Whether a run of words stands three times or more in a row over 12 words or more, or a few characters 20 times."""
    said = words(text)
    for period in range(1, len(said) // LOOP_TIMES + 1):
        wanted = max(LOOP_WORDS, LOOP_TIMES * period) - period
        streak = 0
        for word, earlier in zip(said[period:], said, strict=False):
            streak = streak + 1 if word == earlier else 0
            if streak >= wanted:
                return True
    return _LOOP_CHARACTERS.search(text) is not None


def failed(
    *, relevance: Array | None, baseline: Array | None, copied: Copying, shaped: Shape, human: Shape
) -> dict[str, str]:
    """The guardrails that failed, by name ("relevance", "copying", "shape"), and each one's reason with its number.

    `relevance` and `baseline` are draws (R + 1,) of the candidate and the best prompted one, None where they could not be
    measured; `human` is H's shape beside itself.
    """
    found = {
        "relevance": _irrelevant(relevance, baseline),
        "copying": _copied(copied),
        "shape": "; ".join(_misshapen(shaped, human)),
    }
    return {name: reason for name, reason in found.items() if reason}


def unsettled(relevance: Array | None, baseline: Array | None) -> dict[str, str]:
    """The guardrails that so few replies neither keep nor fail, and each one's reason: relevance alone has an interval."""
    if relevance is None or baseline is None:
        return {}
    lost = interval(relevance - baseline)
    if lost["low"] > -RELEVANCE_SLACK or lost["high"] < -RELEVANCE_SLACK:
        return {}
    allowed = f"the loss may be as much as {_points(-lost['low'])} points, and {_points(RELEVANCE_SLACK)} are allowed"
    return {"relevance": f"{_fitting(relevance, baseline)}; {allowed}"}


def _irrelevant(relevance: Array | None, baseline: Array | None) -> str:
    if relevance is None or baseline is None:
        return ""
    high = interval(relevance - baseline)["high"]
    if high >= -RELEVANCE_SLACK:
        return ""
    return f"{_fitting(relevance, baseline)}; at least {_points(-high)} points are lost"


def _fitting(relevance: Array, baseline: Array) -> str:
    return f"{relevance[0]:.0%} of replies fit their prompt, {baseline[0]:.0%} of the baseline's"


def _points(share: float) -> str:
    """A difference of shares, which is no share of anything; to a tenth, since 5.1 is more than 5."""
    return f"{round(100 * share, 1):g}"


def _copied(copied: Copying) -> str:
    if copied.excess <= MOST_COPIED:
        return ""
    return f"{copied.share:.0%} of replies copy 12 words from training, {copied.excess:.0%} more than the author's own"


def is_in_shape(figure: str, value: float, human: float) -> bool:
    """Whether a figure of Shape, by its name, keeps its bound; `human` is H's share, which ratios do not need."""
    if figure == "length_ratio":
        low, high = LENGTHS
        return low <= value <= high
    return value >= LEAST_VARIETY if figure.endswith("ratio") else value - human <= MOST_BROKEN


def _misshapen(shaped: Shape, human: Shape) -> Iterable[str]:
    said = {
        "length_ratio": "the usual length is {:.2f} of the author's",
        "distinct2_ratio": "pairs of words vary {:.2f} as much as the author's",
        "gzip_ratio": "replies repeat each other: they pack to {:.2f} of what the author's do",
        "empty": "{:.0%} of replies are empty",
        "looping": "{:.0%} of replies loop",
        "unterminated": "{:.0%} of replies do not end",
    }
    for figure, sentence in said.items():
        value = getattr(shaped, figure)
        if not is_in_shape(figure, value, getattr(human, figure)):
            yield sentence.format(value)


def _stream(replies: Sequence[Reply]) -> list[str]:
    """All words of the first reply to each prompt, then of the second to each, and so on."""
    turns: Counter[tuple[str, str]] = Counter()
    ranked = []
    for reply in replies:
        key = reply.conversation, reply.prompt
        ranked.append((turns[key], reply.text))
        turns[key] += 1
    return [word for _, text in sorted(ranked, key=lambda each: each[0]) for word in text.split()]


def _distinct2(said: Sequence[str]) -> float:
    couples = list(pairwise(said))
    return len(set(couples)) / len(couples) if couples else 0.0


def _deflated(said: Sequence[str]) -> float:
    text = " ".join(said).encode()
    return len(zlib.compress(text, 9)) / len(text) if text else 0.0


def _ratio(mine: float, theirs: float) -> float:
    return mine / theirs if theirs else float(mine == theirs)


def _share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))
