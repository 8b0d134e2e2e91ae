"""Tuning on DEV: of everything that is tried for a prompted candidate, the best by the metric that TEST is then compared by,
so that the prompt is not judged by a rule it was not tuned to: voice, and held-out fit where voice cannot be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from style_clone.conversation import Pair
from style_clone.evaluate import prompting
from style_clone.evaluate.candidates import RIVAL, Candidate
from style_clone.evaluate.fit import Fit
from style_clone.evaluate.prompting import Embed, Shown
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.rival import Rival

Generate = Callable[[Sequence[Candidate], Sequence[Pair]], list[list[Reply]]]
"""The replies of each candidate to each pair, in order."""
Score = Callable[[Sequence[Reply]], float]
FitOfEach = Callable[[Sequence[Candidate], Sequence[Pair], str], Sequence[Fit]]
"""The fit of each candidate on some pairs; the text says what for, to whoever watches."""
Scores = Callable[[Sequence[Candidate], Sequence[Pair]], Sequence[float]]
"""How good each candidate is on some pairs; more is better."""


def by_voice(generate: Generate, score: Score) -> Scores:
    """By how much the verifier takes what a candidate replies for the author's."""
    return lambda candidates, pairs: [score(replies) for replies in generate(candidates, pairs)]


def by_fit(fit_of_each: FitOfEach) -> Scores:
    """By how well a candidate predicts what the author replied, in bits per byte; a rival's prompt, on our base model."""
    return lambda candidates, pairs: [-fit.bits_per_byte for fit in fit_of_each(candidates, pairs, "prompts tried: ")]


@dataclass
class Chooser:
    """`tried` grows: every candidate there was, and its score on DEV."""

    scores: Scores
    dev: Sequence[Pair]
    tried: list[dict[str, Any]] = field(default_factory=list)

    def best(self, candidates: Iterable[Candidate]) -> Candidate:
        """The one with the highest score; the first of several."""
        candidates = list(candidates)
        scores = self.scores(candidates, self.dev)
        self.tried += [
            {"id": candidate.id, "setting": candidate.setting, "score": score}
            for candidate, score in zip(candidates, scores, strict=True)
        ]
        return candidates[max(range(len(scores)), key=scores.__getitem__)]

    def scored(self, candidate: Candidate) -> float:
        """What a candidate that was tried scored."""
        return next(
            float(row["score"])
            for row in self.tried
            if (row["id"], row["setting"]) == (candidate.id, candidate.setting)
        )


def prompted(
    chooser: Chooser, base: str, author: str, train: Sequence[Pair], description: str, embed: Embed
) -> tuple[list[Candidate], Candidate]:
    """The three prompted candidates, each the best of its kind on DEV, and the best of the three."""
    shown = Shown.of(train)
    tried = prompting.system_prompts(author, train, description)
    system = chooser.best(prompting.with_system(base, each) for each in tried)
    few_shot = chooser.best([prompting.typical(base, system, train), *prompting.few_shot(base, system, shown)])
    retrieval = chooser.best(prompting.retrieved(base, system, shown, embed))
    three = [system, few_shot, retrieval]
    return three, max(three, key=chooser.scored)


def bigger(chooser: Chooser, rival: Rival, three: Iterable[Candidate]) -> Candidate:
    """The rival under whichever of those prompts suits it best on DEV."""
    name = f"{rival.model}, prompted"
    return chooser.best(
        replace(each, id=RIVAL, name=name, model=rival.model, rival=rival, setting=f"{each.name}, {each.setting}")
        for each in three
    )
