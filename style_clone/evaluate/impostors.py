"""Impostors: other people's replies in the author's register, which a verifier must tell from the author's.

They are made of the same messages by the same stage as the author's pairs, so that cleaning, masking and cutting cannot
give anybody away. Chat partners come first, then exports the user gives, then the sample corpora.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from style_clone.conversation import SPLITS, Pair, iterate_pairs, read_pairs, write_lines
from style_clone.errors import StorageError
from style_clone.evaluate.impostor_search import MOST_PAIRS, Search
from style_clone.evaluate.protocol import LEAST_IMPOSTORS
from style_clone.pairs.cleaning.language import LanguageFilter
from style_clone.pairs.options import Options
from style_clone.pairs.run import RULES, last_options, load_summary
from style_clone.pairs.summary import PairsSummary
from style_clone.persona import Persona
from style_clone.progress import WARNING, Event, Report, silent
from style_clone.workspace import (
    PersonaFolder,
    atomic_folder,
    file_hash,
    own_prefix,
    read_json,
    storage_errors,
    write_json,
)

SAMPLES = Path(__file__).resolve().parents[2] / "corpus"
"""The sample corpora; only a clone of the project has them."""
SAMPLE_NAMES = ("others", "nell")
MANIFEST = "impostors.json"

_VERSION = 1
_JUDGED_REPLIES = 40


@dataclass(frozen=True)
class Impostor:
    """Somebody else, and their pairs: of all splits, in time order, at most MOST_PAIRS spread evenly."""

    name: str
    pairs: tuple[Pair, ...]


def find(
    folder: PersonaFolder, extra: Sequence[Path] = (), *, most: int = 20, report: Report = silent
) -> list[Impostor]:
    """The persona's impostors: at most `most` out of its own messages, and as many out of each of the `extra` exports.

    Exports given last time are taken where none are given now, as long as they or what was found in them is still there.
    Where these are fewer than 8, the bundled sample corpora fill up to 8, if the author writes chats, and English. What was
    found is kept in the persona's folder until its messages, names, wishes or the exports change; `report` hears what is
    missing. Raises MissingStage without pairs, IngestError for an export that cannot be read, UsageError for a path that
    is not there, StorageError where it cannot be saved.
    """
    summary, inputs, given = load_summary(folder), _inputs(folder, most), _given(folder, extra)
    kept = _kept(folder, inputs, given)
    if kept is None:
        if not extra:
            given = _still_there(given, report)
        with (
            storage_errors(folder.impostors),
            tempfile.TemporaryDirectory(dir=folder.root, prefix=own_prefix(folder.root, "impostors")) as made,
        ):
            search = Search(folder, Path(made), report)
            note = _search(search, summary, list(given), most)
        impostors = [Impostor(name, pairs) for name, pairs in search.found.items()]
        _save(folder, inputs, given, impostors, note)
        kept = impostors, note
    impostors, note = kept
    if note:
        report(Event("impostors", WARNING + note))
    report(Event("impostors", f"{len(impostors)} impostors", 1, 1))
    return impostors


def split_for_test(impostors: Sequence[Impostor], seed: int) -> tuple[list[Impostor], list[Impostor]]:
    """Impostors to fit the evaluators on, and unseen ones to test them on: half and half, the odd one to fit on.

    Of each two neighbours by size, chance decides who goes where, so both halves have replies. The same for a seed.
    """
    chance = random.Random(seed)
    ranked = sorted(impostors, key=lambda impostor: (-len(impostor.pairs), impostor.name))
    fitted, unseen = [], []
    for start in range(0, len(ranked), 2):
        couple = ranked[start : start + 2]
        if len(couple) == 2:
            chance.shuffle(couple)
            unseen.append(couple.pop())
        fitted += couple
    return fitted, unseen


def _search(search: Search, summary: PairsSummary, extra: Sequence[Path], most: int) -> str:
    """Look everywhere; returns what the user should know where too few were found."""
    folder, options = search.folder, last_options(search.folder)
    search.look(folder.messages, replace(options, gap_seconds=summary.gap_seconds), most=most)
    for path in extra:
        search.look(search.ingested(path), options, most=most)
    missing = LEAST_IMPOSTORS - len(search.found)
    if missing <= 0:
        return ""
    why = _why_samples_do_not_fit(folder, summary)
    if not why:
        _fill(search, options)
    few = len(search.found)
    if few >= LEAST_IMPOSTORS:
        return ""
    because = why or "the sample corpora have nobody else to add"
    return f"{few} impostors, and {LEAST_IMPOSTORS} are wanted: {because}; give others with --impostors PATH"


def _fill(search: Search, options: Options) -> None:
    """Add people of the sample corpora, those with the most messages first, until there are enough."""
    for name in SAMPLE_NAMES:
        missing = LEAST_IMPOSTORS - len(search.found)
        if missing > 0 and (SAMPLES / name).is_dir():
            search.look(search.ingested(SAMPLES / name), options, most=missing)


def _why_samples_do_not_fit(folder: PersonaFolder, summary: PairsSummary) -> str:
    """Why the sample corpora are no impostors of this author; empty where they are."""
    replies = sum(part.origins.get("reply", 0) for part in summary.splits.values())
    if 2 * replies <= summary.pairs:
        return "the sample corpora are chats, and most of this writing is documents, so none of theirs were added"
    if not any((SAMPLES / name).is_dir() for name in SAMPLE_NAMES):
        return "the sample corpora are only in a clone of the project"
    said = [pair.reply for split in SPLITS for pair in read_pairs(folder.split(split))][-_JUDGED_REPLIES:]
    if LanguageFilter("en").keeps("\n".join(said)) is False:
        return "the sample corpora are in English, and this writing is not, so none of theirs were added"
    return ""


def _given(folder: PersonaFolder, extra: Sequence[Path]) -> dict[Path, str]:
    """The exports, each with the hash of what is in it; those of last time where there are none now. One that is gone by now
    has the hash it had, so that what was found in it stays good."""
    if extra:
        return {path.absolute(): _tree_hash(path) for path in extra}
    try:
        given = read_json(folder.impostors / MANIFEST)["given"]
        return {Path(path): _tree_hash(Path(path)) or known for path, known in given.items()}
    except (StorageError, OSError, KeyError, TypeError, AttributeError):
        return {}


def _still_there(given: Mapping[Path, str], report: Report) -> dict[Path, str]:
    """Those of last time's exports that can be read again; whoever watches is told of the others."""
    for path in given:
        if not path.exists():
            told = f"{path}, whose people were impostors last time, is gone: give its new place with --impostors"
            report(Event("impostors", WARNING + told))
    return {path: known for path, known in given.items() if path.exists()}


def _inputs(folder: PersonaFolder, most: int) -> dict[str, Any]:
    """What the impostors depend on beside the exports; another value of any makes those on file stale."""
    files = [path for path in (folder.messages, folder.redaction) if path.exists()]
    return {
        "version": [_VERSION, RULES, MOST_PAIRS, LEAST_IMPOSTORS, most],
        "aliases": list(Persona.load(folder).aliases),
        "options": asdict(last_options(folder)),
        "gap_seconds": load_summary(folder).gap_seconds,
        **{path.name: file_hash(path) for path in files},
        "samples": [_tree_hash(SAMPLES / name) for name in SAMPLE_NAMES],
    }


def _tree_hash(path: Path) -> str:
    """A hash of a file, or of all files in a folder; empty where nothing is there."""
    if path.is_file():
        return file_hash(path)
    return file_hash(*sorted(each for each in path.rglob("*") if each.is_file())) if path.is_dir() else ""


def _save(
    folder: PersonaFolder,
    inputs: dict[str, Any],
    given: Mapping[Path, str],
    impostors: Sequence[Impostor],
    note: str,
) -> None:
    with atomic_folder(folder.impostors) as new:
        for number, impostor in enumerate(impostors):
            with (new / f"{number:02}.jsonl").open("w", encoding="utf-8") as file:
                write_lines(file, (pair.to_json() for pair in impostor.pairs))
        names = [impostor.name for impostor in impostors]
        exports = {str(path): known for path, known in given.items()}
        write_json(new / MANIFEST, {"inputs": inputs, "given": exports, "names": names, "note": note})


def _kept(
    folder: PersonaFolder, inputs: dict[str, Any], given: Mapping[Path, str]
) -> tuple[list[Impostor], str] | None:
    """What was found last, with its note; None where there is none, or it is stale or damaged: it can be made again."""
    path = folder.impostors / MANIFEST
    if not path.exists():
        return None
    try:
        row = read_json(path)
        if row["inputs"] != inputs or list(row["given"].values()) != list(given.values()):
            return None
        files = ((name, folder.impostors / f"{number:02}.jsonl") for number, name in enumerate(row["names"]))
        return [Impostor(name, tuple(iterate_pairs(file))) for name, file in files], row["note"]
    except (StorageError, OSError, KeyError, TypeError, AttributeError):
        return None
