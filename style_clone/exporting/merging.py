"""Base model and adapter become one model, and are asked the same questions before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from style_clone.conversation import read_pairs
from style_clone.errors import ModelError
from style_clone.models import BaseModel, load_model
from style_clone.persona import Persona
from style_clone.precision import Precision
from style_clone.prompt import prompt_ids
from style_clone.workspace import PersonaFolder

PROMPTS = 20
"""Held-out prompts an export is tried on."""
AT_ONCE = 4
"""Prompts answered side by side: what bounds the memory, besides the model."""
MOST_PROMPT_TOKENS = 256
"""Of a longer prompt the end is taken."""
REPLY_TOKENS = 48
"""Tokens compared of each answer; most replies in chats are shorter."""

Answers = list[list[int]]
"""Token ids of an answer to each prompt, up to the end of the turn or REPLY_TOKENS."""


@dataclass(frozen=True)
class Agreement:
    """On how many of `prompts` held-out prompts two models gave the same answer, token for token, at temperature 0."""

    prompts: int
    same: int

    def said(self, dtype: str) -> str:
        """In a sentence."""
        if not self.prompts:
            return "It was not compared with base model and adapter: there are no held-out pairs to ask."
        return (
            f"On {self.same} of {self.prompts} held-out prompts it answers as base model and adapter do in {dtype}, token "
            f"for token at temperature 0."
        )


def held_out_prompts(folder: PersonaFolder, tokenizer: Any, most: int = PROMPTS) -> list[list[int]]:
    """Token ids of up to `most` prompts the clone was not trained on, evenly from the test pairs, else from dev."""
    files = (folder.split("test"), folder.split("dev"))
    pairs = next((pairs for file in files if file.exists() and (pairs := read_pairs(file))), [])
    step = max(1, len(pairs) // most)
    prompt = Persona.load(folder).prompt
    chosen = pairs[::step][:most]
    return [prompt_ids(tokenizer, prompt.messages(pair.context))[-MOST_PROMPT_TOKENS:] for pair in chosen]


def clone_of(base: BaseModel, adapter: Path, dtype: Precision) -> Any:
    """The base model in `dtype` with the adapter beside it, on the GPU where there is one. Raises ModelError."""
    from peft import PeftModel
    from safetensors import SafetensorError

    model = load_model(base, dtype)
    try:
        return _on_device(PeftModel.from_pretrained(model, adapter))
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"the adapter in {adapter} does not fit {base.name}", mend="Train again: style-clone train PERSONA"
        ) from error


def load_exported(path: Path, dtype: Precision, gguf: str | None = None) -> Any:
    """What was exported to `path`, as transformers loads it; `gguf` names the file where it is one. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    more: dict[str, Any] = {"gguf_file": gguf, "quantization_config": GgufConfig(dequantize=True)} if gguf else {}
    # The same attention kernel as load_model's, so that only the weights can make a difference.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    more |= {"dtype": getattr(torch, dtype), "attn_implementation": attention, "local_files_only": True}
    try:
        return _on_device(AutoModelForCausalLM.from_pretrained(path, **more))
    except (ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            "what was written cannot be loaded again, so it was not kept",
            mend="transformers may not know this architecture in this form; choose another of --adapter, --merged, --gguf.",
        ) from error


def answers(model: Any, prompts: Sequence[Sequence[int]], end: int) -> Answers:
    """The model's answers to the prompts at temperature 0; `end` is the token that ends a turn."""
    groups = [prompts[at : at + AT_ONCE] for at in range(0, len(prompts), AT_ONCE)]
    return [answer for group in groups for answer in _side_by_side(model, group, end)]


def compare(before: Answers, after: Answers) -> Agreement:
    """How far two models agree."""
    return Agreement(len(before), sum(one == other for one, other in zip(before, after, strict=True)))


def _side_by_side(model: Any, prompts: Sequence[Sequence[int]], end: int) -> Answers:
    """Answers to a few prompts, which are padded on the left."""
    import torch

    width = max(map(len, prompts))
    ids = torch.tensor([[end] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    settings = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "repetition_penalty": 1.0}
    with torch.inference_mode():
        written = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=REPLY_TOKENS,
            eos_token_id=end,
            pad_token_id=end,
            **settings,
        )
    return [_until(row, end) for row in written[:, width:].tolist()]


def _until(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end)] if end in tokens else tokens


def _on_device(model: Any) -> Any:
    import torch

    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
