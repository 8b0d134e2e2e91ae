"""`style-clone redact`: what is masked in a persona's pairs, and what the user wants masked or kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import click

from style_clone.cli.inspect import printable
from style_clone.cli.options import json_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.conversation import read_messages
from style_clone.errors import MissingStage, UsageError
from style_clone.pairs.redact import PLACEHOLDER, TYPES, Policy, Redactor, contacts_of, people_in, type_of
from style_clone.persona import Persona, fold_name
from style_clone.progress import Event, Report
from style_clone.workspace import PersonaFolder

SHOWN_EXAMPLES = 3
SHOWN_PEOPLE = 40
SHOWN_NAMES = 40
AROUND_CHARACTERS = 30
REPORT_EVERY = 5000


@dataclass
class Masked:
    """What was masked of one type: how often, in how many messages, and examples, masked as they will be."""

    count: int = 0
    messages: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Account:
    """What redaction does to a corpus. `people` has the contacts it masks, by placeholder, as name and count."""

    messages: int = 0
    touched: int = 0
    types: dict[str, Masked] = field(default_factory=lambda: {name: Masked() for name in TYPES})
    people: dict[str, tuple[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The account as JSON holds it."""
        return asdict(self)


@click.command("redact")
@click.argument("persona")
@click.option("--report", "wanted", is_flag=True, help="Show what is masked: counts, examples, people.")
@click.option("--add", multiple=True, metavar="WORD", help="Mask a further word or name, as <word>. Repeatable.")
@click.option("--keep", multiple=True, metavar="WORD", help="Never mask this: a name, an address, a host. Repeatable.")
@click.option("--off", multiple=True, metavar="TYPE", help=f"Do not mask a type: {', '.join(TYPES[1:])}.")
@click.option("--on", multiple=True, metavar="TYPE", help="Mask a type again.")
@click.option("--ner", metavar="MODEL", help="Look for further names with a named-entity model: a hub id or a folder.")
@click.option("--forget-raw", is_flag=True, help="Delete the copies of the files that were ingested.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def command(
    persona: str,
    wanted: bool,
    add: tuple[str, ...],
    keep: tuple[str, ...],
    off: tuple[str, ...],
    on: tuple[str, ...],
    ner: str | None,
    forget_raw: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Say what is masked in PERSONA's training pairs, and see what that does.

    Keys and passwords, e-mail addresses, telephone, card and account numbers, street addresses, links, identity numbers
    and other people's names are replaced by placeholders such as <phone> and <person-3>. First names stay where somebody
    is spoken to: "hi Ann". messages.jsonl keeps everything; the pairs made from it do not.

    \b
      style-clone redact me --report
      style-clone redact me --add "Project Falcon" --keep "Jane Austen" --off url
    """
    folder = settings().workspace.existing(persona)
    if forget_raw and as_json and not yes:
        raise UsageError("--json does not ask, and deleting needs a yes", mend="Add --yes if you mean it.")
    old = Policy.load(folder)
    policy = changed(old, add, keep, off, on)
    result: dict[str, Any] = {}
    account = None
    if policy != old:
        policy.save(folder)
    if ner is not None:
        with progress(quiet=as_json) as report:
            names = further_names(folder, policy, ner, report)
        result["found"] = dict(names)
        if yes or not as_json:
            policy = _with_names(folder, policy, names, yes=yes, quiet=as_json)
    if wanted:
        with progress(quiet=as_json) as report:
            account = survey(folder, policy, report)
    if forget_raw:
        result["forgotten"] = _forget(folder, yes=yes)
    if as_json:
        print_json({**result, "policy": asdict(policy), **(account.to_json() if account else {})})
        return
    for line in (*(_lines(account) if account else ()), *_policy_lines(folder, policy, result.get("forgotten"))):
        click.echo(line)


def changed(policy: Policy, add: Iterable[str], keep: Iterable[str], off: Iterable[str], on: Iterable[str]) -> Policy:
    """The policy with these changes; a word that is added is no longer kept, and the other way round.

    Raises UsageError for a type there is none of, for "secret" in `off`, and for an empty word.
    """
    for word in (*add, *keep):
        if not fold_name(word):
            raise UsageError("an empty word cannot be masked or kept", mend='Give a word: --add "Project Falcon"')
    on = Policy(off=tuple(name for name in on if name != "secret")).off  # checks the names
    return Policy(
        words=_without((*policy.words, *add), keep),
        keep=_without((*policy.keep, *keep), add),
        off=tuple(name for name in dict.fromkeys((*policy.off, *off)) if name not in on),
    )


def _without(words: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    gone = set(map(fold_name, others))
    return tuple({fold_name(word): word for word in words if fold_name(word) not in gone}.values())


def survey(folder: PersonaFolder, policy: Policy, report: Report) -> Account:
    """Read messages.jsonl twice, for the names and for what they say. Raises MissingStage where there is none."""
    redactor, contacts = _redactor(folder, policy)
    account = Account()
    for message in read_messages(folder.messages):
        account.messages += 1
        if account.messages % REPORT_EVERY == 0:
            report(Event("redact", f"{account.messages:,} messages"))
        masked = redactor(message.text)
        if masked != message.text:
            _note(account, message.text, masked, contacts)
    return account


def _redactor(folder: PersonaFolder, policy: Policy) -> tuple[Redactor, list[str]]:
    if not folder.messages.exists():
        raise MissingStage(
            f"{folder.slug} has no messages yet", mend=f"Read some with: style-clone ingest {folder.slug} PATH..."
        )
    aliases = Persona.load(folder).aliases
    people = people_in(read_messages(folder.messages))
    return Redactor(policy, people, aliases), contacts_of(people, aliases)


def _note(account: Account, text: str, masked: str, contacts: Sequence[str]) -> None:
    """Add one message that was changed to the account."""
    account.touched += 1
    had = Counter(match[0] for match in PLACEHOLDER.finditer(text))
    new = Counter(match[0] for match in PLACEHOLDER.finditer(masked)) - had
    for name in {type_of(placeholder) for placeholder in new}:
        account.types[name].messages += 1
    for placeholder, count in new.items():
        of_type = account.types[type_of(placeholder)]
        of_type.count += count
        example = _around(masked, placeholder)
        if len(of_type.examples) < SHOWN_EXAMPLES and example not in of_type.examples:
            of_type.examples.append(example)
        number = placeholder.strip("<>").partition("-")[2]
        if number and int(number) <= len(contacts):
            before = account.people.get(placeholder, ("", 0))[1]
            account.people[placeholder] = contacts[int(number) - 1], before + count


def _around(masked: str, placeholder: str) -> str:
    """The last of a placeholder in a text with what stands around it, on one line."""
    at = masked.rindex(placeholder)
    start, end = max(0, at - AROUND_CHARACTERS), at + len(placeholder) + AROUND_CHARACTERS
    cut = ("... " if start else "") + masked[start:end] + (" ..." if end < len(masked) else "")
    return printable(" ".join(cut.split()))


def further_names(folder: PersonaFolder, policy: Policy, model: str, report: Report) -> Counter[str]:
    """Names in the author's messages that a named-entity model finds and redaction does not mask, with how often.

    Raises ModelError where the model cannot be had, MissingStage without messages.
    """
    from style_clone.entities import load

    persona = Persona.load(folder)
    redactor, _ = _redactor(folder, policy)
    find = load(model)
    left = {fold_name(name) for name in (*policy.keep, *persona.aliases, *" ".join(persona.aliases).split())}
    names: Counter[str] = Counter()
    for number, message in enumerate(read_messages(folder.messages), start=1):
        if number % 100 == 0:
            report(Event("names", f"{number:,} messages"))
        if persona.is_author(message.author):
            masked = redactor(message.text)
            found = (" ".join(masked[start:end].split()) for start, end, kind in find(masked) if kind == "person")
            names.update(name for name in found if _is_new_name(name, left))
    return names


def _is_new_name(name: str, left: set[str]) -> bool:
    """Whether a found name is worth asking about: no placeholder or scrap of one, capitalised, not to be left."""
    return len(name) > 2 and name[0].isupper() and not set("<>") & set(name) and fold_name(name) not in left


def _with_names(folder: PersonaFolder, policy: Policy, names: Counter[str], *, yes: bool, quiet: bool) -> Policy:
    """The policy with the names found added to its words, once the user has seen them and agreed."""
    if not names:
        if not quiet:
            click.echo("The model found no further names.")
        return policy
    if not quiet:
        click.echo(f"{len(names):,} further names:")
        for name, count in names.most_common(SHOWN_NAMES):
            click.echo(f"  {count:>7,}  {printable(name)}")
        if len(names) > SHOWN_NAMES:
            click.echo(f"  and {len(names) - SHOWN_NAMES:,} more (--json lists all)")
    if not yes and not click.confirm("Mask them from now on, as <word>?"):
        return policy
    policy = replace(policy, words=_without((*policy.words, *names), ()))
    policy.save(folder)
    return policy


def _forget(folder: PersonaFolder, *, yes: bool) -> int:
    """Delete the copies in raw/ after saying what that means; returns how many."""
    from style_clone.ingest.forgetting import forget

    if not yes:
        click.echo(
            f"This deletes the copies of ingested files in {folder.raw}. The messages read from them stay, unmasked, in\n"
            "messages.jsonl, and later ingestions keep them. What a newer version of style-clone could read better in those\n"
            "files it cannot read again, unless you give it the files again. Your own copies are not touched."
        )
        click.confirm("Delete them?", abort=True)
    return forget(folder)


def _lines(account: Account) -> Iterator[str]:
    found = {name: masked for name, masked in account.types.items() if masked.count}
    yield f"{account.touched:,} of {account.messages:,} messages have something to mask"
    if found:
        yield ""
        yield f"{'type':<8} {'count':>8} {'messages':>9}"
        yield from (f"{name:<8} {masked.count:>8,} {masked.messages:>9,}" for name, masked in found.items())
    for name, masked in found.items():
        yield f"\n{name}:"
        yield from (f"  {example}" for example in masked.examples)
    if account.people:
        yield "\npeople (shown here only):"
        ranked = sorted(account.people.items(), key=lambda item: -item[1][1])
        yield from (f"  {count:>7,}  {who:<12} is {printable(name)}" for who, (name, count) in ranked[:SHOWN_PEOPLE])
        if len(ranked) > SHOWN_PEOPLE:
            yield f"  and {len(ranked) - SHOWN_PEOPLE:,} more (--json lists all)"
    yield ""


def _policy_lines(folder: PersonaFolder, policy: Policy, forgotten: int | None) -> Iterator[str]:
    if forgotten is not None:
        yield f"{forgotten:,} files deleted from {folder.raw}; their messages are kept."
    for name, words in (("words masked", policy.words), ("never masked", policy.keep), ("types off", policy.off)):
        if words:
            yield f"{name}: {', '.join(map(printable, words))}"
    yield f"See what is masked: style-clone redact {folder.slug} --report"
    yield f"Apply it:           style-clone pairs {folder.slug}"
