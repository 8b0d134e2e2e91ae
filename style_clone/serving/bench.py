"""How fast an endpoint answers: some users at once, each of whom asks again as soon as the reply is over.

vLLM brings a benchmark, `vllm bench serve`, which this does without: it needs vLLM and PyTorch where it runs and loads both
for every number of users, and when it is interrupted it shows nothing of what it has measured.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from typing import Any

import httpx

from style_clone.addresses import other_machine
from style_clone.conversation import Turn, read_pairs
from style_clone.errors import ServingError
from style_clone.progress import Event, Report, silent
from style_clone.workspace import SLUG, Workspace

MOST_PROMPTS = 64
LEAST_REQUESTS = 8
REQUESTS_A_USER = 3
_TIMEOUT = httpx.Timeout(600, connect=60)
_DATA = b"data: "
_PLAIN = (
    "what did you get up to this weekend?",
    "can you tell me how your week went, and what comes next?",
    "I am thinking of moving to another town. What would you want to know before you did that?",
    "are you coming tonight?",
)


@dataclass(frozen=True)
class Target:
    """Which model is asked where, for how many tokens a reply. `url` is the endpoint's root, without /v1.

    `sampling` are further options of the request; without any the endpoint's own defaults hold.
    """

    url: str
    key: str | None
    model: str
    tokens: int
    sampling: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One request: seconds to its first word and to its end, and its tokens; `error` says why it has no reply."""

    first_seconds: float = 0.0
    seconds: float = 0.0
    tokens: int = 0
    error: str = ""


@dataclass(frozen=True)
class Row:
    """What one number of users saw. Speeds are tokens a second: of all together, and the median request's from its start."""

    users: int
    requests: int
    first_ms_median: float
    first_ms_p95: float
    tokens_per_second: float
    tokens_per_second_user: float
    errors: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The fields, None for what nobody saw; `errors` counts them by what they said."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


@dataclass
class Bench:
    """Asks `target`; `rows` grows as it goes; after an interruption it ends with what the last number of users saw so far."""

    target: Target
    prompts: Sequence[Sequence[Turn]]
    rows: list[Row] = field(default_factory=list)

    async def run(self, levels: Sequence[int], requests: int | None = None, report: Report = silent) -> None:
        """One row for each number of users, after one request that does not count. Raises ServingError if that fails.

        `requests` None asks a few times a user.
        """
        async with connected(self.target) as client:
            first = await ask(client, self.target, self.prompts[0])
            if first.error:
                raise ServingError(
                    f"{self.target.model} does not answer: {first.error}",
                    mend="See which models there are: style-clone serve prints them, GET /v1/models lists them.",
                )
            for users in levels:
                await self._level(client, users, requests or max(LEAST_REQUESTS, REQUESTS_A_USER * users), report)

    async def _level(self, client: httpx.AsyncClient, users: int, requests: int, report: Report) -> None:
        answers: list[Answer] = []
        began = time.perf_counter()

        async def one_user(prompts: Iterator[Sequence[Turn]]) -> None:
            for prompt in prompts:  # shared by all: whoever is done takes the next
                answers.append(await ask(client, self.target, prompt))
                speed = sum(answer.tokens for answer in answers) / (time.perf_counter() - began)
                report(Event(f"{users} user{'s' * (users > 1)}", "", len(answers), requests, {"tokens/s": speed}))

        shared = islice(cycle(self.prompts), requests)
        try:
            await asyncio.gather(*(one_user(shared) for _ in range(min(users, requests))))
        finally:
            if answers:
                self.rows.append(summed_up(users, answers, time.perf_counter() - began))


def held_out(workspace: Workspace, model: str) -> list[list[Turn]]:
    """Conversations that wait for a reply: the persona's own held-out ones where there are any, else plain questions."""
    slug = model.partition("@")[0]
    if SLUG.fullmatch(slug):
        folder = workspace.folder(slug)
        for file in (folder.split("test"), folder.split("dev")):
            if pairs := read_pairs(file) if file.exists() else []:
                step = max(1, len(pairs) // MOST_PROMPTS)
                return [list(pair.context) for pair in pairs[::step][:MOST_PROMPTS]]
    return [[{"role": "user", "content": text}] for text in _PLAIN]


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the endpoint that opens as many connections as there are users."""
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    async with httpx.AsyncClient(
        base_url=target.url.rstrip("/").removesuffix("/v1"),
        headers=headers,
        timeout=_TIMEOUT,
        limits=httpx.Limits(max_connections=None),
        trust_env=other_machine(target.url) is not None,
    ) as client:
        yield client


async def ask(client: httpx.AsyncClient, target: Target, prompt: Sequence[Turn]) -> Answer:
    """One streamed reply of exactly `target.tokens` tokens, whatever the model would rather say."""
    body = {
        **{"model": target.model, "messages": list(prompt), "max_tokens": target.tokens, "ignore_eos": True},
        **{"stream": True, "stream_options": {"include_usage": True}, **target.sampling},
    }
    reply = _Reply()
    try:
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                return Answer(error=_refusal(answer.status_code, await answer.aread()))
            left = b""
            async for part in answer.aiter_bytes():
                *events, left = (left + part).split(b"\n\n")
                for event in events:
                    reply.take(event)
    except httpx.HTTPError as error:
        return Answer(error=type(error).__name__)
    return reply.answer()


def summed_up(users: int, answers: Sequence[Answer], seconds: float) -> Row:
    """The row of `answers`, which took `seconds` together."""
    good = [answer for answer in answers if not answer.error]
    first = sorted(1000 * answer.first_seconds for answer in good) or [math.nan]
    return Row(
        users=users,
        requests=len(answers),
        first_ms_median=statistics.median(first),
        first_ms_p95=first[math.ceil(0.95 * len(first)) - 1],
        tokens_per_second=sum(answer.tokens for answer in good) / seconds,
        tokens_per_second_user=statistics.median([answer.tokens / answer.seconds for answer in good] or [math.nan]),
        errors=dict(Counter(answer.error for answer in answers if answer.error)),
    )


class _Reply:
    """A reply as it comes, looked into no more than needed: measuring must not slow what is measured."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._first = 0.0
        self._pieces = 0
        self._last = b""
        self._done = False

    def take(self, event: bytes) -> None:
        """One server-sent event."""
        if event.startswith(b"data: [DONE]"):
            self._done = True
        elif event.startswith(_DATA):
            self._last = event
            self._pieces += 1
            if not self._first and _says_something(event):
                self._first = time.perf_counter() - self._began

    def answer(self) -> Answer:
        """What it was, now that it is over."""
        last = json.loads(self._last.removeprefix(_DATA) or b"{}")
        if "error" in last:
            return Answer(error=str(last["error"].get("code") or last["error"].get("message")))
        if not self._done or not self._first:
            return Answer(error="the reply broke off" if self._first else "the reply was empty")
        tokens = (last.get("usage") or {}).get("completion_tokens") or self._pieces
        return Answer(self._first, time.perf_counter() - self._began, int(tokens))


def _says_something(event: bytes) -> bool:
    choices = json.loads(event.removeprefix(_DATA)).get("choices") or ()
    return any(choice.get("delta", {}).get("content") for choice in choices)


def _refusal(status: int, body: bytes) -> str:
    """Such as "429 rate_limit_exceeded", with the words where the code does not say it all."""
    try:
        error = json.loads(body)["error"]
        told = error["message"] if status in (400, 404) else error["code"]
    except (ValueError, KeyError, TypeError):
        told = ""
    return f"{status} {told}".strip()
