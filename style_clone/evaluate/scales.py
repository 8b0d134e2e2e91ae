"""The scales everything is read on: fitted on people only, from the author's JUDGE replies and other people's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from style_clone.conversation import Pair
from style_clone.evaluate.generating import real_replies
from style_clone.evaluate.habits import Habits
from style_clone.evaluate.humans import Humans
from style_clone.evaluate.impostors import Impostor, split_for_test
from style_clone.evaluate.material import Material
from style_clone.evaluate.protocol import LEAST_CONVERSATIONS, LEAST_IMPOSTORS
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Resamples
from style_clone.evaluate.verifier import Gate
from style_clone.evaluate.voice import Voice
from style_clone.units import counted


@dataclass(frozen=True)
class Scales:
    """`voice` and `habits` are None where there was nobody to fit them against; the gate then says so."""

    humans: Humans
    resamples: Resamples
    gate: Gate
    voice: Voice | None
    habits: Habits | None

    @classmethod
    def fit(cls, material: Material, impostors: Sequence[Impostor], seed: int = 0) -> Scales:
        """Fit on JUDGE and some impostors; the others, and TEST, are what the gate is tried on."""
        fitted, unseen = split_for_test(impostors, seed)
        humans = Humans(
            judge=real_replies(material.judge),
            test=real_replies(material.test),
            fitted={impostor.name: real_replies(impostor.pairs) for impostor in fitted},
            unseen={impostor.name: real_replies(impostor.pairs) for impostor in unseen},
        )
        resamples = Resamples.of([pair.conversation for pair in material.test], seed=seed)
        few = _too_few(len(resamples.names))
        if not (humans.judge and humans.fitted and humans.unseen):
            others = "is one other writer" if impostors else "are no other writers"
            compare = f"{others} to compare with; {LEAST_IMPOSTORS} are needed"
            missing = compare if humans.judge else "are no judge replies of the author"
            return cls(humans, resamples, Gate(None, None, (f"there {missing}", *few)), None, None)
        names = _names(material, impostors)
        voice = Voice.fit(humans, resamples, names=names, seed=seed)
        gate = voice.gate(seed=seed)
        gate = replace(gate, failed=(*gate.failed, *few))
        return cls(humans, resamples, gate, voice, _habits(humans, resamples, names))

    def score(self, replies: Sequence[Reply]) -> float:
        """How much replies read like the author's to the verifier; what prompts are chosen by on DEV."""
        if self.voice is None or not replies:
            return 0.0
        return float(self.voice.logits(replies).mean())


def _too_few(conversations: int) -> list[str]:
    """Of so few conversations no interval says anything, and nothing can be called sure."""
    if conversations >= LEAST_CONVERSATIONS:
        return []
    return [f"the test replies are of {counted(conversations, 'conversation')}; {LEAST_CONVERSATIONS} are needed"]


def _habits(humans: Humans, resamples: Resamples, names: set[str]) -> Habits | None:
    try:
        return Habits.fit(humans, resamples, names=names)
    except ValueError:  # no unseen impostor has words enough
        return None


def _names(material: Material, impostors: Sequence[Impostor]) -> set[str]:
    """Everybody who is known by name: who is mentioned is no style."""
    pairs: list[Pair] = [*material.train, *material.judge, *material.test]
    written_to = {pair.recipient for pair in pairs if pair.recipient}
    return {*material.persona.aliases, *written_to, *(impostor.name for impostor in impostors)}
