"""The held-out fit of every candidate, in one process and with one copy of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from style_clone.conversation import Pair
from style_clone.evaluate.candidates import Candidate
from style_clone.evaluate.fit import Fit, Measurer
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.progress import Event, Report


@dataclass(frozen=True)
class FitOf:
    """Measures candidates, each with its own adapter switched on, or none; `adapters` says where each lies."""

    model: Any
    adapters: Mapping[str, Path]
    measure: Measurer
    report: Report

    @classmethod
    def load(cls, adapters: Mapping[str, Path], base: BaseModel, report: Report) -> FitOf:
        """The base model with these adapters on it, one or more folders by the name candidates know them by."""
        import torch
        from peft import PeftModel

        (first, folder), *others = adapters.items()
        model = PeftModel.from_pretrained(load_model(base, attn_implementation="sdpa"), folder, adapter_name=first)
        for name, each in others:
            model.load_adapter(each, adapter_name=name)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return cls(model, adapters, Measurer(model, load_tokenizer(base)), report)

    def __call__(self, candidates: Sequence[Candidate], pairs: Sequence[Pair], what: str = "") -> dict[str, Fit]:
        """Each candidate's fit on `pairs`, by id; measured once where the same weights read the same prompt."""
        fits: dict[str, Fit] = {}
        measured: dict[Any, Fit] = {}
        for number, candidate in enumerate(candidates):

            def told(done: int, total: int, number: int = number, name: str = candidate.name) -> None:
                self.report(Event("evaluate", f"{what}{name}", number + done / total, len(candidates)))

            using: Callable[[], Any] = self.model.disable_adapter
            if candidate.is_adapted:
                self.model.set_adapter(candidate.adapter)
                using = nullcontext
            prompt = candidate.prompt if candidate.is_fixed else candidate.prompt_for
            decisive = (self.adapters.get(candidate.adapter), prompt)
            if decisive not in measured:
                measured[decisive] = self.measure(pairs, prompt, using, told)
            fits[candidate.id] = measured[decisive]
        return fits
