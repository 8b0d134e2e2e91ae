"""The candidates: who answers a test prompt, and how each is prompted. All run on the same base with the same decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from style_clone.baseline import Exemplar, within_budget
from style_clone.conversation import Pair, Turn
from style_clone.evaluate.rival import Rival
from style_clone.persona import Persona, Sampling
from style_clone.prompt import Prompt

Retrieve = Callable[[Pair], Sequence[Exemplar]]
"""The exemplars nearest in meaning to what a pair answers."""
Recall = Callable[[str], Sequence[str]]
"""The facts memory has for a question."""

PLAIN, SYSTEM, FEW_SHOT, RETRIEVAL, CLONE, MEMORY, RIVAL = (
    *("plain", "system", "few_shot", "retrieval"),
    *("clone", "memory", "rival"),
)
PROMPTED = (SYSTEM, FEW_SHOT, RETRIEVAL)
"""The best of these on DEV is the prompted baseline: the base model, with more words above the turns."""


@dataclass(frozen=True)
class Candidate:
    """`model` is the endpoint's id; `adapter` names the adapter that writes, "" is none; `setting` says what DEV chose;
    `rival` is who answers elsewhere, None is our endpoint; `sampling` says how its replies are drawn, None is as all others'.

    A prompted candidate's whole prompt is made here and sent to the base model. The clone's is the gateway's own, so that
    what is measured is what is served; `prompt` says it again for the held-out fit, which asks no endpoint.
    """

    id: str
    name: str
    model: str
    prompt: Prompt
    retrieve: Retrieve | None = None
    recall: Recall | None = None
    setting: str = ""
    adapter: str = ""
    rival: Rival | None = None
    sampling: Sampling | None = None

    @property
    def is_adapted(self) -> bool:
        """Whether an adapter writes: a clone, with memory or without."""
        return bool(self.adapter)

    def messages(self, pair: Pair) -> list[Turn]:
        """What is sent to the endpoint for a pair's context."""
        return list(pair.context) if self.is_adapted else self.prompt_for(pair).messages(pair.context)

    def prompt_for(self, pair: Pair) -> Prompt:
        """All that stands above a pair's context when the model reads it."""
        prompt = self.prompt
        if self.retrieve is not None:
            prompt = within_budget(replace(prompt, exemplars=tuple(self.retrieve(pair))))
        if self.recall is not None:
            prompt = prompt.remembering(self.recall(asked(pair)))
        return prompt

    @property
    def is_fixed(self) -> bool:
        """Whether the prompt is the same for every pair, so that the gateway could serve it."""
        return self.retrieve is None and self.recall is None


def asked(pair: Pair) -> str:
    """The last user turn: what the reply answers."""
    return next((turn["content"] for turn in reversed(pair.context) if turn["role"] == "user"), "")


def plain(base: str) -> Candidate:
    """The base model as it is."""
    return Candidate(PLAIN, "plain base model", base, Prompt())


def clone(persona: Persona, id: str = CLONE, name: str = "clone") -> Candidate:
    """The adapter called `id` under the clone's own prompt, its replies drawn as the persona's are."""
    return Candidate(id, name, persona.slug, persona.prompt, adapter=id, sampling=persona.sampling)


def clone_with_memory(persona: Persona, recall: Recall) -> Candidate:
    """The clone with facts from memory."""
    model = f"{persona.slug}@memory"
    return Candidate(
        MEMORY, "clone with memory", model, persona.prompt, recall=recall, adapter=CLONE, sampling=persona.sampling
    )
