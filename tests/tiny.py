"""A random Llama of a few thousand weights, and examples for it: the whole trainer in a second."""

from __future__ import annotations

import random
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from style_clone.train.tokens import NO_LOSS, Example

VOCABULARY = 64


def tiny_model(seed: int = 0, *, vocabulary: int = VOCABULARY, positions: int = 128) -> Any:
    """Two layers, width 32, float32."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    return LlamaForCausalLM(config)


def counting_examples(count: int, seed: int = 0) -> list[Example]:
    """Prompts of random numbers, replies that count on from the last: something a tiny model can learn."""
    rng = random.Random(seed)
    examples = []
    for _ in range(count):
        prompt = [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(3, 12))]
        reply = [(prompt[-1] + step) % VOCABULARY for step in range(1, 6)]
        examples.append(Example([*prompt, *reply], [NO_LOSS] * len(prompt) + [0] * len(reply)))
    return examples
