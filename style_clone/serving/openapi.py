"""What the endpoint serves, as an OpenAPI 3.1 document, made from the names and limits that requests are checked with."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from style_clone import __version__
from style_clone.serving import asking, limits, options

Schema = dict[str, Any]
PATH = "/openapi.json"
_WHOLE: Schema = {"type": ["integer", "null"]}
_YES_NO: Schema = {"type": ["boolean", "null"]}
_TEXT: Schema = {"type": "string"}
_WORD: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_IDS: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_OBJECT: Schema = {"type": "object"}
_PLAIN: Schema = {"text/plain": {"schema": _TEXT}}
_PART: Schema = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": _TEXT},
    "required": ["type", "text"],
}
_PARTS: Schema = {"type": "array", "items": _PART, "minItems": 1}
_NAME: Schema = {"type": "string", "description": "The contact to write to, where the persona has a register for them."}
_LOGPROBS: dict[str, Schema] = {"chat": _YES_NO, "text": _WHOLE}
OPTIONS: dict[str, Schema] = {
    "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
    "top_p": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
    "top_k": {**_WHOLE, "minimum": -1},
    "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "seed": {**_WHOLE, "description": "Without effect where there is no GPU."},
    "repetition_penalty": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 2},
    "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
    "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
    "logit_bias": {"type": ["object", "null"], "additionalProperties": {"type": "number"}},
    "max_tokens": {"type": ["integer", "null"], "minimum": 1},
    "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
    "min_tokens": {"type": ["integer", "null"], "minimum": 0},
    "stop": {"anyOf": [_WORD, {"type": "array", "items": _WORD, "maxItems": options.MOST_STOPS}, {"type": "null"}]},
    "stop_token_ids": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0}},
    "ignore_eos": _YES_NO,
    "n": {"type": ["integer", "null"], "minimum": 1, "maximum": options.MOST_REPLIES},
    "top_logprobs": {**_WHOLE, "minimum": 0, "maximum": options.MOST_LOGPROBS, "description": "Only with logprobs."},
    "echo": _YES_NO,
    "stream_options": {
        "type": ["object", "null"],
        "properties": {"include_usage": {"type": "boolean"}},
        "description": "Only with stream: true.",
    },
}
"""What an option may be, `logprobs` left out, which is yes or no for a chat and a number for a text. No value is a default:
where an option is absent or null, the persona's own holds."""


async def show(request: Request) -> Response:
    """The document; it names no persona, so no key is needed."""
    return JSONResponse(describe())


def describe() -> Schema:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "style-clone",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Personas in OpenAI's wire format. Every reply is an AI's, not the person's.",
        },
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "responses": {"Error": _told("Refused, or failed", "Error")},
        },
    }


def _paths() -> Schema:
    chat = _ask("A chat completion", "ChatRequest", "ChatCompletion")
    text = _ask("A raw text completion", "TextRequest", "TextCompletion")
    return {
        "/health": {"get": _open("Whether the endpoint lives", {"200": _told("It does", "Health")})},
        "/ready": {"get": _open("Whether its engine answers", _ready())},
        PATH: {"get": _open("This document", {"200": _told("The document")})},
        "/metrics": {"get": _closed("Prometheus's figures", {"200": {"description": "Text", "content": _PLAIN}})},
        "/v1/models": {"get": _closed("The models", {"200": _told("All of them", "ModelList")})},
        "/v1/models/{model}": {
            "get": {
                **_closed("One model", {"200": _told("It", "Model")}, 404),
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}],
            }
        },
        "/v1/chat/completions": {"post": chat},
        "/v1/completions": {"post": text},
    }


def _ready() -> Schema:
    return {"200": _told("It does", "Health"), "503": _told("It does not, or not yet", "Health")}


def _open(summary: str, responses: Schema) -> Schema:
    return {"summary": summary, "security": [], "responses": responses}


def _closed(summary: str, responses: Schema, *statuses: int) -> Schema:
    return {"summary": summary, "responses": {**responses, **_errors(401, 403, 429, 500, 503, *statuses)}}


def _ask(summary: str, asked: str, answered: str) -> Schema:
    answer = _told("The reply, whole or as server-sent events", answered)
    answer["content"]["text/event-stream"] = {}
    body = {"required": True, "content": {"application/json": {"schema": _ref(asked)}}}
    return {**_closed(summary, {"200": answer}, 400, 404, 413, 415), "requestBody": body}


def _errors(*statuses: int) -> Schema:
    return {str(status): {"$ref": "#/components/responses/Error"} for status in sorted(statuses)}


def _told(description: str, schema: str | None = None) -> Schema:
    content = {"application/json": {"schema": _ref(schema) if schema else _OBJECT}}
    return {"description": description, "content": content}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> Schema:
    turn = _object({"role": {"enum": list(asking.ROLES)}, "content": {"anyOf": [_TEXT, _PARTS]}}, {"name": _NAME})
    turns = {"type": "array", "items": turn, "minItems": 1, "maxItems": asking.MOST_TURNS}
    prompt = {"anyOf": [{**_TEXT, "minLength": 1}, {**_TEXTS, "minItems": 1}, _IDS, {**_IDS, "items": _IDS}]}
    choice: Schema = {"index": {"type": "integer"}, "finish_reason": {"type": ["string", "null"]}}
    message = _object({"role": {"const": "assistant"}, "content": _TEXT})
    return {
        "ChatRequest": _request({"messages": turns}, options.CHAT_FIELDS, "chat"),
        "TextRequest": _request({"prompt": prompt}, options.TEXT_FIELDS, "text"),
        "ChatCompletion": _completion("chat.completion", {**choice, "message": message}),
        "TextCompletion": _completion("text_completion", {**choice, "text": _TEXT}),
        "Model": _model(),
        "ModelList": _object({"object": {"const": "list"}, "data": {"type": "array", "items": _ref("Model")}}),
        "Health": _object({"service": {"const": "style-clone"}, "status": _TEXT}),
        "Error": _object({"error": _error()}),
    }


def _request(subject: Schema, fields: frozenset[str], kind: str) -> Schema:
    taken = {name: OPTIONS[name] if name != "logprobs" else _LOGPROBS[kind] for name in sorted(fields)}
    ignored: Schema = {name: {"description": "Taken, without effect."} for name in sorted(options.WITHOUT_EFFECT)}
    model = {**_TEXT, "minLength": 1, "description": "<persona>, <persona>@memory, <persona>@prompted or <base>"}
    return {
        "type": "object",
        "properties": {"model": model, **subject, "stream": _YES_NO, **taken, **ignored},
        "required": ["model", *subject],
        "additionalProperties": False,
        "description": f"At most {limits.BODY_BYTES} bytes. Tools are not supported.",
    }


def _completion(kind: str, choice: Schema) -> Schema:
    count = {"type": "integer", "minimum": 0}
    usage = _object({"prompt_tokens": count, "completion_tokens": count, "total_tokens": count})
    choices = {"type": "array", "items": _object(choice)}
    head: Schema = {"id": _TEXT, "object": {"const": kind}, "created": {"type": "integer"}, "model": _TEXT}
    return _object({**head, "choices": choices, "usage": usage})


def _model() -> Schema:
    head: Schema = {"id": _TEXT, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": _TEXT}
    registers = {
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "Whole name of a contact to its label.",
    }
    return _object(head, {"registers": registers})


def _error() -> Schema:
    maybe = {"type": ["string", "null"]}
    return _object({"message": _TEXT, "type": _TEXT, "param": maybe, "code": maybe})


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    """An object with those properties; there may be others."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}
