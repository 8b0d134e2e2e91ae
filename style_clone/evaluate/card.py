"""The scorecard's numbers: the contest's replies and fits, read on the scales, as scorecard.json holds them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from style_clone.evaluate.candidates import PLAIN, RIVAL, Candidate, asked
from style_clone.evaluate.contest import Contest
from style_clone.evaluate.cost import thousand_replies
from style_clone.evaluate.fit import Fit
from style_clone.evaluate.guardrails import (
    DISTRACTORS,
    Copying,
    Relevance,
    Shape,
    copying,
    failed,
    median_words,
    shape,
    unsettled,
)
from style_clone.evaluate.habits import HabitMatch
from style_clone.evaluate.leakage import Copies
from style_clone.evaluate.material import Adapter, Material
from style_clone.evaluate.protocol import EXPLORATORY, LEAST_CONVERSATIONS, LEAST_JUDGE
from style_clone.evaluate.scales import Scales
from style_clone.evaluate.statistics import Array, Resamples, holm, interval, interval_if_any, sign_flip
from style_clone.evaluate.voice import VoiceMatch

EXAMPLES = 8
Fits = Mapping[str, Fit]


@dataclass(frozen=True, eq=False)
class Measured:
    """One candidate on every scale; draws are (R + 1,). None is what could not be measured."""

    candidate: Candidate
    voice: VoiceMatch | None
    habits: HabitMatch | None
    bits: Array | None
    specificity: Array | None
    relevance: Array | None
    copying: Copying
    shape: Shape
    tokens: tuple[float, float]
    seconds: float

    def thousand_replies(self) -> dict[str, float]:
        """What a thousand of its replies take."""
        return thousand_replies(self.tokens, self.seconds)


@dataclass(frozen=True, eq=False)
class Card:
    """Reads a contest. `fits` are on the author's test pairs, for all but the rival; `elsewhere` on unseen impostors', for
    some of the candidates; `adapters` are those that took part, by name."""

    material: Material
    adapters: Mapping[str, Adapter]
    contest: Contest
    scales: Scales
    fits: Fits
    elsewhere: Fits
    relevance: Relevance | None

    def measured(self) -> dict[str, Measured]:
        """Every candidate, by id."""
        train = Copies.of(pair.reply for pair in self.material.trained)
        return {candidate.id: self._measure(candidate, train) for candidate in self.contest.candidates}

    def _measure(self, candidate: Candidate, train: Copies) -> Measured:
        replies, scales = self.contest.replies(candidate.id), self.scales
        answers = self.contest.answers[candidate.id]
        return Measured(
            candidate=candidate,
            # Where the verifier cannot tell people apart, its scores of models mean nothing.
            voice=scales.voice.of(replies) if scales.voice and scales.gate.passed else None,
            habits=scales.habits.of(replies) if scales.habits else None,
            bits=self._bits(candidate.id) if candidate.id in self.fits else None,
            specificity=self._specificity(candidate.id),
            relevance=self.relevance.draws(replies, scales.resamples) if self.relevance else None,
            copying=copying(replies, scales.humans.test, train),
            shape=shape(replies, scales.humans.test),
            tokens=(
                float(np.mean([answer.prompt_tokens for answer in answers])),
                float(np.mean([answer.reply_tokens for answer in answers])),
            ),
            seconds=float(np.mean([answer.seconds for answer in answers])),
        )

    def _bits(self, name: str) -> Array:
        return _bits_per_byte(self.fits[name], self.scales.resamples)

    def _specificity(self, name: str) -> Array | None:
        """What a candidate gains over the plain model on the author, less what it gains on other people."""
        if name not in self.elsewhere or name == PLAIN:
            return None
        others = Resamples.of(list(self.elsewhere[name].bits), resamples=len(self.scales.resamples.weights) - 1, seed=1)
        gain = self._bits(PLAIN) - self._bits(name)
        theirs = [_bits_per_byte(self.elsewhere[each], others) for each in (PLAIN, name)]
        return gain - (theirs[0] - theirs[1])

    def candidates(self, measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
        """The rows of the candidates."""
        baseline = measured[self.contest.baseline.id].relevance
        human = shape(self.scales.humans.test, self.scales.humans.test)
        return [self._row(each, baseline, human) for each in measured.values()]

    def _row(self, each: Measured, baseline: Array | None, human: Shape) -> dict[str, Any]:
        faults = failed(
            relevance=each.relevance, baseline=baseline, copied=each.copying, shaped=each.shape, human=human
        )
        voice = each.voice
        return {
            "id": each.candidate.id,
            "name": each.candidate.name,
            "setting": each.candidate.setting,
            "role": self.contest.role(each.candidate),
            "voice": voice and {"s": interval(voice.s), "v": interval(voice.v), "attribution": voice.attribution},
            "habits": each.habits and interval_if_any(each.habits.draws),
            "fit": {
                "bits_per_byte": None if each.bits is None else interval(each.bits),
                "specificity": None if each.specificity is None else interval(each.specificity),
            },
            "relevance": None if each.relevance is None else interval(each.relevance),
            "relevance_replies": self.relevance
            and len(self.relevance.answers(self.contest.replies(each.candidate.id))),
            "copying": each.copying.to_json(),
            "extraction": self._extraction(each.candidate),
            "shape": each.shape.to_json(),
            "failed": list(faults),
            "faults": faults,
            "unsettled": unsettled(each.relevance, baseline),
            "prompt_tokens": each.tokens[0],
            "reply_tokens": each.tokens[1],
        }

    def _extraction(self, candidate: Candidate) -> dict[str, int] | None:
        """What the leak check after training drew out of the adapter, word for word, and the plain model does not say.

        None without an adapter, or where its training was cancelled before the check.
        """
        leaks = self.adapters[candidate.adapter].run["leaks"] if candidate.is_adapted else None
        unseen = ("held_out_extracted", "held_out")
        return leaks and {"exact": leaks["extracted"], "of": leaks["replies"], **{key: leaks[key] for key in unseen}}

    def human(self) -> dict[str, Any]:
        """The same of the author's own replies."""
        test, train = self.scales.humans.test, Copies.of(pair.reply for pair in self.material.trained)
        own = shape(test, test)
        return {
            "relevance": self.relevance and interval(self.relevance.draws(test, self.scales.resamples)),
            "copying": copying(test, test, train).share,
            "shape": {"empty": own.empty, "looping": own.looping, "median_words": median_words(test)},
        }

    def contrasts(self, one: Measured, other: Measured) -> dict[str, Any]:
        """One less the other, such as clone less best prompted, by metric; p-values by Holm over voice, habits and fit.

        None of too few conversations to have an interval.
        """
        if len(self.scales.resamples.names) < LEAST_CONVERSATIONS:
            return {}
        found = {"fit": self._fit_contrast(one, other)}
        if one.voice and other.voice:
            p_value = sign_flip(one.voice.means - other.voice.means)
            found["voice"] = _contrast(one.voice.v - other.voice.v, p_value)
        if self.scales.habits and one.habits and other.habits:
            draws = one.habits.draws - other.habits.draws
            if interval_if_any(draws) is not None:
                found["habits"] = _contrast(draws, self.scales.habits.p_value(one.habits, other.habits))
        for name, corrected in holm({name: row["p"] for name, row in found.items()}).items():
            found[name]["p_holm"] = corrected
        if one.relevance is not None and other.relevance is not None:
            found["relevance"] = _contrast(one.relevance - other.relevance, None)
        return found

    def rival(self, measured: Mapping[str, Measured]) -> dict[str, Any] | None:
        """The bigger model that took part, and on voice the clone less it; None where there was none."""
        if (rival := measured.get(RIVAL)) is None:
            return None
        clone = measured[self.contest.compared["clone"].id]
        voice = None if not (rival.voice and clone.voice) else interval(clone.voice.v - rival.voice.v)
        return {"model": rival.candidate.model, "voice": voice}

    def _fit_contrast(self, one: Measured, other: Measured) -> dict[str, Any]:
        mine, theirs = self.fits[one.candidate.id], self.fits[other.candidate.id]
        names = self.scales.resamples.names
        differences = [mine.bits[name] - theirs.bits[name] for name in names]
        return _contrast(self._bits(one.candidate.id) - self._bits(other.candidate.id), sign_flip(differences))

    def habits(self, clone: Measured, prompted: Measured) -> list[dict[str, Any]]:
        """The author's telling habits, and what clone and prompt make of them."""
        if not (self.scales.habits and clone.habits and prompted.habits):
            return []
        examples = [pair.reply for pair in [*self.material.train, *self.material.judge]]
        return [dict(row) for row in self.scales.habits.telling(clone.habits, prompted.habits, examples=examples)]

    def examples(self, seed: int = 0) -> list[dict[str, Any]]:
        """Eight prompts by chance, with the real reply and what the two that are compared and plain made of it."""
        pairs, step = self.contest.pairs, self.contest.samples
        shown = {**{role: each.id for role, each in self.contest.compared.items()}, "plain": PLAIN}
        chosen = sorted(random.Random(seed).sample(range(len(pairs)), min(EXAMPLES, len(pairs))))
        return [
            {
                "prompt": asked(pairs[at]),
                "real": pairs[at].reply,
                "replies": {role: self.contest.answers[name][at * step].text for role, name in shown.items()},
            }
            for at in chosen
        ]


def relevance_of(material: Material, embed: Callable[..., Any]) -> Relevance | None:
    """The prompts relevance is measured on: not the general ones that stand above a letter, which any reply fits.

    None where there are not enough different ones to tell a reply's own from, or conversations for an interval.
    """
    pairs = [pair for pair in material.test if pair.asked_by != "template"]
    if len({pair.conversation for pair in pairs}) < LEAST_CONVERSATIONS:
        return None
    prompts = [asked(pair) for pair in pairs]
    return Relevance.of(prompts, embed) if len(set(prompts)) > DISTRACTORS else None


def _contrast(draws: Array, p_value: float | None) -> dict[str, Any]:
    """`p_holm` is for whoever knows the other p-values."""
    return {**interval(draws), "p": p_value, "p_holm": None}


def _bits_per_byte(fit: Fit, resamples: Resamples) -> Array:
    names = resamples.names
    bits = resamples.total([fit.bits[name] for name in names])
    drawn: Array = bits / resamples.total([fit.num_bytes[name] for name in names])
    return drawn


def sizes(material: Material, contest: Contest, scales: Scales, dropped: int) -> dict[str, Any]:
    """How much was measured on."""
    conversations = len(scales.resamples.names)
    return {
        "test_replies": len(contest.pairs),
        "test_conversations": conversations,
        "judge_replies": len(material.judge),
        "impostors_fitted": list(scales.humans.fitted),
        "impostors_unseen": list(scales.humans.unseen),
        "samples": contest.samples,
        "dropped_test_replies": dropped,
        "exploratory": len(contest.pairs) < EXPLORATORY[0]
        or conversations < EXPLORATORY[1]
        or len(material.judge) < LEAST_JUDGE,
    }
