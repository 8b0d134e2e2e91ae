"""What a request may ask for beside its prompt, each field checked as OpenAI checks it, and named where it is wrong.

Only known fields are passed on. vLLM takes many more, some of which would undo what the endpoint promises (another chat
template, text added to the prompt); and a field silently dropped would be a lie.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from style_clone.serving.refusal import wrong

_RANDOMNESS = {"temperature", "top_p", "top_k", "min_p", "seed"}
_PENALTIES = {"repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias"}
_LENGTH = {"max_tokens", "min_tokens", "stop", "stop_token_ids", "ignore_eos"}
SAMPLING = frozenset(_RANDOMNESS | _PENALTIES | _LENGTH | {"n", "logprobs", "stream_options"})
CHAT_FIELDS = SAMPLING | {"top_logprobs", "max_completion_tokens"}
TEXT_FIELDS = SAMPLING | {"echo"}
MOST_REPLIES = 8
MOST_STOPS = 4
MOST_LOGPROBS = 20
WITHOUT_EFFECT = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}) | {
    "parallel_tool_calls",
    "tool_choice",
}
"""Fields of OpenAI's that change no reply here; taken and left aside, so that ordinary clients work."""
Check = tuple[Callable[[Any], bool], str]


def _whole(least: int, most: int | None = None) -> Check:
    """A whole number between two, both allowed."""
    said = f"a whole number from {least} to {most}" if most is not None else f"a whole number of at least {least}"
    return lambda value: type(value) is int and least <= value <= (value if most is None else most), said


def _number(least: float, most: float) -> Check:
    return lambda value: type(value) in (int, float) and least <= value <= most, f"a number from {least} to {most}"


def _above_zero(most: float) -> Check:
    return lambda value: type(value) in (int, float) and 0 < value <= most, f"a number above 0, at most {most}"


def _boolean() -> Check:
    return lambda value: isinstance(value, bool), "true or false"


def _is_stop(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return len(parts) <= MOST_STOPS and all(isinstance(part, str) and part for part in parts)


def _is_bias(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key.isdecimal() and _number(-100, 100)[0](bias) for key, bias in value.items()
    )


def _is_stream_options(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key in ("include_usage", "include_obfuscation") and isinstance(chosen, bool) for key, chosen in value.items()
    )


def _is_ids_list(value: Any) -> bool:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


_CHECKS: dict[str, Check] = {
    "temperature": _number(0, 2),
    "top_p": _above_zero(1),
    "top_k": _whole(-1),
    "min_p": _number(0, 1),
    "seed": (lambda value: type(value) is int and abs(value) < 1 << 63, "a whole number of 64 bits"),
    "repetition_penalty": _above_zero(2),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "logit_bias": (_is_bias, "an object of token ids, each with a number from -100 to 100,"),
    "max_tokens": _whole(1),
    "max_completion_tokens": _whole(1),
    "min_tokens": _whole(0),
    "stop": (_is_stop, f"a string or a list of at most {MOST_STOPS} strings, none of them empty,"),
    "stop_token_ids": (_is_ids_list, "a list of token ids"),
    "ignore_eos": _boolean(),
    "n": _whole(1, MOST_REPLIES),
    "stream_options": (_is_stream_options, 'an object such as {"include_usage": true}'),
}
_CHAT_CHECKS: dict[str, Check] = {"logprobs": _boolean(), "top_logprobs": _whole(0, MOST_LOGPROBS)}
_TEXT_CHECKS: dict[str, Check] = {"logprobs": _whole(0, MOST_LOGPROBS), "echo": _boolean()}


def options_of(row: Mapping[str, Any], known: Collection[str], *, chat: bool) -> dict[str, Any]:
    """The options among a request's fields; `known` are the fields that are none. Raises Refusal naming the field."""
    allowed = CHAT_FIELDS if chat else TEXT_FIELDS
    for name in row:
        if name not in allowed | WITHOUT_EFFECT | {"model", "stream", *known}:
            raise wrong(name, "this parameter is not supported", "unknown_parameter")
    options = {name: value for name, value in row.items() if name in allowed}
    checks = _CHECKS | (_CHAT_CHECKS if chat else _TEXT_CHECKS)
    for name, value in options.items():
        good, expected = checks[name]
        if not good(value):
            raise wrong(name, f"{expected} is expected")
    if "top_logprobs" in options and not options.get("logprobs"):
        raise wrong("top_logprobs", "this goes only with logprobs: true")
    return options
