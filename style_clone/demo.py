"""The whole job on the sample corpus: writing -> messages -> pairs -> adapter -> scorecard -> endpoint -> page.

Every stage that is up to date is skipped, so a second demo starts in the time vLLM needs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from style_clone import jobs
from style_clone.errors import StorageError
from style_clone.models import DEFAULT_BASE
from style_clone.persona import Persona
from style_clone.progress import Report
from style_clone.settings import Settings
from style_clone.workspace import PersonaFolder, read_json

PERSONA = "nell"
AUTHOR = "Nell Quayle"
QUESTION = "are you coming to the plot later? the courgettes have gone mad again"
CORPUS = Path(__file__).resolve().parent.parent / "corpus" / PERSONA
_POLL_SECONDS = 0.3


@dataclass
class Clock:
    """Seconds each stage took, in the order they ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the block as `stage`."""
        began = time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - began


def make_ready(settings: Settings, clock: Clock, report: Report) -> PersonaFolder:
    """Bring the sample persona up to date: base model, messages, pairs, adapter, scorecard."""
    from style_clone.models import resolve

    with clock("base model"):
        resolve(DEFAULT_BASE, settings.workspace, report)
    with clock("ingest and pairs"):
        folder = _read_corpus(settings, report)
    with clock("train and evaluate"):
        _train(settings, folder, report)
    return folder


def _read_corpus(settings: Settings, report: Report) -> PersonaFolder:
    from style_clone.ingest.run import ingest
    from style_clone.pairs.run import is_fresh
    from style_clone.preparation import prepare

    if not CORPUS.is_dir():
        raise StorageError(f"the sample corpus is not at {CORPUS}", mend="Run the demo from a clone of the project.")
    folder = settings.workspace.folder(PERSONA)
    ingest(folder, [CORPUS], [AUTHOR], report=report)
    if (persona := Persona.load(folder)).consent is None:
        persona.with_consent(f"{AUTHOR} is an invented person", date.today()).save(folder)
    if not is_fresh(folder):
        prepare(folder, report=report)
    return folder


def _train(settings: Settings, folder: PersonaFolder, report: Report) -> None:
    """Train in a process of its own, so that its memory is free again when vLLM starts."""
    from style_clone.evaluate.run import is_fresh as is_measured
    from style_clone.train.artifact import is_fresh as is_trained

    if is_measured(folder):
        return
    # A demo stopped between the two has an adapter already, and no scorecard of it.
    command = ["evaluate", PERSONA, "--quick"] if is_trained(folder) else ["train", PERSONA]
    job = jobs.start(settings.workspace, folder, [*command, "--json"])
    try:
        told = 0
        while job.state() == "running":
            for event in (events := job.events())[told:]:
                report(event)
            told = len(events)
            time.sleep(_POLL_SECONDS)
        job.result()
    except BaseException:
        job.cancel()
        raise


def ask_everyone(url: str, key: str | None, models: list[str]) -> dict[str, dict[str, Any]]:
    """Put QUESTION to each model through the endpoint, one after the other, as any OpenAI client would.

    Answers the reply, `first_token_seconds`, and `tokens_per_second` after the first token.
    """
    from openai import OpenAI

    with OpenAI(base_url=f"{url}/v1", api_key=key or "none") as client:
        # The first request to a model loads its adapter and fills its prompt's cache; what a user feels is the second.
        return {model: [_ask(client, model) for _ in range(2)][-1] for model in models}


def _ask(client: Any, model: str) -> dict[str, Any]:
    began = time.monotonic()
    first, pieces, usage = 0.0, [], None
    for chunk in client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
        seed=0,
    ):
        usage = chunk.usage or usage
        piece = chunk.choices[0].delta.content if chunk.choices else None
        if piece:
            first = first or time.monotonic() - began
            pieces.append(piece)
    ended = time.monotonic() - began
    tokens = usage.completion_tokens if usage else len(pieces)
    speed = (tokens - 1) / (ended - first) if tokens > 1 and ended > first else 0.0
    return {"reply": "".join(pieces), "first_token_seconds": first, "tokens_per_second": speed}


def numbers(folder: PersonaFolder, clock: Clock, replies: dict[str, dict[str, Any]], peak_bytes: int) -> dict[str, Any]:
    """What `demo --check --json` prints."""
    run, scorecard = read_json(folder.adapter / "run.json"), read_json(folder.scorecard)
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "seconds": {**clock.seconds, "total": sum(clock.seconds.values())},
        "trained_tokens": run["num_train_tokens"],
        "trained_tokens_per_second": run["tokens_per_second"],
        "train_peak_memory_bytes": run["peak_memory_bytes"],
        "bits_per_byte": scorecard["bits_per_byte"],
        "clone_minus_prompted": scorecard["clone_minus_prompted"],
        "question": QUESTION,
        "models": replies,
        "peak_memory_bytes": peak_bytes,
    }


class MemoryWatch:
    """The most memory this process and its children held together, in bytes, looked at every half second.

    Pages that processes share are counted once each time, so it errs on the large side.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.5):
            self.peak_bytes = max(self.peak_bytes, sum(map(_resident, [me, *me.children(recursive=True)])))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
