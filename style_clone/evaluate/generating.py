"""The candidates' replies: each asked the same prompts with the same decoding, as many at once as the endpoint takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from style_clone.client import Address
from style_clone.conversation import Pair, Turn
from style_clone.evaluate.answers import Answer, Answers, Decoding, Question
from style_clone.evaluate.candidates import Candidate, asked
from style_clone.evaluate.replies import Reply
from style_clone.persona import Sampling
from style_clone.progress import Event, Report
from style_clone.prompt import room_for

LEAST_TOKENS = 32
DESCRIPTION_TOKENS = 256
"""Room for five lines about how somebody writes."""


@dataclass(frozen=True)
class Generator:
    """Asks `endpoint`. `weights` says by adapter ("" is none) what its answers depend on beside the messages."""

    answers: Answers
    endpoint: Callable[[], Address]
    decoding: Decoding
    weights: Mapping[str, str]
    report: Report

    def __call__(self, candidates: Sequence[Candidate], pairs: Sequence[Pair], samples: int = 1) -> list[list[Answer]]:
        """For each candidate its answers, `samples` to each pair in turn."""
        questions = [self._questions(candidate, pairs, samples) for candidate in candidates]
        for number, (candidate, wanted) in enumerate(zip(candidates, questions, strict=True)):

            def told(done: int, total: int, name: str = candidate.name, number: int = number) -> None:
                text = f"{total} replies by {name}"
                self.report(Event("evaluate", text, number + done / max(1, total), len(candidates)))

            if candidate.rival is not None:
                candidate.rival.ask(self.answers, wanted, told)
            else:
                self.answers.ask(self.endpoint, wanted, told)
        return [[self.answers[question] for question in wanted] for wanted in questions]

    def replies(self, candidates: Sequence[Candidate], pairs: Sequence[Pair], samples: int = 1) -> list[list[Reply]]:
        """The same as the metrics want them."""
        return [as_replies(answers, pairs, samples) for answers in self(candidates, pairs, samples)]

    def describe(self, candidate: Candidate, messages: Sequence[Turn]) -> str:
        """What a candidate says to these messages as they are, with room for more than the author writes."""
        decoding = replace(self.decoding, max_tokens=max(self.decoding.max_tokens, DESCRIPTION_TOKENS))
        question = Question(candidate.model, self.weights[candidate.adapter], tuple(messages), decoding)
        self.answers.ask(self.endpoint, [question], lambda done, total: None)
        return self.answers[question].text

    def _questions(self, candidate: Candidate, pairs: Sequence[Pair], samples: int) -> list[Question]:
        weights, decoding = self.weights[candidate.adapter], self.decoding
        if candidate.sampling is not None:
            decoding = decoding.drawn_by(candidate.sampling)
        if candidate.rival is not None:
            # A bigger model as its user would ask it: how it draws its replies is its server's business.
            weights, decoding = candidate.rival.url, Decoding(self.decoding.max_tokens)
        # Pairs that ask the same, such as "Write something.", are each answered anew: one reply would count for all of them.
        drawn: Counter[str] = Counter()
        questions = []
        for messages in (tuple(candidate.messages(pair)) for pair in pairs):
            prompt = repr(messages)
            first = drawn[prompt]
            drawn[prompt] += samples
            questions += [
                Question(candidate.model, weights, messages, decoding, sample)
                for sample in range(first, first + samples)
            ]
        return questions


def as_replies(answers: Sequence[Answer], pairs: Sequence[Pair], samples: int) -> list[Reply]:
    """Answers with the conversation and the prompt of the pair each belongs to."""
    repeated = [pair for pair in pairs for _ in range(samples)]
    return [
        Reply(answer.text, pair.conversation, asked(pair), answer.ended)
        for answer, pair in zip(answers, repeated, strict=True)
    ]


def real_replies(pairs: Sequence[Pair]) -> list[Reply]:
    """What was really written."""
    return [Reply(pair.reply, pair.conversation, asked(pair)) for pair in pairs]


def decoding_for(sampling: Sampling, tokenizer: Any, train: Sequence[Pair]) -> Decoding:
    """The persona's sampling, with room for nearly all of the lengths the author writes: the same limit for everyone."""
    limit = min(sampling.max_tokens, max(LEAST_TOKENS, room_for(tokenizer, [pair.reply for pair in train])))
    return Decoding(limit).drawn_by(sampling)
