"""The story of pairs: index the messages, cut conversations, draft replies, share them out, choose, write the pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from style_clone.errors import AuthorNotFound, MissingStage, TooFewPairs
from style_clone.pairs.choosing.choice import Choice, choose
from style_clone.pairs.choosing.remembered import Remembered
from style_clone.pairs.choosing.split import Parts, split
from style_clone.pairs.choosing.table import Table, TableBuilder
from style_clone.pairs.cleaning.boilerplate import Boilerplate
from style_clone.pairs.cleaning.cleaner import Cleaner, Learner
from style_clone.pairs.cleaning.language import LanguageFilter
from style_clone.pairs.edits import Edits
from style_clone.pairs.ledger import Ledger
from style_clone.pairs.options import DEFAULTS, Options
from style_clone.pairs.reading import gaps
from style_clone.pairs.reading.corpus import Corpus, opened
from style_clone.pairs.reading.gaps import Gap
from style_clone.pairs.reading.stretches import Order
from style_clone.pairs.redact import Redactor
from style_clone.pairs.summary import MIN_PAIRS, PairsSummary, notes_on
from style_clone.pairs.units import UnitReader, read_all
from style_clone.pairs.wishes import Wishes
from style_clone.pairs.writing import Writer
from style_clone.persona import Persona
from style_clone.progress import Event, Report, silent
from style_clone.workspace import PersonaFolder, atomic_folder, file_hash, read_json, write_json

RULES = 3
"""Raised whenever the rules here change, so that pairs made by older rules are known as stale."""

SUMMARY = "summary.json"
REMEMBERED = "remembered.npz"
TOLD_EVERY = 10_000


def build(folder: PersonaFolder, *, options: Options = DEFAULTS, report: Report = silent) -> PairsSummary:
    """Write pairs/ from messages.jsonl, all or nothing.

    The messages are read three times and never held: for an index, for the author's words, and for the prompts of the
    pairs that were chosen. Raises MissingStage without messages, AuthorNotFound where no message is the author's,
    TooFewPairs under 20 usable pairs, UsageError for an unknown language, StorageError where it cannot be saved.
    """
    persona, wishes, learner = Persona.load(_ingested(folder)), Wishes.of(folder), Learner()
    with opened(folder.messages, persona.is_author, learner, report) as corpus:
        _check_author(persona, corpus)
        learner.boilerplate.settle()
        work = _Work(folder, persona, wishes, options, report, corpus, learner.boilerplate)
        gap, remembered = work.recall()
        table = work.draft(gap)
        parts = split(table.entries, options.seed, remembered)
        choice = choose(table, parts, options, work.ledger)
        with atomic_folder(folder.pairs) as new:
            summary = work.write(new, parts, choice, gap)
            remembered.save(new / REMEMBERED, parts, options.seed, gap.seconds if gap.learned else None)
    write_json(folder.redactions, summary.redacted)
    report(Event("pairs", f"{summary.pairs:,} pairs", 1, 1))
    return summary


def load_summary(folder: PersonaFolder) -> PairsSummary:
    """What `build` reported last. Raises MissingStage where it has not run."""
    path = folder.pairs / SUMMARY
    if not path.exists():
        raise MissingStage(f"{folder.slug} has no pairs yet", mend=f"Make them with: style-clone pairs {folder.slug}")
    return PairsSummary.from_json(read_json(path))


def is_fresh(folder: PersonaFolder) -> bool:
    """Whether there are pairs, made by today's rules from the messages, names and wishes as they are now."""
    if not (folder.pairs / SUMMARY).exists() or not folder.messages.exists():
        return False
    return bool(read_json(folder.pairs / SUMMARY).get("inputs") == _inputs(folder))


def last_options(folder: PersonaFolder) -> Options:
    """The options the pairs there are were made with; the defaults where there are none, or older ones."""
    path = folder.pairs / SUMMARY
    known = read_json(path).get("options", {}) if path.exists() else {}
    return Options(**known) if known.keys() <= asdict(DEFAULTS).keys() else DEFAULTS


@dataclass
class _Work:
    """What one build works with."""

    folder: PersonaFolder
    persona: Persona
    wishes: Wishes
    options: Options
    report: Report
    corpus: Corpus
    boilerplate: Boilerplate

    def __post_init__(self) -> None:
        self.order = Order.of(self.corpus)
        self.ledger = Ledger(self.corpus.by_author)
        self.language = LanguageFilter(self.options.language) if self.options.language else None

    def recall(self) -> tuple[Gap, Remembered]:
        """The gap: the user's, else as it was learnt at first, so that conversations stay what they were, else learnt now."""
        remembered = Remembered.load(self.folder.pairs / REMEMBERED, self.corpus, self.options.seed)
        learned = gaps.learn(self.order.pauses())
        if self.options.gap_seconds is not None:
            return replace(learned, seconds=self.options.gap_seconds, learned=False), remembered
        if remembered.gap_seconds is not None:
            return replace(learned, seconds=remembered.gap_seconds, learned=True), remembered
        return learned, remembered

    def reader(self, redactor: Redactor) -> UnitReader:
        """What reads units, masking with `redactor`."""
        clean = Cleaner(self.corpus, self.boilerplate, redactor, self.language, self.ledger)
        return UnitReader(self.corpus, self.persona.is_author, clean, self.wishes)

    def redactor(self) -> Redactor:
        """A redactor that has counted nothing yet."""
        return Redactor(self.wishes.policy, self.corpus.people, self.persona.aliases)

    def draft(self, gap: Gap) -> Table:
        """Every draft there is."""
        builder, written, total = TableBuilder(self.options.seed), self.wishes.written, len(self.order.rows)
        done = told = 0
        for stretch, unit in read_all(self.reader(self.redactor()), self.order, gap.seconds):
            builder.add(stretch, unit, [written.has_paraphrase(draft.reply) for draft in unit.drafts])
            done += len(stretch.rows)
            if done - told > TOLD_EVERY:
                told = done
                self.report(Event("pairs", "cutting conversations", done, total))
        return builder.build()

    def write(self, new: Path, parts: Parts, choice: Choice, gap: Gap) -> PairsSummary:
        """Write the pairs and their summary into `new`. Raises TooFewPairs."""
        masking, ledger, corpus = self.redactor(), self.ledger, self.corpus
        splits = Writer(self.reader(masking), self.wishes, ledger, self.report).write(new, parts, choice)
        summary = PairsSummary(
            author=self.persona.author,
            aliases=self.persona.aliases,
            options=asdict(self.options),
            inputs=_inputs(self.folder),
            messages=len(corpus) + corpus.repeated,
            author_messages=int(corpus.by_author.sum()),
            used_messages=ledger.used,
            dropped=ledger.dropped(),
            ignored=ledger.ignored() | ({"the same message again": corpus.repeated} if corpus.repeated else {}),
            mended=dict(ledger.mended),
            redacted=dict(masking.counts),
            conversations=sum(part.conversations for part in splits.values()),
            gap_seconds=gap.seconds,
            gap_learned=gap.learned,
            gap_histogram=gap.histogram,
            lengths=choice.lengths,
            splits=splits,
            notes=notes_on(splits),
        )
        if summary.pairs < MIN_PAIRS:
            raise _too_few(summary)
        write_json(new / SUMMARY, summary.to_json())
        return summary


def _inputs(folder: PersonaFolder) -> dict[str, Any]:
    """What the pairs depend on; another value of any makes them stale."""
    files = (folder.messages, folder.redaction, folder.backtranslations)
    hashes = {path.name: file_hash(path) for path in files if path.exists()}
    return {"rules": RULES, "aliases": list(Persona.load(folder).aliases), "edits": Edits.load(folder).digest, **hashes}


def _ingested(folder: PersonaFolder) -> PersonaFolder:
    if not folder.messages.exists() or not folder.persona.exists():
        raise MissingStage(
            f"{folder.slug} has no messages yet",
            mend=f'Read some with: style-clone ingest {folder.slug} PATH... --me "Your Name"',
        )
    return folder


def _check_author(persona: Persona, corpus: Corpus) -> None:
    if not corpus.own.any():
        others = ", ".join(sorted(corpus.authors)[:10]) or "nobody"
        raise AuthorNotFound(
            f"no message is by {' or '.join(persona.aliases)} (there are messages by {others})",
            mend="Ingest again with --me and one of these names.",
        )


def _too_few(summary: PairsSummary) -> TooFewPairs:
    lost = "; ".join(f"{count} {reason}" for reason, count in summary.dropped.items())
    return TooFewPairs(
        f"{summary.pairs} usable pairs of {summary.author}'s writing; training needs {MIN_PAIRS} at the least"
        + (f" (messages left out: {lost})" if lost else ""),
        mend="Ingest more of their writing, or use a prompt instead: describe how they write and give five examples.",
    )
