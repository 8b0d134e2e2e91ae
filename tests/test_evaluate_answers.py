"""Answers are asked once, kept as they come, and asked again only where something that decides them has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from style_clone.errors import ServingError
from style_clone.evaluate.answers import Answers, Decoding, Question
from tests.fake_endpoint import FakeEndpoint, fake_endpoint

DECODING = Decoding(40, 0.7, 1.0, 0.05, 1.05)


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with fake_endpoint() as fake:
        fake.voice = lambda body: f"{body['messages'][-1]['content']}!"
        yield fake


def questions(count: int, model: str = "me") -> list[Question]:
    return [Question(model, "w", ({"role": "user", "content": f"q{number}"},), DECODING) for number in range(count)]


def quiet(done: int, total: int) -> None:
    """Not told."""


def test_every_question_is_asked_once_and_told(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    answers, told = Answers(tmp_path / "answers.jsonl"), []
    answers.ask(lambda: endpoint, questions(40), lambda done, total: told.append((done, total)))
    assert [answers[question].text for question in questions(40)] == [f"q{number}!" for number in range(40)]
    assert (told[0], told[-1]) == ((0, 40), (40, 40))
    assert len(endpoint.requests) == 40
    asked = endpoint.requests[0]
    assert (asked["max_tokens"], asked["temperature"], asked["min_p"], asked["repetition_penalty"]) == (
        40,
        0.7,
        0.05,
        1.05,
    )


@pytest.mark.parametrize(("characters", "most"), [(30_000, 3), (300_000, 1)])
def test_no_more_tokens_are_asked_for_at_once_than_a_cache_holds(
    endpoint: FakeEndpoint, tmp_path: Path, characters: int, most: int
) -> None:
    lock, now, seen = threading.Lock(), 0, []

    def voice(body: dict[str, Any]) -> str:
        nonlocal now
        with lock:
            now += 1
            seen.append(now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return "yes"

    endpoint.voice = voice
    long = [
        replace(each, messages=({"role": "user", "content": f"{each.key}{'x' * characters}"},)) for each in questions(9)
    ]
    Answers(tmp_path / "answers.jsonl").ask(lambda: endpoint, long, quiet)
    assert len(seen) == 9
    assert max(seen) == most


def test_kept_answers_are_not_asked_again(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    first = Answers(tmp_path / "answers.jsonl")
    first.ask(lambda: endpoint, questions(3), quiet)
    again = Answers(tmp_path / "answers.jsonl")
    again.ask(lambda: endpoint, questions(5), quiet)
    assert len(endpoint.requests) == 5
    assert again[questions(1)[0]].text == "q0!"


def test_what_kept_answers_had_taken_counts_once(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    first = Answers(tmp_path / "answers.jsonl")
    first.ask(lambda: endpoint, questions(3), quiet)
    again = Answers(tmp_path / "answers.jsonl")
    for _ in range(2):
        again.ask(lambda: endpoint, questions(5), quiet)
    assert first.spared_seconds == 0
    assert again.spared_seconds == pytest.approx(sum(first[question].seconds for question in questions(3)))


def test_a_line_cut_short_is_asked_again_and_hurts_no_other(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Answers(path).ask(lambda: endpoint, questions(3), quiet)
    path.write_text(path.read_text()[:-30])
    Answers(path).ask(lambda: endpoint, questions(3), quiet)
    assert len(endpoint.requests) == 4
    Answers(path).ask(lambda: endpoint, questions(3), quiet)
    assert len(endpoint.requests) == 4


@pytest.mark.parametrize(
    "changed",
    [{"weights": "other"}, {"sample": 1}, {"decoding": replace(DECODING, temperature=0.1)}, {"model": "me@memory"}],
    ids=lambda changed: next(iter(changed)),
)
def test_what_decides_an_answer_makes_it_another_question(
    endpoint: FakeEndpoint, tmp_path: Path, changed: dict[str, object]
) -> None:
    answers, [question] = Answers(tmp_path / "answers.jsonl"), questions(1)
    answers.ask(lambda: endpoint, [question], quiet)
    answers.ask(lambda: endpoint, [replace(question, **changed)], quiet)  # type: ignore[arg-type]
    assert len(endpoint.requests) == 2


def test_what_was_answered_before_a_failure_is_kept(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.jsonl")
    answers.ask(lambda: endpoint, questions(3), quiet)
    endpoint.failing["me"] = 400
    with pytest.raises(ServingError, match="bad day"):
        answers.ask(lambda: endpoint, questions(6), quiet)
    assert len(Answers(tmp_path / "answers.jsonl").known) == 3


def test_whatever_a_reply_holds_it_is_kept(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    """Python takes more for the end of a line than JSON Lines do."""
    odd = "one\u2028two\u2029three\x85four\x0cfive\nsix\r\nseven"
    endpoint.voice = lambda body: odd
    Answers(tmp_path / "answers.jsonl").ask(lambda: endpoint, questions(3), quiet)
    again = Answers(tmp_path / "answers.jsonl")
    assert [again[question].text for question in questions(3)] == [odd] * 3
