"""What Prometheus may know: counts and seconds by kind of model. No content, no persona's name."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """One endpoint's figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "style_clone_requests", "Requests answered", ["kind", "status"], registry=self._registry
        )
        self._first = Histogram(
            "style_clone_first_token_seconds",
            "From a streamed request to the first word of its reply",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._whole = Histogram(
            "style_clone_request_seconds",
            "From a request to the end of its reply",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._in_flight = Gauge("style_clone_requests_in_flight", "Requests being answered", registry=self._registry)

    def watch(self) -> Watch:
        """Begin to measure one request."""
        self._in_flight.inc()
        return Watch(self)

    def text(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self._registry)


class Watch:
    """One request: set `kind` and `status` as they become known; `end()` counts it, once."""

    def __init__(self, metrics: Metrics) -> None:
        self.kind = "unknown"
        self.status = 500
        self._metrics = metrics
        self._began = time.perf_counter()
        self._spoke = False
        self._ended = False

    def first_token(self) -> None:
        """The first word of a streamed reply has come."""
        if not self._spoke:
            self._spoke = True
            self._metrics._first.labels(self.kind).observe(time.perf_counter() - self._began)

    def end(self) -> None:
        """The request is over."""
        if self._ended:
            return
        self._ended = True
        self._metrics._in_flight.dec()
        self._metrics._requests.labels(self.kind, str(self.status)).inc()
        self._metrics._whole.labels(self.kind).observe(time.perf_counter() - self._began)
