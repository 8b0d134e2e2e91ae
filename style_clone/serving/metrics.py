"""What Prometheus may know: counts, seconds and tokens by persona and kind of model. No content, no contact, no key.

A request is counted under the persona it was answered as, and under `unknown` until one is found: whatever a client writes
as its model makes no label. A persona that is deleted takes its figures along.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

UNKNOWN = "unknown"
NOBODY = "none"
"""The persona of what the plain base model answers."""
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2)
_RATES = (5, 10, 20, 30, 40, 60, 80, 120, 200, 400)
_WHO = ("persona", "kind")


class Metrics:
    """One endpoint's figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered", *_WHO, "status")
        self.first = self._histogram("first_token_seconds", "From a streamed request to the first word of its reply")
        self.whole = self._histogram("request_seconds", "From a request to the end of its reply")
        self.rate = self._histogram(
            "reply_tokens_per_second", "Tokens a second of a streamed reply, after its first", buckets=_RATES
        )
        self.tokens = self._counter("tokens", "Tokens read (prompt) and written (completion)", *_WHO, "type")
        self.trimmed = self._counter("trimmed_chats", "Chats that were too long and lost their oldest turns", *_WHO)
        self.in_flight = self._gauge("requests_in_flight", "Requests being answered")
        self.waiting = self._gauge("requests_waiting", "Requests that wait for a free seat")
        self.loads = self._counter("adapter_loads", "Adapters vLLM was asked to load", "persona", "result")
        self.evictions = self._counter("adapter_evictions", "Adapters taken out of vLLM", "persona", "reason")
        self.loaded = self._gauge("adapters_loaded", "Adapters in vLLM")
        self.engine_up = self._gauge("engine_up", "Whether vLLM answers")
        self.restarts = self._counter("engine_restarts", "How often vLLM ended and was started again")
        self._by_persona = (
            *(self.requests, self.first, self.whole, self.rate, self.tokens, self.trimmed),
            *(self.loads, self.evictions),
        )
        self._personas: set[str] = set()

    def watch(self) -> Watch:
        """Begin to measure one request."""
        self.in_flight.inc()
        return Watch(self)

    def note(self, persona: str) -> None:
        """A persona is about to have figures."""
        self._personas.add(persona)

    def keep(self, living: set[str]) -> None:
        """Drop the figures of personas that are no longer there."""
        for persona in self._personas - living - {UNKNOWN, NOBODY}:
            self._personas.discard(persona)
            for metric in self._by_persona:
                metric.remove_by_labels({"persona": persona})

    def text(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"style_clone_{name}", what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"style_clone_{name}", what, registry=self._registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
        return Histogram(f"style_clone_{name}", what, _WHO, buckets=buckets, registry=self._registry)


class Watch:
    """One request: set `status` as it becomes known, and who answers with `is_for`; `end()` counts it, once.

    `prompt_tokens` and `completion_tokens` are vLLM's own counts, 0 until it has told them.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.persona = UNKNOWN
        self.kind = UNKNOWN
        self.status = 500
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._metrics = metrics
        self._began = time.perf_counter()
        self._spoke = 0.0
        self._ended = False

    def is_for(self, persona: str | None, kind: str) -> None:
        """Who answers: a persona that is there, or None for the plain base model."""
        self.persona, self.kind = persona or NOBODY, kind
        self._metrics.note(self.persona)

    @property
    def has_spoken(self) -> bool:
        """Whether the first word of a streamed reply has come."""
        return self._spoke > 0

    @property
    def tokens(self) -> int:
        """Those of prompt and reply, 0 until vLLM has told them."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def broke_off(self) -> bool:
        """Whether vLLM failed, or went away, while it wrote."""
        return self.status >= 500

    def first_token(self) -> None:
        """The first word of a streamed reply has come."""
        if not self._spoke:
            self._spoke = time.perf_counter()
            self._metrics.first.labels(*self._who).observe(self._spoke - self._began)

    def trimmed(self) -> None:
        """The chat was too long."""
        self._metrics.trimmed.labels(*self._who).inc()

    def used(self, usage: Mapping[str, Any]) -> None:
        """OpenAI's `usage`, told once the reply is whole."""
        self.prompt_tokens = int(usage.get("prompt_tokens") or 0)
        self.completion_tokens = int(usage.get("completion_tokens") or 0)
        if self._spoke and self.completion_tokens > 1:
            seconds = max(time.perf_counter() - self._spoke, 1e-6)
            self._metrics.rate.labels(*self._who).observe((self.completion_tokens - 1) / seconds)

    def end(self) -> None:
        """The request is over."""
        if self._ended:
            return
        self._ended = True
        metrics = self._metrics
        metrics.in_flight.dec()
        metrics.requests.labels(*self._who, str(self.status)).inc()
        metrics.whole.labels(*self._who).observe(time.perf_counter() - self._began)
        for kind, count in {"prompt": self.prompt_tokens, "completion": self.completion_tokens}.items():
            if count:
                metrics.tokens.labels(*self._who, kind).inc(count)

    @property
    def _who(self) -> tuple[str, str]:
        return self.persona, self.kind
