"""Batches hold every example once, within the budget, in an order that a seed fixes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from style_clone.train.data import IGNORED, STRIDE, LengthBatches, collate
from style_clone.train.tokens import NO_LOSS, Example

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=80)


@given(LENGTHS, st.integers(0, 3))
def test_every_example_once_a_pass_and_no_batch_over_budget(lengths: list[int], epoch: int) -> None:
    batches = LengthBatches(lengths, batch_tokens=512, seed=1)
    batches.set_epoch(epoch)
    chosen = list(batches)
    assert sorted(index for batch in chosen for index in batch) == list(range(len(lengths)))
    assert len(chosen) == len(batches)
    for batch in chosen:
        longest = max(lengths[index] for index in batch)
        assert longest * len(batch) <= 512 or len(batch) == 1


def test_passes_differ_and_repeat_by_seed() -> None:
    def passes(seed: int) -> list[list[list[int]]]:
        batches = LengthBatches([20, 21, 22, 90, 91, 92] * 5, batch_tokens=256, seed=seed)
        found = []
        for epoch in range(2):
            batches.set_epoch(epoch)
            found.append(list(batches))
        return found

    assert passes(3) == passes(3)
    assert passes(3)[0] != passes(3)[1]
    assert passes(3) != passes(4)


def test_little_is_padding() -> None:
    lengths = [10 + (37 * index) % 200 for index in range(400)]
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in LengthBatches(lengths, 1024, 0))
    assert padded / sum(lengths) < 1 + STRIDE / 100


def test_labels_are_the_reply_and_nothing_else() -> None:
    short = Example([5, 6, 7], [NO_LOSS, 0, 0])
    long = Example([8, 9, 10, 11], [NO_LOSS, NO_LOSS, NO_LOSS, 1])
    batch = collate([short, long], pad_id=2)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 2], [8, 9, 10, 11]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7, IGNORED], [IGNORED, IGNORED, IGNORED, 11]]
