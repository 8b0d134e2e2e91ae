"""Cross entropy over the replies, with the vocabulary projection computed only where there is loss.

A small model spends a fifth of a step turning hidden states into vocabulary logits, and most positions belong to the
prompt, whose logits nobody reads. So the output layer is handed only the positions that predict a reply's token; whatever
the model does to logits after that layer (soft caps, scales) still happens, in the model's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from style_clone.train.data import IGNORED

if TYPE_CHECKING:
    import torch


def reply_nats(
    model: Any,
    input_ids: torch.Tensor,
    labels: torch.Tensor,
    position_ids: torch.Tensor | None = None,
    past_key_values: Any = None,
) -> torch.Tensor:
    """Nats of each reply token, (N,), in the order of `labels[labels != IGNORED]`.

    `input_ids`, `labels` and `position_ids` are (B, T), as `data.collate` makes them; `model` is a causal language model,
    with or without an adapter; `past_key_values` are its keys and values of what stands before, for B rows, and grow by T.
    """
    from style_clone.train.cross_entropy import nats_of

    logits = reply_logits(model, input_ids, labels, position_ids, past_key_values)
    return nats_of(logits, labels[labels != IGNORED])


def weighted_nats(
    model: Any,
    input_ids: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of the labelled tokens' nats, each times its weight, and the sum of the weights: the loss is their quotient.

    `weights` are (B, T), as `data.collate` gives them where prompts carry loss too; without them each token weighs 1.
    """
    nats = reply_nats(model, input_ids, labels, position_ids)
    weighing = nats.new_ones(nats.shape) if weights is None else weights[labels != IGNORED]
    return (nats * weighing).sum(), weighing.sum()


def reply_logits(
    model: Any,
    input_ids: torch.Tensor,
    labels: torch.Tensor,
    position_ids: torch.Tensor | None = None,
    past_key_values: Any = None,
) -> torch.Tensor:
    """What the model says each reply token will be, (N, V), before it has seen it; arguments as of `reply_nats`."""
    wanted = labels != IGNORED  # (B, T); a first token has nothing before it to be predicted from
    predicting = wanted.roll(-1, dims=1)
    with _project_only(model, predicting):
        told = {"position_ids": position_ids, "past_key_values": past_key_values}
        given = {name: value for name, value in told.items() if value is not None}
        logits: torch.Tensor = model(input_ids=input_ids, use_cache=False, **given).logits
    return logits


@contextmanager
def _project_only(model: Any, positions: torch.Tensor) -> Iterator[None]:
    """Within the block, the output layer sees the hidden states at `positions` (B, T) alone: (B, T, D) -> (N, D)."""
    whole = getattr(model, "module", model)  # what PyTorch wraps for several processes
    handle = whole.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (inputs[0][positions],))
    try:
        yield
    finally:
        handle.remove()
