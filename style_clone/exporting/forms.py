"""One form of export each: how a pair becomes a row, how rows become a file, and what else lies in the folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from style_clone.conversation import Pair, Split, Turn, write_lines

Row = dict[str, Any]

VALIDATION = "validation"
"""What other tools call the dev split."""


class Form(Protocol):
    """One format. `files` names a file for each split that travels; the splits it does not name stay at home."""

    files: ClassVar[Mapping[Split, str]]

    def row(self, messages: Sequence[Turn], pair: Pair) -> Row:
        """A pair, given as the chat messages it is trained as: system, turns in alternation, the reply."""
        ...

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """Write one split's rows, one at a time; returns how many."""
        ...

    def more(self, slug: str, counts: Mapping[Split, int]) -> dict[str, str]:
        """Names and texts of what else the folder holds; `counts` are rows by split, only of splits that have a file."""
        ...

    def use(self, slug: str, out: Path) -> str:
        """How another tool takes it, in a line or two for the terminal."""
        ...


class OpenAi:
    """OpenAI's fine-tuning format: JSON Lines of `{"messages": [...]}`.

    OpenAI trains on every assistant turn but those of `"weight": 0`. Here only the reply is trained on, the last turn, so
    the author's earlier turns weigh nothing. (OpenAI's guide to supervised fine-tuning, multi-turn chat examples.)
    """

    files: ClassVar[Mapping[Split, str]] = {"train": "train.jsonl", "dev": f"{VALIDATION}.jsonl"}

    def row(self, messages: Sequence[Turn], pair: Pair) -> Row:
        """Turns as they are; each of the author's says whether it is trained on."""
        last = len(messages) - 1
        return {
            "messages": [
                {**turn, "weight": int(at == last)} if turn["role"] == "assistant" else turn
                for at, turn in enumerate(messages)
            ]
        }

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """JSON Lines."""
        with path.open("w", encoding="utf-8") as file:
            return write_lines(file, rows)

    def more(self, slug: str, counts: Mapping[Split, int]) -> dict[str, str]:
        """Nothing."""
        return {}

    def use(self, slug: str, out: Path) -> str:
        """The two files of a fine-tuning job."""
        return (
            "Upload train.jsonl as training_file and validation.jsonl as validation_file of a fine-tuning job.\n"
            "An upload gives other people's messages to a company: ask them first."
        )


class _LlamaFactory:
    """What LLaMA-Factory's two formats share: a JSON array a split, and dataset_info.json, which names the columns.

    A column dataset_info.json leaves out counts as absent there, defaults included, so every one used is named.
    """

    files: ClassVar[Mapping[Split, str]] = {"train": "train.json", "dev": f"{VALIDATION}.json"}
    description: ClassVar[Mapping[str, Any]]

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """A JSON array, one row a line."""
        count = 0
        with path.open("w", encoding="utf-8") as file:
            file.write("[")
            for row in rows:
                file.write(",\n" if count else "\n")
                file.write(json.dumps(row, ensure_ascii=False))
                count += 1
            file.write("\n]\n")
        return count

    def more(self, slug: str, counts: Mapping[Split, int]) -> dict[str, str]:
        """dataset_info.json, which describes both files."""
        info = {
            f"{slug}_{Path(self.files[name]).stem}": {"file_name": self.files[name], **self.description}
            for name in counts
        }
        return {"dataset_info.json": json.dumps(info, indent=2) + "\n"}

    def use(self, slug: str, out: Path) -> str:
        """The keys of a LLaMA-Factory recipe."""
        return (
            f"LLaMA-Factory: dataset_dir: {out}, dataset: {slug}_train, eval_dataset: {slug}_{VALIDATION},\n"
            "mask_history: true (loss on the last turn only, as style-clone trains)."
        )


class ShareGpt(_LlamaFactory):
    """ShareGPT's format by LLaMA-Factory's schema: human and gpt in alternation, the system prompt in its own column."""

    description: ClassVar[Mapping[str, Any]] = {
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system"},
        "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"},
    }

    def row(self, messages: Sequence[Turn], pair: Pair) -> Row:
        """Odd turns are the human's, even ones the author's."""
        system, turns = apart(messages)
        names = {"user": "human", "assistant": "gpt"}
        said = [{"from": names[turn["role"]], "value": turn["content"]} for turn in turns]
        return {"conversations": said, "system": system}


class Alpaca(_LlamaFactory):
    """Alpaca's format: the last thing said to the author is the instruction, exchanges before it are `history`."""

    description: ClassVar[Mapping[str, Any]] = {
        "formatting": "alpaca",
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "response": "output",
            "system": "system",
            "history": "history",
        },
    }

    def row(self, messages: Sequence[Turn], pair: Pair) -> Row:
        """`input` stays empty: readers would join it to the instruction with a newline."""
        system, turns = apart(messages)
        texts = [turn["content"] for turn in turns]
        earlier = texts[:-2]
        return {
            "instruction": texts[-2],
            "input": "",
            "output": texts[-1],
            "system": system,
            "history": [list(exchange) for exchange in zip(earlier[::2], earlier[1::2], strict=True)],
        }


def apart(messages: Sequence[Turn]) -> tuple[str, Sequence[Turn]]:
    """The system prompt, or "", and the turns after it."""
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"], messages[1:]
    return "", messages
