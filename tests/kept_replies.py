"""A persona with an adapter's record and replies to vote on, such as an evaluation leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from style_clone.conversation import Pair, Turn, write_lines
from style_clone.evaluate.kept import KeptPrompt, KeptReplies
from style_clone.persona import Persona
from style_clone.store import Store
from style_clone.votes import Ballot, Choice, Trial
from style_clone.workspace import PersonaFolder, Workspace, write_json

ADAPTER, TEST = "a" * 64, "t" * 64
NASTY = "<img src=x onerror=document.title='hacked'>"


def kept_prompt(number: int, conversation: str | None = None) -> KeptPrompt:
    asked = f"what about thing {number} {NASTY}?"
    return KeptPrompt(
        f"m{number}",
        conversation or f"chat#{number // 3}",
        (
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello\nyou"},
            {"role": "user", "content": asked},
        ),
        f"real words of {number}",
        {
            "clone": (f"omw {number}", f"  omw again {number}\n\nsave me a seat "),
            "few_shot": (f"I am going there now {number}.", f"Very well, number {number}. {NASTY}"),
            "plain": (f"As an AI I can help with {number}", "Sure! Here is a list"),
        },
    )


def kept_replies(prompts: int = 60) -> KeptReplies:
    return KeptReplies(ADAPTER, TEST, "few_shot", 2, tuple(map(kept_prompt, range(prompts))))


def voted_on(workspace: Workspace, slug: str = "nell", prompts: int = 60) -> PersonaFolder:
    folder = workspace.folder(slug)
    Persona(slug, "Nell Quayle", ("Nell Quayle",)).save(folder)
    write_json(folder.adapter / "run.json", {"adapter_sha256": ADAPTER})
    kept_replies(prompts).write(folder)
    return folder


def with_writing(folder: PersonaFolder, replies: Sequence[str]) -> PersonaFolder:
    """The same with a train part of these replies."""
    said: list[tuple[Turn, ...]] = [
        ({"role": "user", "content": "hi"}, {"role": "assistant", "content": reply}) for reply in replies
    ]
    pairs = [Pair(turns, f"t{number}", "train", "reply", "x.txt", "chat") for number, turns in enumerate(said)]
    folder.pairs.mkdir(parents=True, exist_ok=True)
    with folder.split("train").open("w", encoding="utf-8") as file:
        write_lines(file, (pair.to_json() for pair in pairs))
    return folder


def retrain(folder: PersonaFolder, adapter: str = "b" * 64) -> None:
    """Another adapter, and the replies of its evaluation."""
    write_json(folder.adapter / "run.json", {"adapter_sha256": adapter})
    replace(KeptReplies.read(folder), adapter_sha256=adapter).write(folder)


def choice_of(trial: Trial, candidate: str) -> Choice:
    """The answer that is for `candidate`."""
    return "left" if trial.left.candidate == candidate else "right"


def fill(store: Store, ballot: Ballot, *, wins: int = 0, ties: int = 0, passed: int = 99) -> Ballot:
    """Answer all of a ballot: so many votes for the clone, then so many ties, the rest for the prompted candidate."""
    votes = catches = 0
    for number, trial in enumerate(ballot.trials):
        if trial.catch:
            catches += 1
            choice: Choice = choice_of(trial, "real" if catches <= passed else "plain")
        else:
            votes += 1
            choice = choice_of(trial, "clone" if votes <= wins else "few_shot")
            choice = "tie" if wins < votes <= wins + ties else choice
        store.votes.cast(ballot.id, number, choice, 2.5)
    return store.votes.find(ballot.id)
