"""Habits: how far a candidate's rates of some 200 habits are from the author's, on both sides, so that caricature shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from style_clone.evaluate.humans import Humans
from style_clone.evaluate.markers import HABITS, Unit, counts, rates, shown
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Array, Resamples, swap_test
from style_clone.evaluate.texts import Masker

CAP = 3.0
"""A habit counts for no more than this many spreads, however far off it is."""
SMALLEST_QUARTER = 0.25
"""Impostors so far down by words are left out, or the tersest would leave no words to compare."""
ALIKE = 1.0
"""A habit is matched where it is this many spreads off at most."""
TELLING, SHOWN = 1.0, 12
"""Habits told of: those in which the author is this many spreads from other people, and of them so many."""
_EXAMPLE_CHARACTERS = range(12, 141)


class Row(TypedDict):
    """One habit as scorecard.json has it; rates are in `unit`."""

    id: str
    words: str
    unit: Unit
    author: float
    clone: float
    prompted: float
    impostors: float
    match: bool
    example: str


@dataclass(frozen=True, eq=False)
class HabitMatch:
    """A candidate's habits: `draws` (R + 1,) of the normalised distance, 1 for the author's own newest replies and 0 for
    other people; `sums` (K, F + 2) are the counts behind it by conversation of H; `rates` (F,) are those of all it wrote."""

    draws: Array
    sums: Array
    rates: Array


@dataclass(frozen=True, eq=False)
class Habits:
    """The yardstick: the author's rates and the spread over impostors, (F,) each, with the distances of H and F, (R + 1,).

    Rates of few words differ by chance, so everybody is measured on `num_words` words; a candidate with fewer gains nothing
    by it, since chance only moves it further away.
    """

    masker: Masker
    resamples: Resamples
    num_words: int
    seed: int
    author: Array
    impostors: Array
    spread: Array
    human: Array
    others: Array

    @classmethod
    def fit(cls, humans: Humans, resamples: Resamples, *, names: Iterable[str] = (), seed: int = 0) -> Habits:
        """From the author's JUDGE replies and all impostors; `resamples` are of the conversations of `humans.test`.

        `num_words` is what H has, or the impostor at the lower quartile if that is less; impostors with fewer are left out.
        Raises ValueError where no unseen impostor is left.
        """
        masker = Masker(names)
        test = _Counted.of(masker, humans.test)
        people = {name: _Counted.of(masker, replies) for name, replies in humans.impostors.items()}
        sizes = [person.num_words for person in people.values()]
        if not sizes:
            raise ValueError("there are no impostors")
        num_words = min(test.num_words, int(np.quantile(sizes, SMALLEST_QUARTER, method="lower")))
        kept = {name: each.thinned(num_words, seed) for name, each in people.items() if each.num_words >= num_words > 0}
        unseen = [kept[name] for name in humans.unseen if name in kept]
        if not unseen:
            raise ValueError("no unseen impostor has enough words")
        totals = np.stack([each.rows.sum(axis=0) for each in kept.values()])
        author = rates(_Counted.of(masker, humans.judge).rows.sum(axis=0))
        spread = _spread(totals)
        draws = [
            _distances(each.draws(drawn), author, spread)
            for each, drawn in zip(unseen, _apart(unseen, len(resamples.weights) - 1, seed), strict=True)
        ]
        return cls(
            masker=masker,
            resamples=resamples,
            num_words=num_words,
            seed=seed,
            author=author,
            impostors=rates(totals).mean(axis=0),
            spread=spread,
            human=_distances(test.thinned(num_words, seed).draws(resamples), author, spread),
            others=np.mean(draws, axis=0),
        )

    def of(self, candidate: Sequence[Reply]) -> HabitMatch:
        """(distance of F - distance of c) / (distance of F - distance of H) under every draw.

        Not a number under draws in which H is no nearer to the author than F is: the corpus then has no habits to match.
        Raises KeyError for a conversation H does not have.
        """
        everything = _Counted.of(self.masker, candidate)
        counted = everything.thinned(self.num_words, self.seed)
        sums = self.resamples.sums(counted.rows, counted.conversations)
        distances = _distances(self.resamples.total(sums), self.author, self.spread)
        room = self.others - self.human
        draws = np.divide(self.others - distances, room, out=np.full_like(room, np.nan), where=room > 0)
        return HabitMatch(draws, sums, rates(everything.rows.sum(axis=0)))

    def p_value(self, first: HabitMatch, second: HabitMatch, *, seed: int = 0) -> float:
        """Two-sided p that two candidates are equally far from the author, by swapping them conversation by conversation."""
        return swap_test(
            first.sums, second.sums, lambda one, other: self._distance(one) - self._distance(other), seed=seed
        )

    def telling(
        self, clone: HabitMatch, prompted: HabitMatch, *, examples: Sequence[str] = (), most: int = SHOWN
    ) -> list[Row]:
        """The habits that set the author apart, most telling first, and what the candidates make of them.

        No more than half of `most` are function words, of which there are many and no reader is surprised by any.

        `examples` are the author's TRAIN or JUDGE replies as they stand; the example is one with the habit, of 12 to 140
        characters where there is one, and empty where the author does it less than others do.
        """
        apart = (self.author - self.impostors) / self.spread
        chosen = _varied(
            [at for at in np.argsort(-np.abs(apart), kind="stable").tolist() if abs(apart[at]) >= TELLING], most
        )
        held = counts([self.masker(text) for text in examples])
        return [self._row(at, clone, prompted, _example(examples, held[:, at], bool(apart[at] > 0))) for at in chosen]

    def _row(self, at: int, clone: HabitMatch, prompted: HabitMatch, example: str) -> Row:
        habit = HABITS[at]
        sides = (self.author, clone.rates, prompted.rates, self.impostors)
        author, made, asked, others = (shown(side[at], habit.unit) for side in sides)
        return {
            "id": habit.id,
            "words": habit.words,
            "unit": habit.unit,
            "author": author,
            "clone": made,
            "prompted": asked,
            "impostors": others,
            "match": bool(abs(clone.rates[at] - self.author[at]) <= ALIKE * self.spread[at]),
            "example": example,
        }

    def _distance(self, totals: Array) -> Array:
        return _distance(totals, self.author, self.spread)


@dataclass(frozen=True, eq=False)
class _Counted:
    """One writer's counts, (N, F + 2), with the conversation of each reply."""

    rows: Array
    conversations: tuple[str, ...]

    @classmethod
    def of(cls, masker: Masker, replies: Sequence[Reply]) -> _Counted:
        rows = counts([masker(reply.text) for reply in replies])
        return cls(rows, tuple(reply.conversation for reply in replies))

    @property
    def num_words(self) -> int:
        return int(self.rows[:, -2].sum())

    def thinned(self, num_words: int, seed: int) -> _Counted:
        """Replies drawn from all over, until they have `num_words` words; all where they have fewer."""
        order = np.random.default_rng(seed).permutation(len(self.rows))
        before = np.cumsum(self.rows[order, -2]) - self.rows[order, -2]
        chosen = np.sort(order[before < num_words])
        return _Counted(self.rows[chosen], tuple(self.conversations[at] for at in chosen))

    def draws(self, resamples: Resamples) -> Array:
        return resamples.total(resamples.sums(self.rows, self.conversations))


def _apart(people: Sequence[_Counted], resamples: int, seed: int) -> list[Resamples]:
    """Draws of each person's conversations, independent of each other's and of H's."""
    return [
        Resamples.of(each.conversations, resamples=resamples, seed=2_000 * (seed + 1) + number)
        for number, each in enumerate(people)
    ]


def _spread(totals: Array) -> Array:
    """The standard deviation of impostors' rates (F,) from their counts (P, F + 2), and at least what chance alone gives.

    That is a binomial's with the impostors' mean rate, of one occurrence at the least, so that a habit none of them has is
    finite too.
    """
    found = rates(totals)
    middle = found.mean(axis=0)
    by_reply = np.array([habit.unit == "share" for habit in HABITS])
    sizes = np.where(by_reply, totals[:, -1].mean(), totals[:, -2].mean())
    chance = np.sqrt(np.maximum(middle * (1 - middle).clip(0) * sizes, 1)) / sizes
    spread = found.std(axis=0, ddof=1) if len(found) > 1 else np.zeros_like(middle)
    widest: Array = np.maximum(spread, chance)
    return widest


def _distance(totals: Array, author: Array, spread: Array) -> Array:
    """The mean over habits of |z - the author's z|, at most CAP each, from sums of counts (B, F + 2): (B,)."""
    distance: Array = np.minimum(np.abs(rates(totals) - author) / spread, CAP).mean(axis=-1)
    return distance


def _distances(draws: Array, author: Array, spread: Array) -> Array:
    """Distances under every draw (R + 1, F + 2), moved so that their mean is the value: (R + 1,).

    A distance grows with chance, and every draw adds chance to that of the sample; only the width is the draws' to tell.
    """
    found = _distance(draws, author, spread)
    moved: Array = found - (found[1:].mean() - found[0])
    moved[0] = found[0]
    return moved


def _varied(places: Sequence[int], most: int) -> list[int]:
    """The first `most` of habits' `places`, with function words for half of them at the most."""
    worded = [at for at in places if HABITS[at].id.startswith("word:")]
    left_out = set(worded[most // 2 :])
    return [at for at in places if at not in left_out][:most]


def _example(texts: Sequence[str], held: Array, does: bool) -> str:
    """A reply with the habit, of a length that can be quoted where there is one: the first of those."""
    having = [text for text, count in zip(texts, held, strict=True) if does and count > 0]
    return next((text for text in having if len(text) in _EXAMPLE_CHARACTERS), min(having, key=len, default=""))
