"""Every candidate gets the same room for a reply, made for how long the author's are, and answers every pair anew."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from style_clone.evaluate import candidates
from style_clone.evaluate.answers import Answers, Decoding
from style_clone.evaluate.generating import DESCRIPTION_TOKENS, LEAST_TOKENS, Generator, decoding_for
from style_clone.persona import USUAL_TOKENS, Persona, Sampling
from style_clone.progress import silent
from tests.fake_endpoint import fake_endpoint
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


def test_pairs_that_ask_the_same_are_answered_apart(tmp_path: Path) -> None:
    """A letter stands below "Write something." as the next one does; one reply for both would count twice."""
    pairs = [pair("Write something.", "a"), pair("And you?", "b"), pair("Write something.", "c")]
    plain, numbers = candidates.plain("smollm2-135m"), count()

    def texts(samples: int) -> list[str]:
        generate = Generator(
            Answers(tmp_path / "answers.jsonl"), lambda: endpoint, Decoding(8), {"": "weights"}, silent
        )
        return [answer.text for answer in generate([plain], pairs, samples)[0]]

    with fake_endpoint() as endpoint:
        endpoint.voice = lambda body: f"reply {next(numbers)}"
        first = texts(2)
        assert len(set(first)) == len(first) == 6
        assert texts(2) == first, "a second evaluation repeats the first"
        assert set(texts(1)) < set(first)
        assert len(endpoint.requests) == 6


def test_a_description_has_room_though_the_author_writes_two_words(tmp_path: Path) -> None:
    decoding = Decoding(LEAST_TOKENS, temperature=0.8)
    with fake_endpoint() as endpoint:
        generate = Generator(Answers(tmp_path / "answers.jsonl"), lambda: endpoint, decoding, {"": "weights"}, silent)
        generate.describe(candidates.plain("smollm2-135m"), [{"role": "user", "content": "Describe."}])
        [asked] = endpoint.requests
    assert (asked["max_tokens"], asked["temperature"]) == (DESCRIPTION_TOKENS, 0.8)
