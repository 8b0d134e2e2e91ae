"""Larger base models that might fit this machine, from what one run of the chosen one has shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from style_clone import precision
from style_clone.errors import UsageError
from style_clone.train.recipe import Recipe
from style_clone.train.recipes import recipe_for


@dataclass(frozen=True)
class Shape:
    """A base model's numbers that memory and time depend on."""

    parameters: int
    layers: int
    width: int
    vocabulary: int

    def activations(self, tokens: int) -> int:
        """What a step's activations are proportional to: each layer keeps some vectors of its width for each token, and
        the loss keeps a row of the vocabulary for a share of them."""
        return tokens * (self.layers * self.width + self.vocabulary // 10)


@dataclass(frozen=True)
class Known:
    """An instruction-tuned model on the hub under a permissive licence."""

    name: str
    license: str
    shape: Shape


KNOWN = (
    Known("HuggingFaceTB/SmolLM2-360M-Instruct", "Apache-2.0", Shape(361_821_120, 32, 960, 49_152)),
    Known("Qwen/Qwen2.5-0.5B-Instruct", "Apache-2.0", Shape(494_032_768, 24, 896, 151_936)),
    Known("Qwen/Qwen2.5-1.5B-Instruct", "Apache-2.0", Shape(1_543_714_304, 28, 1536, 151_936)),
    Known("HuggingFaceTB/SmolLM2-1.7B-Instruct", "Apache-2.0", Shape(1_711_376_384, 24, 2048, 49_152)),
    Known("microsoft/Phi-3.5-mini-instruct", "MIT", Shape(3_821_079_552, 32, 3072, 32_064)),
    Known("Qwen/Qwen2.5-7B-Instruct", "Apache-2.0", Shape(7_615_616_512, 28, 3584, 152_064)),
)
"""Parameters and shapes as their makers publish them; the 3B model of the Qwen2.5 family is missing because its
licence rules out commercial use."""


@dataclass(frozen=True)
class Seen:
    """What a probe showed of one base model: `before` is what the process held before the model was there, in bytes."""

    shape: Shape
    recipe: Recipe
    seconds: float
    peak_memory_bytes: int
    before: int


def shape_of(config: Any, parameters: int) -> Shape:
    """The shape of a model from its transformers `config`, or from the part of it that is about text."""
    text = config.get_text_config()
    return Shape(parameters, text.num_hidden_layers, text.hidden_size, text.vocab_size)


def larger(seen: Seen, memory_bytes: int, overrides: Mapping[str, str]) -> list[dict[str, Any]]:
    """The known models above the one that was `seen`: estimates of memory and time, and whether they fit in `memory_bytes`.

    Time grows with the parameters; of the memory, weights do too, and activations as `Shape.activations` says, under the
    recipe each size has, changed by `overrides` as this run's is.
    """
    rows = []
    for known in KNOWN:
        if known.shape.parameters <= seen.shape.parameters:
            continue
        recipe = _recipe(known.shape, seen, overrides)
        memory = _memory(seen, known.shape, recipe)
        rows.append(
            {
                "name": known.name,
                "license": known.license,
                "parameters": known.shape.parameters,
                "memory_bytes": memory,
                "seconds": seen.seconds * _work(known.shape, recipe) / _work(seen.shape, seen.recipe),
                "fits": memory <= memory_bytes,
            }
        )
    return rows


def _recipe(shape: Shape, seen: Seen, overrides: Mapping[str, str]) -> Recipe:
    """That of the size, or this run's where what the user set does not go together with the size's other settings."""
    try:
        return replace(recipe_for(shape.parameters).with_overrides(overrides), epochs=seen.recipe.epochs)
    except UsageError:
        return seen.recipe


def _memory(seen: Seen, shape: Shape, recipe: Recipe) -> int:
    weight = precision.BYTES[precision.here()]
    rest = max(0, seen.peak_memory_bytes - seen.before - weight * seen.shape.parameters)
    ratio = shape.activations(recipe.batch_tokens) / seen.shape.activations(seen.recipe.batch_tokens)
    return round(seen.before + weight * shape.parameters + rest * ratio)


def _work(shape: Shape, recipe: Recipe) -> int:
    return shape.parameters * recipe.epochs
