"""A client of the endpoint like any other: the official openai package, a base URL and a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from style_clone.addresses import other_machine
from style_clone.conversation import Turn
from style_clone.errors import MissingStage, ServingError, StyleCloneError
from style_clone.register import Registers, from_json

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PROMPTED = "@prompted"
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 300.0


class Address(Protocol):
    """Where the endpoint is. `url` is its root, with or without /v1; `key` is None where it asks for none."""

    @property
    def url(self) -> str:
        """Such as http://127.0.0.1:8000."""

    @property
    def key(self) -> str | None:
        """The API key."""


@asynccontextmanager
async def connect(address: Address) -> AsyncIterator[AsyncOpenAI]:
    """An OpenAI client of the endpoint. Inside the block its errors become ours: ServingError, MissingStage."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

    # A proxy set for the internet must not stand between two processes of this machine.
    http = DefaultAsyncHttpxClient(trust_env=other_machine(address.url) is not None)
    async with AsyncOpenAI(
        base_url=base_url(address),
        api_key=address.key or "none",
        timeout=Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
        max_retries=1,
        http_client=http,
    ) as client:
        with _plain_words(address):
            yield client


def base_url(address: Address) -> str:
    """What an OpenAI client is given as its base URL."""
    root = address.url.rstrip("/")
    return root if root.endswith("/v1") else f"{root}/v1"


async def list_models(client: AsyncOpenAI) -> dict[str, Registers]:
    """The endpoint's model ids, each with the registers that can be chosen for it."""
    return {
        model.id: from_json((model.model_extra or {}).get("registers")) or {} async for model in client.models.list()
    }


def personas(models: Iterable[str]) -> list[str]:
    """The personas among model ids that have a clone to talk to: those with a prompted baseline beside them."""
    known = set(models)
    return sorted(model for model in known if "@" not in model and model + PROMPTED in known)


async def stream_reply(
    client: AsyncOpenAI, model: str, turns: Sequence[Turn], to: str | None = None
) -> AsyncIterator[str]:
    """The reply's text, piece by piece. Prompt, stop tokens and sampling are the endpoint's own.

    The last turn is the user's; `to` is who says it, where that is a contact with a register.
    """
    messages: list[Any] = [dict(turn) for turn in turns]
    if to:
        messages[-1]["name"] = to
    stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
    async with stream:
        async for chunk in stream:
            piece = chunk.choices[0].delta.content if chunk.choices else None
            if piece:
                yield piece


@contextmanager
def _plain_words(address: Address) -> Iterator[None]:
    import openai

    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ServingError(
            f"the endpoint at {address.url} refused the API key",
            mend="Make one with `style-clone keys create` and set STYLE_CLONE_API_KEY to it.",
        ) from error
    except openai.NotFoundError as error:
        raise MissingStage(_told(error)) from error
    except openai.APIStatusError as error:
        raise _status_error(error) from error
    except openai.APIConnectionError as error:
        raise ServingError(
            f"the endpoint at {address.url} does not answer", mend="Start it with: style-clone serve"
        ) from error
    except openai.APIError as error:
        raise ServingError(f"the endpoint broke off: {error.message}", mend="Ask again.") from error


def _status_error(error: Any) -> StyleCloneError:
    mends = {400: "Begin a new conversation.", 429: "Wait a moment and ask again.", 503: "Wait a moment and ask again."}
    return ServingError(_told(error), mend=mends.get(error.status_code, "Ask again."))


def _told(error: Any) -> str:
    """The endpoint's own words out of OpenAI's error form."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error", body)
    message = inner.get("message") if isinstance(inner, dict) else None
    return f"the endpoint says: {message or error.message}"
