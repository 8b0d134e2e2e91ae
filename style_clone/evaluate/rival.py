"""The rival: a bigger model behind any OpenAI-compatible URL under the best prompts: what one would take instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from style_clone.addresses import check_address
from style_clone.client import connect, list_models
from style_clone.errors import MissingStage, ServingError, UsageError
from style_clone.evaluate.answers import Answers, Question

KEY_VARIABLE = "STYLE_CLONE_RIVAL_KEY"
_SHOWN_MODELS = 10


@dataclass(frozen=True)
class Rival:
    """An Address to the client: `url` is the server's root, with or without /v1, and `model` its name for the model."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)

    @classmethod
    def find(cls, url: str, model: str | None, key: str | None) -> Rival:
        """The one at `url`, which has answered; without `model`, the only one that is listed there.

        Raises UsageError where there is none or a choice of several, and for what is no address, ServingError where it does
        not answer.
        """
        check_address(url, "--rival", example="--rival http://127.0.0.1:11434", key=KEY_VARIABLE)
        rival = cls(url, model or "", key)
        with _its_words():
            if model is None:
                rival = cls(url, _only(url, asyncio.run(rival._listed())), key)
            # Better now than after all the others have answered.
            asyncio.run(rival._greet())
        return rival

    def ask(self, answers: Answers, questions: Iterable[Question], on_answer: Callable[[int, int], None]) -> None:
        """Have it answer. Raises ServingError."""
        with _its_words():
            answers.ask(lambda: self, questions, on_answer)

    async def _listed(self) -> list[str]:
        async with connect(self) as client:
            return list(await list_models(client))

    async def _greet(self) -> None:
        async with connect(self) as client:
            await client.chat.completions.create(
                model=self.model, messages=[{"role": "user", "content": "Hello"}], max_tokens=1
            )


def _only(url: str, listed: list[str]) -> str:
    if len(listed) == 1:
        return listed[0]
    some = ", ".join(sorted(listed)[:_SHOWN_MODELS]) or "none"
    raise UsageError(f"{url} has {len(listed)} models", mend=f"Choose one with --rival-model: {some}.")


@contextmanager
def _its_words() -> Iterator[None]:
    """What goes wrong is the rival's, and is mended there."""
    try:
        yield
    except (ServingError, MissingStage) as error:
        raise ServingError(
            f"the rival: {error.problem}", mend=f"Check --rival, --rival-model and, for its key, {KEY_VARIABLE}."
        ) from error
