"""Every candidate gets the same room for a reply, and it is made for how long the author's are."""

from __future__ import annotations

import pytest

from style_clone.evaluate.generating import LEAST_TOKENS, decoding_for
from style_clone.persona import USUAL_TOKENS, Persona, Sampling
from tests.ready_pairs import pair
from tests.tiny_base import byte_tokenizer

NOBODY = Persona("nell", "Nell Quayle", ("Nell",))


@pytest.mark.parametrize(
    ("letters", "learnt", "tokens"),
    [(3, USUAL_TOKENS, LEAST_TOKENS), (79, USUAL_TOKENS, 100), (199, USUAL_TOKENS, USUAL_TOKENS), (199, 250, 250)],
    ids=["a word", "chat", "mail, not trained since", "mail"],
)
def test_room_is_that_of_the_author_s_own_replies(letters: int, learnt: int, tokens: int) -> None:
    train = [pair("hi", "x" * letters)] * 10
    sampling = NOBODY.with_room(learnt).effective_sampling
    assert decoding_for(sampling, byte_tokenizer(), train).max_tokens == tokens


def test_less_room_that_somebody_chose_is_what_is_measured() -> None:
    chosen = NOBODY.with_room(250).with_sampling(Sampling(max_tokens=90)).effective_sampling
    decoding = decoding_for(chosen, byte_tokenizer(), [pair("hi", "x" * 199)])
    assert decoding.max_tokens == 90
