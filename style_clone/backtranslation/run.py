"""The story of back-translation: ask a model about each text, check its answers, put them down as they come.

Everything goes to backtranslations.jsonl, kept or rejected, so that nothing is asked twice; `style-clone pairs` uses it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from style_clone.backtranslation.asking import Asker, Endpoint, connected
from style_clone.backtranslation.judging import (
    LEAST_PARAPHRASE_SIMILARITY,
    NO_LIKELIER,
    OTHER_MEANING,
    Verdict,
    paraphrases,
    questions,
    related,
)
from style_clone.backtranslation.tasks import Task
from style_clone.backtranslation.wording import ask_for_paraphrase, ask_for_question
from style_clone.embedding import Vectors
from style_clone.progress import Event, Report, silent
from style_clone.workspace import PersonaFolder, storage_errors

AT_ONCE = 32
"""How many texts are worked on at a time, so that vLLM has enough to batch."""
TEMPERATURE = 0.7
PARAPHRASE_TEMPERATURE = 0.3
MAX_ANSWER_TOKENS = 60
EXAMPLES = 3


@dataclass(frozen=True)
class Tools:
    """What the model's answers are judged with (an `Embedder`, a `Likelihood`), and how many there are for each text."""

    embed: Callable[[Sequence[str]], Vectors]
    likelihood: Callable[[Sequence[str], str], list[float]]
    candidates: int = 2


@dataclass
class Account:
    """What became of the texts asked about. `examples` are the first few kept: prompt and text."""

    asked: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, task: Task, verdict: Verdict) -> None:
        """Count one."""
        self.asked += 1
        if verdict.prompt is None:
            self.rejected[verdict.reason] += 1
            return
        self.kept += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((verdict.prompt, task.text))


def backtranslate(
    folder: PersonaFolder, wanted: Sequence[Task], endpoint: Endpoint, tools: Tools, report: Report = silent
) -> Account:
    """Ask about each of `wanted` and append what comes to backtranslations.jsonl.

    Raises ServingError where the endpoint refuses or stays away, StorageError where nothing can be saved; what was done
    until then is kept, as it is when the user interrupts.
    """
    return asyncio.run(_work(folder, wanted, endpoint, tools, report))


async def _work(
    folder: PersonaFolder, wanted: Sequence[Task], endpoint: Endpoint, tools: Tools, report: Report
) -> Account:
    account, began, left = Account(), time.monotonic(), iter(wanted)
    with _appending(folder) as file:
        async with connected(endpoint) as asker:
            judge = Judge(asker, tools)

            async def worker() -> None:
                for task in left:
                    verdict = await judge(task)
                    row = {"sha256": task.sha256, "kind": task.kind, **asdict(verdict), "model": endpoint.model}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()
                    account.add(task, verdict)
                    account.seconds = time.monotonic() - began
                    report(_event(account, len(wanted)))

            await _all(worker() for _ in range(min(AT_ONCE, len(wanted))))
    return account


async def _all(workers: Iterator[Any]) -> None:
    """Run the workers; the first error ends the others and is raised as it is."""
    running = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Judge:
    """Asks about one text and checks what comes. The checks run in a thread, one at a time; requests go on meanwhile."""

    def __init__(self, asker: Asker, tools: Tools) -> None:
        self.asker = asker
        self.tools = tools
        self._checking = asyncio.Lock()

    async def __call__(self, task: Task) -> Verdict:
        """The verdict on what the model says about `task`. Raises ServingError."""
        return await (self._question(task) if task.kind == "prompt" else self._paraphrase(task))

    async def _question(self, task: Task) -> Verdict:
        """Of the candidates that are related to the text, the one after which it is likeliest, if it gains by it."""
        turns = ask_for_question(task.text)
        answers = await self.asker.answers(turns, self.tools.candidates, TEMPERATURE, MAX_ANSWER_TOKENS)
        found, reason = questions(answers, task.text)
        if not found:
            return Verdict(None, reason)
        async with self._checking:
            return await asyncio.to_thread(self._best_question, task, found)

    def _best_question(self, task: Task, found: Sequence[str]) -> Verdict:
        similarities = self._similarities(task.text, found)
        kept, reason = related(similarities)
        if not kept:
            return Verdict(None, reason, max(similarities))
        before, *after = self.tools.likelihood([task.template, *(found[index] for index in kept)], task.text)
        gain, best = max((value - before, index) for value, index in zip(after, kept, strict=True))
        if gain <= 0:
            return Verdict(None, NO_LIKELIER, similarities[best], gain)
        return Verdict(found[best], similarity=similarities[best], gain=gain)

    async def _paraphrase(self, task: Task) -> Verdict:
        """The candidate nearest in meaning, if it is near."""
        turns = ask_for_paraphrase(task.text)
        answers = await self.asker.answers(turns, self.tools.candidates, PARAPHRASE_TEMPERATURE, MAX_ANSWER_TOKENS)
        found, reason = paraphrases(answers, task.text)
        if not found:
            return Verdict(None, reason)
        async with self._checking:
            similarities = await asyncio.to_thread(self._similarities, task.text, found)
        similarity, best = max(zip(similarities, found, strict=True))
        if similarity < LEAST_PARAPHRASE_SIMILARITY:
            return Verdict(None, OTHER_MEANING, similarity)
        return Verdict(best, similarity=similarity)

    def _similarities(self, text: str, candidates: Sequence[str]) -> list[float]:
        vectors = self.tools.embed([text, *candidates])
        similarities: list[float] = (vectors[1:] @ vectors[0]).tolist()
        return similarities


@contextmanager
def _appending(folder: PersonaFolder) -> Iterator[IO[str]]:
    """backtranslations.jsonl, open for more rows; a half line that a crash left is ended first. Raises StorageError."""
    path = folder.backtranslations
    with storage_errors(path):
        torn = path.exists() and not _ends_in_newline(path)
        with path.open("a", encoding="utf-8") as file:
            if torn:
                file.write("\n")
            yield file


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n")


def _event(account: Account, total: int) -> Event:
    figures = {"kept": account.kept, "texts/s": account.asked / max(account.seconds, 1e-9)}
    return Event("backtranslate", "", account.asked, total, figures)
