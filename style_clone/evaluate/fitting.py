"""The held-out fit of every candidate, in one process and with one copy of the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from style_clone.conversation import Pair
from style_clone.evaluate.candidates import Candidate
from style_clone.evaluate.fit import Fit, Measurer
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.progress import Event, Report
from style_clone.workspace import PersonaFolder


@dataclass(frozen=True)
class FitOf:
    """Measures candidates. The adapter is switched off for all but the clone."""

    model: Any
    measure: Measurer
    report: Report

    @classmethod
    def load(cls, folder: PersonaFolder, base: BaseModel, report: Report) -> FitOf:
        """The base model with the persona's adapter on it."""
        import torch
        from peft import PeftModel

        model = PeftModel.from_pretrained(load_model(base), folder.adapter)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return cls(model, Measurer(model, load_tokenizer(base)), report)

    def __call__(self, candidates: Sequence[Candidate], pairs: Sequence[Pair], what: str = "") -> dict[str, Fit]:
        """Each candidate's fit on `pairs`, by id."""
        fits = {}
        for number, candidate in enumerate(candidates):

            def told(done: int, total: int, number: int = number, name: str = candidate.name) -> None:
                self.report(Event("evaluate", f"{what}{name}", number + done / total, len(candidates)))

            using: Callable[[], Any] = nullcontext if candidate.is_adapted else self.model.disable_adapter
            prompt = candidate.prompt if candidate.is_fixed else candidate.prompt_for
            fits[candidate.id] = self.measure(pairs, prompt, using, told)
        return fits
