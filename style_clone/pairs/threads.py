"""Messages -> threads -> conversations: sorted in time, cut at silence, never across threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from style_clone.conversation import Conversation, Message
from style_clone.pairs.drafts import Ledger, MessageKey, key_of
from style_clone.pairs.filters import reason_to_drop, tidy

GAP_SECONDS = 3 * 3600
Threads = dict[str, list[Message]]
IsAuthor = Callable[[str], bool]


def gather(messages: Iterable[Message], is_author: IsAuthor, ledger: Ledger) -> Threads:
    """Usable messages by thread, texts tidied, in time order; what is left out goes into the ledger."""
    threads: Threads = {}
    seen: set[MessageKey] = set()
    for message in messages:
        kept = _usable(message, is_author(message.author), seen, ledger)
        if kept is not None:
            threads.setdefault(message.thread, []).append(kept)
    return {thread: in_order(held) for thread, held in threads.items()}


def _usable(message: Message, by_author: bool, seen: set[MessageKey], ledger: Ledger) -> Message | None:
    key = key_of(message)
    if key in seen:
        ledger.ignored["the same message again"] += 1
        return None
    seen.add(key)
    message = replace(message, text=tidy(message.text))
    reason = reason_to_drop(message)
    if by_author:
        ledger.author.add(key)
        if reason is not None:
            ledger.drop([key], reason)
            return None
    elif reason not in (None, "only a link"):  # a link of somebody else's may be what the author answers
        ledger.ignored[str(reason)] += 1
        return None
    return message


def in_order(messages: list[Message]) -> list[Message]:
    """By time where every message has one (equal times keep the source's order), else as the source has them."""
    if any(message.date is None for message in messages):
        return messages
    return sorted(messages, key=lambda message: moment(message.date))


def conversations(thread: str, messages: list[Message], gap_seconds: float = GAP_SECONDS) -> Iterator[Conversation]:
    """A thread cut wherever nobody wrote for `gap_seconds` or more. Messages without dates cut nothing."""
    held: list[Message] = []
    for message in messages:
        if held and seconds_between(held[-1], message) >= gap_seconds:
            yield _named(thread, held)
            held = []
        held.append(message)
    if held:
        yield _named(thread, held)


def seconds_between(earlier: Message, later: Message) -> float:
    """Silence between two messages, over days and zones; 0 where a date is missing."""
    if earlier.date is None or later.date is None:
        return 0.0
    return (moment(later.date) - moment(earlier.date)).total_seconds()


def moment(date: datetime | None) -> datetime:
    """A date that compares with any other: zones to UTC, local times as they stand, none before all others."""
    if date is None:
        return datetime.min
    return date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date


def _named(thread: str, messages: list[Message]) -> Conversation:
    """Named by when it began, so that a name stays the same when messages are added to the thread's ends."""
    date = messages[0].date
    return Conversation(id=f"{thread}@{date.isoformat()}" if date else thread, messages=tuple(messages))
