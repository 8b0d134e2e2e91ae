"""Voice match: how far from other people, and how near to the author, a candidate's replies read to the verifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from style_clone.evaluate.humans import Humans
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Array, Resamples
from style_clone.evaluate.texts import LengthRule, Masker, bundles
from style_clone.evaluate.verifier import Features, Gate, Group, Verifier, fair_weights, fitted, gate

AUTHOR = ""
"""The author among people who are called by name."""
MOST_TURNED = 0.025
"""Share of draws in which H may read no more like the author than F: of a 95% interval, what is below it."""


@dataclass(frozen=True, eq=False)
class VoiceMatch:
    """A candidate's voice. `s` and `v` are draws (R + 1,); `sums` (K,) are its logits by conversation of H, `sizes` (K,) its
    replies there; `attribution` is the share of its bundles that the author is the best match of, None without a bundle."""

    s: Array
    sums: Array
    sizes: Array
    attribution: float | None

    @property
    def v(self) -> Array:
        """min(S, 1): more typical than the author's newest texts is no better."""
        return np.minimum(self.s, 1.0)

    @property
    def means(self) -> Array:
        """The mean logit in each conversation, weighed by its replies, so that differences of two candidates can be flipped
        in sign conversation by conversation: (K,)."""
        weights: Array = self.sums / self.sizes.sum()
        return weights


@dataclass(frozen=True, eq=False)
class Voice:
    """The verifier with its anchors: H and F, as draws of their mean logits, (R + 1,) each."""

    masker: Masker
    rule: LengthRule
    verifier: Verifier
    attributor: Attributor
    humans: Humans
    resamples: Resamples
    human: Array
    others: Array
    lowest: float
    """The least any of their replies is taken for the author's. To say nothing is no more like them than that: of no words
    the verifier knows only how many were whose when it was fitted."""

    @classmethod
    def fit(cls, humans: Humans, resamples: Resamples, *, names: Iterable[str] = (), seed: int = 0) -> Voice:
        """Fit verifier and attributor. `resamples` are of the conversations of `humans.test`; `names` are people's, to mask.

        Lengths are those of four human groups: the author's JUDGE and TEST replies, fitted and unseen impostors'. Raises
        ValueError where one side has no replies.
        """
        masker = Masker(names)
        own = [_texts(masker, part) for part in (humans.judge, humans.test)]
        fitted_texts, unseen_texts = (
            {name: _texts(masker, replies) for name, replies in people.items()}
            for people in (humans.fitted, humans.unseen)
        )
        pooled = [[text for texts in people.values() for text in texts] for people in (fitted_texts, unseen_texts)]
        rule = LengthRule.of([*own, *pooled])
        judge, test = map(rule, own)
        met, unmet = (
            _shared_out(people, rule(texts)) for people, texts in zip((fitted_texts, unseen_texts), pooled, strict=True)
        )
        verifier = Verifier.fit(judge, met)
        own_logits = verifier.logits(test)
        logits = {name: verifier.logits(texts) for name, texts in unmet.items()}
        human = resamples.mean(own_logits, _conversations(humans.test))
        others = _others(logits, humans, len(resamples.weights) - 1, seed)
        lowest = float(min(each.min() for each in (own_logits, *logits.values()) if len(each)))
        attributor = Attributor.fit({AUTHOR: judge, **met, **unmet})
        return cls(masker, rule, verifier, attributor, humans, resamples, human, others, lowest)

    def texts(self, replies: Sequence[Reply]) -> list[str]:
        """One group's replies as the verifier reads them: masked, and cut by rank of length."""
        return self.rule(_texts(self.masker, replies))

    def logits(self, replies: Sequence[Reply]) -> Array:
        """The log-odds that the author wrote each of one group's replies, (N,); an empty one has the lowest of people's."""
        return self._logits(replies, self.texts(replies))

    def _logits(self, replies: Sequence[Reply], texts: Sequence[str]) -> Array:
        empty = np.array([not reply.text.strip() for reply in replies])
        return np.where(empty, self.lowest, self.verifier.logits(texts))

    def gate(self, *, seed: int = 0) -> Gate:
        """Whether the verifier tells the author's TEST replies from unseen impostors'."""
        unseen = self.humans.unseen
        texts = _shared_out(unseen, self.texts([reply for replies in unseen.values() for reply in replies]))
        found = gate(
            self.verifier,
            Group(self.texts(self.humans.test), _conversations(self.humans.test)),
            [Group(texts[name], _conversations(replies)) for name, replies in unseen.items()],
            impostors=len(self.humans.impostors),
            seed=seed,
        )
        return replace(found, failed=(*found.failed, *self._without_scale()))

    def _without_scale(self) -> list[str]:
        """S is measured by the distance from F to H: there is none where other replies of theirs might turn it round."""
        turned = float(np.mean(self._distance[1:] <= 0))
        if turned <= MOST_TURNED:
            return []
        return [f"in {turned:.0%} of draws the author's own replies read no more like the author than other people's"]

    @property
    def _distance(self) -> Array:
        return self.human - self.others

    def of(self, candidate: Sequence[Reply]) -> VoiceMatch:
        """S = (mean s(c) - mean s(F)) / (mean s(H) - mean s(F)) under every draw, and the attribution rate.

        It is NaN under draws in which H reads no more like the author than F, of which the gate lets few through.
        `candidate` answers in H's conversations. mean s(F) is the mean over impostors of each one's mean. Raises KeyError for
        a conversation H does not have.
        """
        texts, names = self.texts(candidate), _conversations(candidate)
        logits = self._logits(candidate, texts)
        means = self.resamples.mean(logits, names)
        return VoiceMatch(
            s=np.divide(means - self.others, self._distance, out=np.full_like(means, np.nan), where=self._distance > 0),
            sums=self.resamples.sums(logits, names),
            sizes=self.resamples.sums(np.ones(len(names)), names),
            attribution=self.attributor.share(texts, bundles(names)),
        )


@dataclass(frozen=True, eq=False)
class Attributor:
    """Which of the author and all impostors, fitted and unseen, wrote a bundle: one verifier for each against the others.

    It is fitted on all of the impostors' texts, the unseen ones' too, since only bundles of candidates and of the author's
    TEST replies are ever attributed, and none of those is among them: nothing of impostors need be held out here.
    """

    features: Features
    people: tuple[str, ...]
    models: tuple[Any, ...]

    @classmethod
    def fit(cls, texts: dict[str, list[str]]) -> Attributor:
        """Fit on texts by person; those without any are left out."""
        people = tuple(name for name, said in texts.items() if said)
        everything = [text for name in people for text in texts[name]]
        owners = np.array([name for name in people for _ in texts[name]])
        features = Features.of(everything)
        rows = features(everything)
        models = tuple(fitted(rows, owners == name, fair_weights(owners, name)) for name in people)
        return cls(features, people, models)

    def share(self, texts: Sequence[str], bundled: NDArray[np.int64]) -> float | None:
        """The share of bundles, places (B, 10) in `texts`, whose mean score is highest for the author; None of no bundles."""
        if not len(bundled):
            return None
        rows = self.features(texts)
        scores = np.stack([model.decision_function(rows)[bundled].mean(axis=1) for model in self.models])
        return float(np.mean(scores.argmax(axis=0) == self.people.index(AUTHOR)))


def _texts(masker: Masker, replies: Sequence[Reply]) -> list[str]:
    return [masker(reply.text) for reply in replies]


def _conversations(replies: Sequence[Reply]) -> list[str]:
    return [reply.conversation for reply in replies]


def _shared_out(people: Mapping[str, Sequence[Any]], texts: Sequence[str]) -> dict[str, list[str]]:
    """Texts of all people one after the other, back by person."""
    left = iter(texts)
    return {name: [next(left) for _ in said] for name, said in people.items()}


def _others(logits: Mapping[str, Array], humans: Humans, resamples: int, seed: int) -> Array:
    """The mean over unseen impostors of their mean logits, each one's conversations drawn anew: (R + 1,)."""
    draws = []
    for number, (name, replies) in enumerate(humans.unseen.items(), start=1):
        if replies:
            names = _conversations(replies)
            drawn = Resamples.of(names, resamples=resamples, seed=1_000 * (seed + 1) + number)
            draws.append(drawn.mean(logits[name], names))
    if not draws:
        raise ValueError("there are no unseen impostors")
    means: Array = np.mean(draws, axis=0)
    return means
