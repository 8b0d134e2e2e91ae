"""A request's JSON becomes a checked question: turns or text, and options that vLLM is allowed to see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from style_clone.conversation import Turn
from style_clone.serving.options import options_of
from style_clone.serving.refusal import Refusal, wrong

TOOLS = ("tools", "functions", "function_call")
MOST_TURNS = 10_000
"""A long chat is no error: it is shortened for the model. This only keeps a body of empty turns from costing seconds."""
ROLES: dict[object, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True)
class Question:
    """What was asked: of which model id, with which options, as a stream or not."""

    model: str
    options: dict[str, Any]
    stream: bool

    @property
    def tells_usage(self) -> bool:
        """Whether a stream is to end in the counts of its tokens."""
        return bool(self.options.get("stream_options", {}).get("include_usage"))


@dataclass(frozen=True)
class Chat(Question):
    """Turns that wait for a reply. `name` is who says the last user turn, where the caller gives it."""

    turns: tuple[Turn, ...]
    name: str | None = None

    @property
    def said(self) -> int:
        """How many of the turns are no system message."""
        return sum(turn["role"] != "system" for turn in self.turns)


@dataclass(frozen=True)
class Text(Question):
    """Raw text to go on with: a string or token ids, or a list of either."""

    prompt: str | list[Any]


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; fields that are null count as not given. Raises Refusal."""
    try:
        row = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON", code="invalid_json") from error
    if not isinstance(row, dict):
        raise Refusal(400, "the body must be a JSON object", code="invalid_json")
    return {name: value for name, value in row.items() if value is not None}


def read_chat(row: Mapping[str, Any]) -> Chat:
    """Check a chat completion's request. Raises Refusal naming the parameter."""
    for name in TOOLS:
        if row.get(name):
            raise wrong(name, "tools are not supported: a persona only writes", "unsupported_parameter")
    if row.get("response_format", {"type": "text"}) != {"type": "text"}:
        raise wrong("response_format", "only text is supported", "unsupported_parameter")
    options = options_of(row, {"messages", "response_format", *TOOLS}, chat=True)
    if "max_completion_tokens" in options:
        options["max_tokens"] = options.pop("max_completion_tokens")
    turns = _turns(row.get("messages"))
    return Chat(_model(row), options, _stream(row), turns, _name(row["messages"]))


def read_text(row: Mapping[str, Any]) -> Text:
    """Check a text completion's request. Raises Refusal naming the parameter."""
    prompt = row.get("prompt")
    if not (isinstance(prompt, str | list) and prompt) or not _is_prompt(prompt):
        raise wrong("prompt", "a string, a list of strings, or token ids is expected")
    return Text(_model(row), options_of(row, {"prompt"}, chat=False), _stream(row), prompt)


def _model(row: Mapping[str, Any]) -> str:
    model = row.get("model")
    if not isinstance(model, str) or not model:
        raise wrong("model", "the id of a model is expected; GET /v1/models lists them")
    return model


def _stream(row: Mapping[str, Any]) -> bool:
    stream = row.get("stream", False)
    if not isinstance(stream, bool):
        raise wrong("stream", "true or false is expected")
    if "stream_options" in row and not stream:
        raise wrong("stream_options", "this goes only with stream: true")
    return stream


def _turns(messages: Any) -> tuple[Turn, ...]:
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "a list of one or more messages is expected")
    if len(messages) > MOST_TURNS:
        raise wrong("messages", f"at most {MOST_TURNS} messages are taken")
    turns = tuple(_turn(message, f"messages[{number}]") for number, message in enumerate(messages))
    if all(turn["role"] == "system" for turn in turns):
        raise wrong("messages", "there is nothing to reply to: a message with role user is expected")
    return turns


def _turn(message: Any, place: str) -> Turn:
    if not isinstance(message, dict):
        raise wrong(place, "an object with role and content is expected")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise wrong(f"{place}.role", "system, developer, user or assistant is expected")
    if message.get("tool_calls") or message.get("function_call"):
        raise wrong(f"{place}.tool_calls", "tools are not supported: a persona only writes", "unsupported_parameter")
    return {"role": ROLES[role], "content": _content(message.get("content"), f"{place}.content")}


def _name(messages: list[dict[str, Any]]) -> str | None:
    """OpenAI's optional name of a participant, on the last message with role user."""
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    name = messages[asked[-1]].get("name") if asked else None
    if name is not None and not isinstance(name, str):
        raise wrong(f"messages[{asked[-1]}].name", "a string is expected")
    return name or None


def _content(content: Any, place: str) -> str:
    """The text of a message, given as a string or as OpenAI's list of text parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise wrong(place, "a string or a list of text parts is expected")
    for number, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise wrong(f"{place}[{number}]", "only parts of type text are supported")
    return "".join(cast(str, part["text"]) for part in content)


def _is_prompt(prompt: Any) -> bool:
    if isinstance(prompt, str):
        return True
    return all(isinstance(part, str) for part in prompt) or _is_ids(prompt) or all(_is_ids(part) for part in prompt)


def _is_ids(part: Any) -> bool:
    return isinstance(part, list) and bool(part) and all(type(number) is int and number >= 0 for number in part)
