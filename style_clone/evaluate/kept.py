"""replies.jsonl: what every candidate answered to the test prompts, kept for blind votes and for whoever wants to read it.

The first line says what the replies are of: `{"adapter_sha256", "test_sha256", "prompted": candidate id, "samples"}`. Each
line after it is a test prompt: `{"id", "conversation", "prompt": [turn, ...], "real", "replies": {candidate: [text, ...]}}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from style_clone.conversation import Turn, read_lines, write_lines
from style_clone.errors import MissingStage, StorageError
from style_clone.workspace import PersonaFolder, atomic_file, file_hash

CLONE = "clone"
PLAIN = "plain"
REAL = "real"
"""In the place of a candidate's id: what the author wrote."""


@dataclass(frozen=True, slots=True)
class KeptPrompt:
    """One test prompt with the author's own reply and, by candidate id, each candidate's samples.

    `id` and `conversation` are the pair's; `prompt` are its turns before the reply.
    """

    id: str
    conversation: str
    prompt: tuple[Turn, ...]
    real: str
    replies: Mapping[str, tuple[str, ...]]

    @property
    def key(self) -> str:
        """What tells this prompt from every other, as `Pair.key` does."""
        return f"{self.conversation}#{self.id}"

    def to_json(self) -> dict[str, Any]:
        """The prompt's line."""
        return {
            "id": self.id,
            "conversation": self.conversation,
            "prompt": list(self.prompt),
            "real": self.real,
            "replies": {name: list(texts) for name, texts in self.replies.items()},
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> KeptPrompt:
        """The inverse of `to_json`. Raises KeyError and the like for anything else."""
        replies = {name: tuple(texts) for name, texts in row["replies"].items()}
        return cls(row["id"], row["conversation"], tuple(row["prompt"]), row["real"], replies)


@dataclass(frozen=True)
class KeptReplies:
    """The whole file: hashes of the adapter's weights and of test.jsonl, the id of the best prompted candidate as DEV chose
    it, samples for each prompt, and the prompts."""

    adapter_sha256: str
    test_sha256: str
    prompted: str
    samples: int
    prompts: tuple[KeptPrompt, ...]

    def write(self, folder: PersonaFolder) -> None:
        """Replace the persona's replies.jsonl, all or nothing. Raises StorageError."""
        with atomic_file(folder.replies) as file:
            write_lines(file, self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        names = ("adapter_sha256", "test_sha256", "prompted", "samples")
        yield {name: getattr(self, name) for name in names}
        yield from (prompt.to_json() for prompt in self.prompts)

    @classmethod
    def read(cls, folder: PersonaFolder) -> KeptReplies:
        """The persona's replies.jsonl. Raises MissingStage where there is none, StorageError where it is damaged."""
        _check(folder)
        try:
            header, *rows = read_lines(folder.replies)
            said = (header["adapter_sha256"], header["test_sha256"], header["prompted"], header["samples"])
            return cls(*said, tuple(map(KeptPrompt.from_json, rows)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StorageError(
                f"{folder.replies} is damaged", mend=f"Measure again: style-clone evaluate {folder.slug}"
            ) from error


def replies_hash(folder: PersonaFolder) -> str:
    """SHA-256 of replies.jsonl. Raises MissingStage where there is none."""
    _check(folder)
    return file_hash(folder.replies)


def _check(folder: PersonaFolder) -> None:
    if not folder.replies.exists():
        raise MissingStage(
            f"{folder.slug} has no replies to vote on yet", mend=f"Make them: style-clone evaluate {folder.slug}"
        )
