"""One question, several models, all answering at once; each keeps its own side of the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from style_clone.client import Address, connect, list_models, personas, stream_reply
from style_clone.conversation import Turn
from style_clone.errors import StyleCloneError
from style_clone.register import Registers

WAITING = "…"
BATCH_SECONDS = 0.05


@dataclass(frozen=True)
class Side:
    """One column of the page: the turns so far, what went wrong last, if anything, and whose clone it talks to."""

    turns: tuple[Turn, ...] = ()
    problem: str = ""
    persona: str = ""

    def facing(self, persona: str) -> Side:
        """This conversation where it is with `persona`, else a new one: nobody goes on with somebody else's."""
        return self if self.persona == persona else Side(persona=persona)

    def asked(self, text: str) -> Side:
        """With a question, and an answer that is still empty."""
        turns: tuple[Turn, ...] = ({"role": "user", "content": text}, {"role": "assistant", "content": ""})
        return replace(self, turns=(*self.turns, *turns), problem="")

    def hearing(self, piece: str) -> Side:
        """With another piece of the answer."""
        reply = self.turns[-1]["content"] + piece
        return replace(self, turns=(*self.turns[:-1], {"role": "assistant", "content": reply}))

    def settled(self, problem: str = "") -> Side:
        """With no answer left waiting."""
        empty = bool(self.turns) and self.turns[-1]["role"] == "assistant" and not self.turns[-1]["content"].strip()
        return replace(self, turns=self.turns[:-1] if empty else self.turns, problem=problem)

    def history(self) -> list[Turn]:
        """What the model is sent: an earlier question that got no answer is left out."""
        turns = [turn for turn in self.turns if turn["content"]]
        following = [*turns[1:], None]
        return [
            turn
            for turn, after in zip(turns, following, strict=True)
            if turn["role"] == "assistant" or after is None or after["role"] == "assistant"
        ]


@dataclass(frozen=True)
class _Piece:
    """Something one side's reader has to say. `text` is None when it has finished."""

    side: int
    text: str | None
    problem: str = ""


async def converse(
    address: Address, models: Sequence[str], text: str, sides: Sequence[Side], to: str | None = None
) -> AsyncIterator[list[Side]]:
    """The sides as they grow, until every model has finished; an error of one does not stop the others.

    `to` is the contact the models write to, where one of the persona's registers is chosen.
    """
    now = [side.asked(text) for side in sides]
    yield list(now)
    pieces: asyncio.Queue[_Piece] = asyncio.Queue()
    readers = [
        asyncio.create_task(_read(address, model, side.history(), to, number, pieces))
        for number, (model, side) in enumerate(zip(models, now, strict=True))
    ]
    waiting = len(readers)
    try:
        while waiting:
            for piece in await _batch(pieces):
                now[piece.side] = _grown(now[piece.side], piece)
                waiting -= piece.text is None
            yield list(now)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


def bubbles(side: Side) -> list[Turn]:
    """What the column shows: every line of a reply is a bubble of its own, as its author would have sent it."""
    shown: list[Turn] = []
    for turn in side.turns:
        if turn["role"] == "assistant":
            lines = [line for line in turn["content"].split("\n") if line.strip()] or [WAITING]
            shown.extend({"role": "assistant", "content": line} for line in lines)
        else:
            shown.append(turn)
    return shown


async def find_personas(address: Address) -> dict[str, Registers]:
    """The clones the endpoint serves at this moment, each with its registers. Raises ServingError."""
    async with connect(address) as client:
        models = await list_models(client)
    return {slug: models[slug] for slug in personas(models)}


async def _batch(pieces: asyncio.Queue[_Piece]) -> list[_Piece]:
    """Everything that has come since last time, some twenty times a second at most, so that a slow page never falls
    behind and a click on it is heard between two of them."""
    batch = [await pieces.get()]
    await asyncio.sleep(BATCH_SECONDS)
    while not pieces.empty():
        batch.append(pieces.get_nowait())
    return batch


def _grown(side: Side, piece: _Piece) -> Side:
    if piece.text is not None:
        return side.hearing(piece.text)
    settled = side.settled(piece.problem)
    silent = len(settled.turns) < len(side.turns) and not piece.problem
    return replace(settled, problem="It had nothing to say to that.") if silent else settled


async def _read(
    address: Address, model: str, history: list[Turn], to: str | None, side: int, pieces: asyncio.Queue[_Piece]
) -> None:
    problem = "The reply broke off. Ask again."
    try:
        async with connect(address) as client:
            async for text in stream_reply(client, model, history, to):
                pieces.put_nowait(_Piece(side, text))
        problem = ""
    except StyleCloneError as error:
        problem = str(error)
    finally:
        pieces.put_nowait(_Piece(side, None, problem))
