"""The story of pairs: read messages, cut conversations, draft pairs, split them, save them with an account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from style_clone.conversation import SPLITS, Message, Split, read_messages, write_lines
from style_clone.errors import AuthorNotFound, MissingStage, TooFewPairs
from style_clone.pairs.drafts import Ledger
from style_clone.pairs.split import Drafts, split
from style_clone.pairs.summary import MIN_PAIRS, PairsSummary, SplitSummary, notes_on
from style_clone.pairs.threads import gather
from style_clone.pairs.units import units_of
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.workspace import PersonaFolder, atomic_folder, file_hash, read_json, write_json

RULES = 2
"""Raised whenever the rules here change, so that pairs made by older rules are known as stale."""

SUMMARY = "summary.json"


def build(folder: PersonaFolder, *, seed: int = 0, report: Report = silent) -> PairsSummary:
    """Write pairs/ from messages.jsonl, all or nothing.

    Raises MissingStage without messages, AuthorNotFound where no message is the author's, TooFewPairs under 20 usable
    pairs, StorageError where it cannot be saved.
    """
    persona = Persona.load(_ingested(folder))
    known: dict[str, bool] = {}
    ledger = Ledger()
    report(Event("pairs", "reading messages"))
    threads = gather(_counted(read_messages(folder.messages), persona, known, ledger), known.__getitem__, ledger)
    _check_author(persona, known)
    drafts = split(units_of(threads, known.__getitem__, ledger, report), seed, ledger)
    summary = _summary(folder, persona, ledger, drafts, seed)
    if summary.pairs < MIN_PAIRS:
        raise _too_few(summary)
    _save(folder.pairs, drafts, summary)
    report(Event("pairs", f"{summary.pairs:,} pairs", 1, 1))
    return summary


def load_summary(folder: PersonaFolder) -> PairsSummary:
    """What `build` reported last. Raises MissingStage where it has not run."""
    path = folder.pairs / SUMMARY
    if not path.exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them with: style-clone pairs {folder.slug}")
    return PairsSummary.from_json(read_json(path))


def is_fresh(folder: PersonaFolder) -> bool:
    """Whether there are pairs, made by today's rules from the messages and the author's names as they are now."""
    if not (folder.pairs / SUMMARY).exists() or not folder.messages.exists():
        return False
    row = read_json(folder.pairs / SUMMARY)
    made_from = row.get("rules"), tuple(row.get("aliases", ())), row.get("messages_sha256")
    return made_from == (RULES, Persona.load(folder).aliases, file_hash(folder.messages))


def _ingested(folder: PersonaFolder) -> PersonaFolder:
    if not folder.messages.exists() or not folder.persona.exists():
        raise MissingStage(
            f"{folder.slug} has no messages yet",
            mend=f'Read some with: style-clone ingest {folder.slug} PATH... --me "Your Name"',
        )
    return folder


def _counted(
    messages: Iterable[Message], persona: Persona, known: dict[str, bool], ledger: Ledger
) -> Iterator[Message]:
    """The messages as they come, with each new name compared with the author's once."""
    for message in messages:
        if message.author not in known:
            known[message.author] = persona.is_author(message.author)
        ledger.messages += 1
        yield message


def _check_author(persona: Persona, known: dict[str, bool]) -> None:
    if not any(known.values()):
        others = ", ".join(sorted(known)[:10]) or "nobody"
        raise AuthorNotFound(
            f"no message is by {' or '.join(persona.aliases)} (there are messages by {others})",
            mend="Ingest again with --me and one of these names.",
        )


def _summary(folder: PersonaFolder, persona: Persona, ledger: Ledger, drafts: Drafts, seed: int) -> PairsSummary:
    used, dropped = ledger.close(draft for name in SPLITS for draft in drafts[name])
    splits: dict[Split, SplitSummary] = {
        name: SplitSummary.of([draft.pair for draft in drafts[name]]) for name in SPLITS
    }
    return PairsSummary(
        author=persona.author,
        aliases=persona.aliases,
        messages_sha256=file_hash(folder.messages),
        seed=seed,
        rules=RULES,
        messages=ledger.messages,
        author_messages=len(ledger.author),
        used_messages=used,
        dropped=dropped,
        ignored=dict(ledger.ignored),
        mended=dict(ledger.mended),
        conversations=sum(part.conversations for part in splits.values()),
        splits=splits,
        notes=notes_on(splits),
    )


def _too_few(summary: PairsSummary) -> TooFewPairs:
    lost = "; ".join(f"{count} {reason}" for reason, count in summary.dropped.items())
    return TooFewPairs(
        f"{summary.pairs} usable pairs of {summary.author}'s writing; training needs {MIN_PAIRS} at the least"
        + (f" (messages left out: {lost})" if lost else ""),
        mend="Ingest more of their writing, or use a prompt instead: describe how they write and give five examples.",
    )


def _save(path: Path, drafts: Drafts, summary: PairsSummary) -> None:
    with atomic_folder(path) as temporary:
        for name in SPLITS:
            with (temporary / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                write_lines(file, (draft.pair.to_json() for draft in drafts[name]))
        write_json(temporary / SUMMARY, summary.to_json())
