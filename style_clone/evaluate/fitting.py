"""The held-out fit of every candidate, in one process and with one copy of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from style_clone.conversation import Pair
from style_clone.evaluate.candidates import Candidate
from style_clone.evaluate.fit import Fit, Measurer
from style_clone.evaluate.material import Adapter
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.progress import Event, Report


@dataclass(frozen=True)
class FitOf:
    """Measures candidates, each with its own adapter switched on, or none."""

    model: Any
    adapters: Mapping[str, Adapter]
    measure: Measurer
    report: Report

    @classmethod
    def load(cls, adapters: Mapping[str, Adapter], base: BaseModel, report: Report) -> FitOf:
        """The base model with these adapters on it, one or more by the name candidates know them by."""
        import torch
        from peft import PeftModel

        (first, adapter), *others = adapters.items()
        model = PeftModel.from_pretrained(
            load_model(base, attn_implementation="sdpa"), adapter.path, adapter_name=first
        )
        for name, each in others:
            model.load_adapter(each.path, adapter_name=name)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return cls(model, adapters, Measurer(model, load_tokenizer(base)), report)

    def __call__(self, candidates: Sequence[Candidate], pairs: Sequence[Pair], what: str = "") -> dict[str, Fit]:
        """The fit on `pairs` of candidates that are all different, by id."""
        return dict(zip((each.id for each in candidates), self.each(candidates, pairs, what), strict=True))

    def each(self, candidates: Sequence[Candidate], pairs: Sequence[Pair], what: str = "") -> list[Fit]:
        """Each candidate's fit on `pairs`, in order; measured once where the same weights read the same prompt."""
        fits: list[Fit] = []
        measured: dict[Any, Fit] = {}
        for number, candidate in enumerate(candidates):

            def told(done: int, total: int, number: int = number, name: str = candidate.name) -> None:
                self.report(Event("evaluate", f"{what}{name}", number + done / total, len(candidates)))

            using: Callable[[], Any] = self.model.disable_adapter
            if candidate.is_adapted:
                self.model.set_adapter(candidate.adapter)
                using = nullcontext
            prompt = candidate.prompt if candidate.is_fixed else candidate.prompt_for
            decisive = (candidate.adapter and self.adapters[candidate.adapter].path, prompt)
            if decisive not in measured:
                measured[decisive] = self.measure(pairs, prompt, using, told)
            fits.append(measured[decisive])
        return fits
