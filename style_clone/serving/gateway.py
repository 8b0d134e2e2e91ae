"""The endpoint: OpenAI's wire format in front of vLLM.

A raw text completion (`/v1/completions`) has no prompt of ours around it: the base's id runs the base model, a persona's id
its adapter, and @memory and @prompted, which are nothing but prompts, are refused there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from style_clone.errors import MissingStage, StyleCloneError
from style_clone.serving import asking, auth, limits, metrics, relay
from style_clone.serving.adapters import Adapters
from style_clone.serving.catalogue import Catalogue, Served, defaults
from style_clone.serving.merged import Merged
from style_clone.serving.quotas import Quotas
from style_clone.serving.refusal import Refusal, failed, unavailable

SERVICE = "style-clone"
TO_HEADER = "x-style-clone-to"
"""Of an answer to a message with a name: the label of the register it chose, in percent encoding, or "none"."""
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
        self.adapters = Adapters(upstream)
        self.merged = merged
        self.metrics = metrics.Metrics()
        self.seats = limits.Seats()
        self.door = auth.Door(keys)
        self.quotas = Quotas(None if keys is None else keys.count_tokens)

    async def health(self, request: Request) -> Response:
        """Whether vLLM answers; open to all, so it says nothing else."""
        try:
            good = (await self.upstream.get("/health", timeout=_HEALTH_SECONDS)).status_code == 200
        except httpx.TransportError:
            good = False
        headers = {} if good else unavailable().headers
        body = {"service": SERVICE, "status": "ok" if good else "engine unavailable"}
        return JSONResponse(body, status_code=200 if good else 503, headers=headers)

    async def show_metrics(self, request: Request) -> Response:
        """Prometheus's figures; behind the key like all else, which Prometheus can be given."""
        auth.require_all(request)
        return Response(self.metrics.text(), media_type=metrics.CONTENT_TYPE)

    async def list_models(self, request: Request) -> Response:
        """Every model id the caller may use."""
        ids = await asyncio.to_thread(self.catalogue.ids)
        await self.adapters.drop({name.partition("@")[0] for name in ids})
        cards = await asyncio.to_thread(lambda: [self._card(name) for name in self.catalogue.ids(auth.scope(request))])
        return JSONResponse({"object": "list", "data": cards})

    async def show_model(self, request: Request) -> Response:
        """One model id."""
        served = await self._find(request, request.path_params["model"])
        return JSONResponse(await asyncio.to_thread(self._card, served.id))

    async def chat(self, request: Request) -> Response:
        """A chat completion."""
        question = asking.read_chat(asking.parse(await limits.read_body(request)))
        served = await self._find(request, question.model)
        request.state.watch.kind = served.kind
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
        request.state.watch.kind = served.kind
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

    async def _find(self, request: Request, model: str) -> Served:
        return await asyncio.to_thread(self.catalogue.find, model, auth.scope(request))

    async def _answer(
        self, request: Request, question: asking.Question, served: Served, subject: dict[str, Any]
    ) -> Response:
        watch: metrics.Watch = request.state.watch
        options = {**defaults(served.sampling), **question.options}
        kept = {key: value for key, value in options.items() if key not in self.catalogue.base.ignored}
        async with AsyncExitStack() as held:
            bill = held.enter_context(self.quotas.bill(request.state.key, {**kept, **subject}))
            seat = self.seats.take(request.state.key and request.state.key.id)
            await relay.unless_gone(request, held.enter_async_context(seat))
            engine, name = await self._engine_for(served, held)
            payload = {**kept, **bill.asking(question), **subject, "model": name, "stream": question.stream}
            answer = await relay.unless_gone(request, relay.ask(engine, request.url.path, payload, held))
            watch.status = 200
            if not question.stream:
                row = await relay.unless_gone(request, relay.whole(answer, served.id))
                bill.read(row)
                return JSONResponse(row)
            held.callback(watch.end)
            return relay.Passing(bill.counted(relay.chunks(answer, served.id, watch)), held.pop_all())

    async def _engine_for(self, served: Served, held: AsyncExitStack) -> tuple[httpx.AsyncClient, str]:
        """Whom to ask, and under which name, kept ready until `held` is closed. Raises Refusal."""
        if served.adapter is None:
            return self.upstream, self.catalogue.base.name
        if self.merged is not None and (own := held.enter_context(self.merged.use(served.adapter))) is not None:
            return own, served.adapter.name
        return self.upstream, await held.enter_async_context(self.adapters.use(served.adapter))

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

    `app.state.gateway` is the Gateway, whose `adapters.forget()` must be called when vLLM has been started anew.
    """
    gateway = Gateway(catalogue, upstream, keys, merged)
    routes = [
        Route("/health", gateway.health),
        Route("/metrics", gateway.open(gateway.show_metrics)),
        Route("/v1/models", gateway.open(gateway.list_models)),
        Route("/v1/models/{model:path}", gateway.open(gateway.show_model)),
        Route("/v1/chat/completions", gateway.open(gateway.chat), methods=["POST"]),
        Route("/v1/completions", gateway.open(gateway.complete), methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted})
    app.state.gateway = gateway
    return app


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Refusal(status, f"{request.method} {request.url.path} is not served here", code="unknown_url").response()


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "an unknown place"
