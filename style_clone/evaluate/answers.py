"""What models answered, kept as it comes: a stopped evaluation goes on where it was, and a finished one repeats itself.

One JSON line an answer: the hash of all that decides it (the model's weights, every message, the decoding, which sample) and
its text. vLLM takes no seed on a CPU, so the answers themselves are what makes a scorecard repeatable: all that is computed
from them is seeded.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from style_clone.client import Address, connect
from style_clone.conversation import Turn
from style_clone.persona import Sampling
from style_clone.workspace import storage_errors

if TYPE_CHECKING:
    from openai import AsyncOpenAI

USERS = 48
"""Requests at once: vLLM's speed on two cores still grows from 16 to 64 of them, and the endpoint answers 64 at a time."""
TOKENS_AT_ONCE = 32_768
"""Of prompts and replies at once, about: four full contexts, which vLLM's cache always holds. What it has begun beyond that
it may have to drop and begin again, prompt and all."""
CHARACTERS_A_TOKEN = 3
"""Rather few, so that prompts are taken for longer than they are."""
RETRIES = 12
"""As often as the endpoint says when to come again: a persona's own engine may take some minutes to be made."""


@dataclass(frozen=True)
class Decoding:
    """How a reply is drawn: the same for all, but for two of a comparison whose sampling is what differs.

    `max_tokens` is in tokens; None is the server's own default.
    """

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    def drawn_by(self, sampling: Sampling) -> Decoding:
        """The same limit, with replies drawn as `sampling` says."""
        return Decoding(self.max_tokens, **sampling.drawing)

    def request(self) -> dict[str, Any]:
        """As parameters of the official client; what OpenAI's wire format does not know goes into its extra body."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        extra = {name: known.pop(name) for name in ("min_p", "repetition_penalty") if name in known}
        return {**known, "extra_body": extra} if extra else known


@dataclass(frozen=True, slots=True)
class Question:
    """`messages` for the endpoint's `model`, whose weights `weights` names; `sample` tells one draw from the next."""

    model: str
    weights: str
    messages: tuple[Turn, ...]
    decoding: Decoding
    sample: int = 0

    @property
    def key(self) -> str:
        """The hash of all that decides the answer."""
        return sha256(json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """`text`; `ended` is False where the limit on tokens did it; tokens of prompt and reply as the endpoint counted them.

    `seconds` is its share of the endpoint's time: many are answered at once, so what passed since the answer before it.
    """

    text: str
    ended: bool
    prompt_tokens: int
    reply_tokens: int
    seconds: float


class _Room:
    """Lets questions in as long as their tokens fit, and one that never would by itself."""

    def __init__(self, tokens: int) -> None:
        self._size = self._left = tokens
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def for_(self, question: Question) -> AsyncIterator[None]:
        characters = sum(len(turn["content"]) for turn in question.messages)
        need = min(self._size, characters // CHARACTERS_A_TOKEN + question.decoding.max_tokens)
        async with self._changed:
            await self._changed.wait_for(lambda: need <= self._left)
            self._left -= need
        try:
            yield
        finally:
            async with self._changed:
                self._left += need
                self._changed.notify_all()


@dataclass
class Answers:
    """The answers in `path`, by question. Lines that a crash has cut short are asked again.

    `spared_seconds` is what answers that were wanted and already there had taken, each once.
    """

    path: Path
    known: dict[str, Answer] = field(default_factory=dict)
    spared_seconds: float = 0.0
    _earlier: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                with suppress(json.JSONDecodeError, KeyError, TypeError):
                    row = json.loads(line)
                    key = row.pop("key")
                    self.known[key] = Answer(**row)
        self._earlier.update(self.known)

    def __getitem__(self, question: Question) -> Answer:
        return self.known[question.key]

    def ask(
        self, endpoint: Callable[[], Address], questions: Iterable[Question], on_answer: Callable[[int, int], None]
    ) -> None:
        """Ask what is not known yet, many at once; `endpoint` is called only where something is.

        Raises ServingError; what was answered by then is kept.
        """
        wanted = {question.key: question for question in questions}
        missing = [question for key, question in wanted.items() if key not in self.known]
        spared = self._earlier & wanted.keys()
        self._earlier -= spared
        self.spared_seconds += sum(self.known[key].seconds for key in spared)
        on_answer(len(wanted) - len(missing), len(wanted))
        if missing:
            address = endpoint()
            asyncio.run(self._ask(address, missing, lambda left: on_answer(len(wanted) - left, len(wanted))))

    async def _ask(self, address: Address, questions: Sequence[Question], on_left: Callable[[int], None]) -> None:
        left = len(questions)
        waiting, room = iter(questions), _Room(TOKENS_AT_ONCE)
        last = time.monotonic()
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                if file.tell():
                    file.write("\n")  # ends a line that a crash cut short
                async with connect(address) as client:
                    # Its own retries wait for as long as a busy or restarting endpoint asks.
                    patient = client.with_options(max_retries=RETRIES)

                    async def user() -> None:
                        nonlocal left, last
                        for question in waiting:  # shared by all: whoever is done takes the next
                            async with room.for_(question):
                                answer = await _answer(patient, question)
                            now = time.monotonic()
                            answer, last = replace(answer, seconds=now - last), now
                            self.known[question.key] = answer
                            file.write(json.dumps({"key": question.key, **asdict(answer)}, ensure_ascii=False) + "\n")
                            file.flush()
                            left -= 1
                            on_left(left)

                    users = [asyncio.create_task(user()) for _ in range(min(USERS, len(questions)))]
                    try:
                        await asyncio.gather(*users)
                    finally:
                        for task in users:
                            task.cancel()


async def _answer(client: AsyncOpenAI, question: Question) -> Answer:
    messages: list[Any] = [dict(turn) for turn in question.messages]
    found = await client.chat.completions.create(model=question.model, messages=messages, **question.decoding.request())
    choice, usage = found.choices[0], found.usage
    return Answer(
        (choice.message.content or "").strip(),
        choice.finish_reason != "length",
        usage.prompt_tokens if usage else 0,
        usage.completion_tokens if usage else 0,
        0.0,
    )
