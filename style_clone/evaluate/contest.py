"""The contest: prompted candidates tuned on DEV, then everybody's replies to the held-out prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from style_clone.conversation import Pair
from style_clone.evaluate import candidates, choosing, prompting
from style_clone.evaluate.answers import Answer
from style_clone.evaluate.candidates import Candidate
from style_clone.evaluate.choosing import Chooser, Scores
from style_clone.evaluate.generating import Generator, as_replies
from style_clone.evaluate.material import Material, spread
from style_clone.evaluate.prompting import Embed
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.rival import Rival
from style_clone.memory.run import load as load_memory

DEV_PROMPTS = 40
"""DEV prompts each setting of a prompt is tried on."""


@dataclass(frozen=True)
class Contest:
    """Who took part, what each answered to each held-out pair (`samples` answers in turn), and what was tried on DEV.

    `compared` are the two it is about, by role: "clone" and "prompted", or the "a" and "b" of a comparison. `baseline` is
    whose relevance nobody may fall behind.
    """

    candidates: Sequence[Candidate]
    compared: Mapping[str, Candidate]
    baseline: Candidate
    pairs: Sequence[Pair]
    samples: int
    answers: dict[str, list[Answer]]
    tried: list[dict[str, Any]]

    def replies(self, name: str) -> list[Reply]:
        """One candidate's replies as the metrics want them."""
        return as_replies(self.answers[name], self.pairs, self.samples)

    def role(self, candidate: Candidate) -> str | None:
        """Which of the two that are compared a candidate is, if any."""
        return next((role for role, each in self.compared.items() if each.id == candidate.id), None)


def hold(
    material: Material,
    base: str,
    generate: Generator,
    scores: Scores,
    embed: Embed,
    samples: int,
    rival: Rival | None = None,
) -> Contest:
    """Choose the prompts on DEV, by `scores`, and have everybody answer the test prompts."""
    everybody, prompted, tried = entrants(material, base, generate, scores, embed, rival)
    clone = next(candidate for candidate in everybody if candidate.id == candidates.CLONE)
    compared = {"clone": clone, "prompted": prompted}
    answers = _answers(everybody, material, generate, samples)
    return Contest(everybody, compared, prompted, material.test, samples, answers, tried)


def face(material: Material, base: str, clones: Mapping[str, Candidate], generate: Generator, samples: int) -> Contest:
    """Two clones, by role, with the plain base model as the baseline of both; nothing is tuned."""
    plain = candidates.plain(base)
    everybody = [plain, *clones.values()]
    answers = _answers(everybody, material, generate, samples)
    return Contest(everybody, clones, plain, material.test, samples, answers, [])


def _answers(
    everybody: Sequence[Candidate], material: Material, generate: Generator, samples: int
) -> dict[str, list[Answer]]:
    answers = generate(everybody, material.test, samples)
    return dict(zip((candidate.id for candidate in everybody), answers, strict=True))


def entrants(
    material: Material, base: str, generate: Generator, scores: Scores, embed: Embed, rival: Rival | None
) -> tuple[list[Candidate], Candidate, list[dict[str, Any]]]:
    """All candidates, the best of the prompted ones, and what was tried to find it."""
    author, plain = material.persona.author, candidates.plain(base)
    chooser = Chooser(scores, spread(material.dev, DEV_PROMPTS))
    description = generate.describe(plain, prompting.describing(author, material.train))
    three, prompted = choosing.prompted(chooser, base, author, material.train, description, embed)
    rivals = [choosing.bigger(chooser, rival, three)] if rival else []
    clones = [candidates.clone(material.persona)]
    if (recall := _recall(material)) is not None:
        clones.append(candidates.clone_with_memory(material.persona, recall))
    return [plain, *three, *rivals, *clones], prompted, chooser.tried


def _recall(material: Material) -> Callable[[str], Sequence[str]] | None:
    """The persona's memory, where there are any facts in it."""
    found = load_memory(material.folder)
    return found.facts if found.texts else None
