"""The endpoint: OpenAI's wire format in front of vLLM.

A raw text completion (`/v1/completions`) has no prompt of ours around it: the base's id runs the base model, a persona's id
its adapter, and @memory and @prompted, which are nothing but prompts, are refused there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from style_clone.errors import MissingStage, StyleCloneError
from style_clone.serving import asking, auth, label, limits, metrics, openapi, relay
from style_clone.serving.adapters import Adapters
from style_clone.serving.catalogue import Catalogue, Served, defaults
from style_clone.serving.fitting import Fitted, Fitting
from style_clone.serving.merged import Merged
from style_clone.serving.quotas import Quotas
from style_clone.serving.refusal import CONTEXT_LENGTH, Refusal, failed, unavailable

SERVICE = "style-clone"
TO_HEADER = "x-style-clone-to"
"""Of an answer to a message with a name: the label of the register it chose, in percent encoding, or "none"."""
PROXIED = ("forwarded", "x-forwarded-for")
"""Headers by which a proxy tells for whom it asks (RFC 7239, and what was common before it)."""
_LOGGER = logging.getLogger(__name__)
_HEALTH_SECONDS = 2.0
Handler = Callable[[Request], Awaitable[Response]]


class Gateway:
    """Answers requests. Everything it needs is given to it, so that tests can give it something else."""

    def __init__(
        self, catalogue: Catalogue, upstream: httpx.AsyncClient, keys: auth.Keys | None, merged: Merged | None = None
    ) -> None:
        self.catalogue = catalogue
        self.upstream = upstream
        self.merged = merged
        self.metrics = metrics.Metrics()
        self.adapters = Adapters(upstream, catalogue.base.adapters, self.metrics, layers=catalogue.base.layers)
        self.fitting = Fitting(upstream, catalogue.base.name, catalogue.base.context_tokens)
        self.seats = limits.Seats()
        self.door = auth.Door(keys)
        self.quotas = Quotas(None if keys is None else keys.count_tokens)

    async def health(self, request: Request) -> Response:
        """That the gateway itself lives, whatever vLLM does; open to all, as `ready` is, so they say nothing else."""
        return JSONResponse({"service": SERVICE, "status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Whether vLLM answers; 503 where it does not."""
        good = await self._engine_answers()
        headers = {} if good else unavailable().headers
        body = {"service": SERVICE, "status": "ready" if good else "engine unavailable"}
        return JSONResponse(body, status_code=200 if good else 503, headers=headers)

    async def show_metrics(self, request: Request) -> Response:
        """Prometheus's figures; behind the key like all else, which Prometheus can be given."""
        auth.require_all(request)
        self.metrics.engine_up.set(await self._engine_answers())
        self.metrics.waiting.set(self.seats.waiting)
        return Response(self.metrics.text(), media_type=metrics.CONTENT_TYPE)

    def engine_ended(self) -> None:
        """vLLM is gone, and is about to be started again with nothing loaded."""
        self.adapters.forget()
        self.metrics.restarts.inc()

    async def tidy(self, living: set[str]) -> None:
        """To be called every now and then with the personas there are: what is idle or gone is given up."""
        await self.adapters.drop(living)
        self.metrics.keep(living)

    async def list_models(self, request: Request) -> Response:
        """Every model id the caller may use."""
        ids = await asyncio.to_thread(self.catalogue.ids)
        await self.adapters.drop({name.partition("@")[0] for name in ids})
        shown, scope = self._shown_to(request), auth.scope(request)
        cards = await asyncio.to_thread(lambda: [self._card(name) for name in shown.ids(scope)])
        return JSONResponse({"object": "list", "data": cards})

    async def show_model(self, request: Request) -> Response:
        """One model id."""
        served = await self._find(request, request.path_params["model"])
        return JSONResponse(await asyncio.to_thread(self._card, served.id))

    async def chat(self, request: Request) -> Response:
        """A chat completion."""
        question = asking.read_chat(asking.parse(await limits.read_body(request)))
        served = await self._find(request, question.model)
        to = await asyncio.to_thread(self.catalogue.register, served, question.name)
        messages = await asyncio.to_thread(self.catalogue.messages, served, question.turns, to)
        response = await self._answer(request, question, served, {"messages": messages})
        if question.name is not None:
            # A client may send names for reasons of its own: those that choose nothing are no error, but told.
            response.headers[TO_HEADER] = quote(to) if to else "none"
        return response

    async def complete(self, request: Request) -> Response:
        """A raw text completion."""
        question = asking.read_text(asking.parse(await limits.read_body(request)))
        served = await self._find(request, question.model)
        if served.kind in ("memory", "prompted"):
            raise Refusal(
                400, f"{served.id} is a prompt, which raw completions do not have: chat with it", param="model"
            )
        return await self._answer(request, question, served, {"prompt": question.prompt})

    def _card(self, name: str) -> dict[str, Any]:
        """OpenAI's model object, and beside it the registers that the `name` of a message can choose."""
        card = {"id": name, "object": "model", "created": 0, "owned_by": SERVICE}
        registers = self.catalogue.registers(name)
        return {**card, "registers": registers} if registers else card

    async def _engine_answers(self) -> bool:
        try:
            return (await self.upstream.get("/health", timeout=_HEALTH_SECONDS)).status_code == 200
        except httpx.TransportError:
            return False

    def _shown_to(self, request: Request) -> Catalogue:
        """What there is for a caller: one whom a proxy lets in may sit at another machine, wherever we listen ourselves."""
        proxied = any(name in request.headers for name in PROXIED)
        return replace(self.catalogue, needs_consent=True) if proxied else self.catalogue

    async def _find(self, request: Request, model: str) -> Served:
        served = await asyncio.to_thread(self._shown_to(request).find, model, auth.scope(request))
        request.state.watch.is_for(served.persona and served.persona.slug, served.kind)
        return served

    async def _answer(
        self, request: Request, question: asking.Question, served: Served, subject: dict[str, Any]
    ) -> Response:
        watch: metrics.Watch = request.state.watch
        options = self._options(question, served)
        async with AsyncExitStack() as held:
            held.enter_context(self.quotas.bill(request.state.key, {**options, **subject}, watch))
            seat = self.seats.take(request.state.key and request.state.key.id)
            await relay.unless_gone(request, held.enter_async_context(seat))
            engine, name = await self._engine_for(served, held)
            payload = {**options, **subject, "model": name, "stream": question.stream}
            asked = self._ask(request, engine, question, payload, held)
            answer, headers = await relay.unless_gone(request, asked)
            headers |= label.headers_of(served)
            watch.status = 200
            signature = relay.Signature(served.id, name, label.field_of(served), question.tells_usage)
            if not question.stream:
                row = await relay.unless_gone(request, relay.whole(answer, signature, watch))
                return JSONResponse(row, headers=headers)
            held.callback(watch.end)
            return relay.Passing(relay.chunks(answer, signature, watch), headers, held.pop_all())

    async def _engine_for(self, served: Served, held: AsyncExitStack) -> tuple[httpx.AsyncClient, str]:
        """Whom to ask, and under which name, kept ready until `held` is closed. Raises Refusal."""
        if served.adapter is None:
            return self.upstream, self.catalogue.base.name
        if self.merged is not None and (own := held.enter_context(self.merged.use(served.adapter))) is not None:
            return own, served.adapter.name
        if self.merged is not None and not self.catalogue.base.adapters:
            raise self.merged.refusal(served.adapter)
        return self.upstream, await held.enter_async_context(self.adapters.use(served.adapter))

    def _options(self, question: asking.Question, served: Served) -> dict[str, Any]:
        """What vLLM is told beside the prompt: the caller's options, the persona's where there are none."""
        options = {**defaults(served.sampling), **question.options}
        stops = options.get("stop", [])
        if stops := [*([stops] if isinstance(stops, str) else stops), *served.sampling.stop]:
            options["stop"] = stops
        if question.stream:
            options["stream_options"] = {"include_usage": True}
        return {key: value for key, value in options.items() if key not in self.catalogue.base.ignored}

    async def _ask(
        self,
        request: Request,
        engine: httpx.AsyncClient,
        question: asking.Question,
        payload: dict[str, Any],
        held: AsyncExitStack,
    ) -> tuple[httpx.Response, dict[str, str]]:
        """vLLM's answer, and headers that say what a chat has lost to be short enough for it. Raises Refusal."""
        path = request.url.path
        if not isinstance(question, asking.Chat):
            return await relay.ask(engine, path, _within(payload, self.fitting.context_tokens), held), {}

        fitted = await self._fit(question, payload)
        try:
            answer = await relay.ask(engine, path, _fitted(payload, fitted), held)
        except Refusal as refusal:
            if refusal.code != CONTEXT_LENGTH:
                raise
            fitted = await self._fit(question, payload, refused=True)
            answer = await relay.ask(engine, path, _fitted(payload, fitted), held)
        if fitted.headers:
            request.state.watch.trimmed()
        return answer, fitted.headers

    async def _fit(self, question: asking.Chat, payload: dict[str, Any], *, refused: bool = False) -> Fitted:
        return await self.fitting.fit(payload["messages"], question.said, payload["max_tokens"], refused=refused)

    def open(self, handler: Handler) -> Handler:
        """`handler` behind the door, its failures told in OpenAI's form, and counted."""

        async def call(request: Request) -> Response:
            watch = request.state.watch = self.metrics.watch()
            response = await self._told(handler, request)
            self.quotas.label(request, response)
            if not isinstance(response, relay.Passing):
                watch.status = response.status_code
                watch.end()
            return response

        return call

    async def _told(self, handler: Handler, request: Request) -> Response:
        try:
            await self.door.check(request)
            self.quotas.count_request(request.state.key)
            return await handler(request)
        except Refusal as refusal:
            return refusal.response()
        except MissingStage as error:
            return Refusal(404, str(error), code="stage_missing", param="model").response()
        except StyleCloneError as error:
            return failed(error.problem).response()
        except Exception as error:
            # Neither the message nor the lines of a traceback: they could quote what somebody wrote.
            _LOGGER.error("%s in %s", type(error).__name__, _place(error))
            return failed().response()


def create_app(
    catalogue: Catalogue, upstream: httpx.AsyncClient, keys: auth.Keys | None, merged: Merged | None = None
) -> Starlette:
    """The endpoint as an ASGI application. `upstream` speaks to vLLM, key included; `keys` None asks for no key;
    `merged` has the personas with an engine of their own.

    `app.state.gateway` is the Gateway, whose `engine_ended()` must be called when vLLM has to be started anew.
    """
    gateway = Gateway(catalogue, upstream, keys, merged)
    routes = [
        Route("/health", gateway.health),
        Route("/ready", gateway.ready),
        Route(openapi.PATH, openapi.show),
        Route("/metrics", gateway.open(gateway.show_metrics)),
        Route("/v1/models", gateway.open(gateway.list_models)),
        Route("/v1/models/{model:path}", gateway.open(gateway.show_model)),
        Route("/v1/chat/completions", gateway.open(gateway.chat), methods=["POST"]),
        Route("/v1/completions", gateway.open(gateway.complete), methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted})
    app.state.gateway = gateway
    return app


def _fitted(payload: dict[str, Any], fitted: Fitted) -> dict[str, Any]:
    return {**_within(payload, fitted.room), "messages": fitted.messages}


def _within(payload: dict[str, Any], room: int) -> dict[str, Any]:
    """The payload with a reply of at most `room` tokens: many clients ask for more than a small model can take."""
    limited: dict[str, Any] = {
        name: min(payload[name], room) for name in ("max_tokens", "min_tokens") if name in payload
    }
    return {**payload, **limited}


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Refusal(status, f"{request.method} {request.url.path} is not served here", code="unknown_url").response()


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "an unknown place"
