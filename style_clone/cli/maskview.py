"""One pair as the model is trained on it: the very tokens, and which of them carry loss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from style_clone.cli.paper import harmless, heading, in_colour, shortened
from style_clone.conversation import Pair, iterate_pairs
from style_clone.errors import ModelError
from style_clone.models import DEFAULT_BASE, LOCAL, BaseModel, kept_folder, load_tokenizer
from style_clone.persona import Persona
from style_clone.register import lines_of, registers_of
from style_clone.train.recipe import Recipe
from style_clone.train.tokens import Tokeniser
from style_clone.workspace import PersonaFolder, Workspace

PART_CHARACTERS = 900
"""Longer parts are shown without their middle."""

Run = tuple[bool, str]
"""Whether a stretch of tokens carries loss, and its text."""


def show(console: Console, folder: PersonaFolder, workspace: Workspace, pairs: Sequence[Pair]) -> None:
    """Print one of `pairs` with what carries loss in green; between [[ and ]] where there are no colours.

    Without a base model on disk it is shown by role, and nothing is fetched for it.
    """
    pair = easiest(pairs)
    base = at_hand(folder, workspace)
    runs, how = _by_role(pair), "by role: the tokens are known once `style-clone train` has fetched the base model"
    if base is not None:
        try:
            runs, how = rendered(folder, load_tokenizer(base), pair), f"as {base.name} is trained on it"
        except ModelError as error:
            how = f"by role: {error.problem}"
    mark = "in green" if in_colour(console) else "between [[ and ]]"
    heading(console, f"What carries loss, {mark}")
    console.print(Text(f"one of these pairs, {how}\n", style="dim"))
    console.print(Padding(drawn(runs, coloured=in_colour(console)), (0, 0, 0, 2)))


def easiest(pairs: Sequence[Pair]) -> Pair:
    """The shortest pair with an earlier turn of the author's, which shows that those carry none; else the shortest."""
    return min(pairs, key=lambda pair: (len(pair.turns) < 4, sum(len(turn["content"]) for turn in pair.turns)))


def at_hand(folder: PersonaFolder, workspace: Workspace) -> BaseModel | None:
    """The persona's base model, or else the bundled one, where its tokenizer is on disk; its weights are not looked at."""
    persona = Persona.load(folder)
    for source in filter(None, [persona.base_source, DEFAULT_BASE]):
        for path in (kept_folder(source, workspace), Path(source)):
            if (path / "tokenizer_config.json").exists():
                return BaseModel(name=path.name, path=path, revision=LOCAL, sha256="")
    return None


def rendered(folder: PersonaFolder, tokenizer: Any, pair: Pair) -> list[Run]:
    """The text of the pair's training example in stretches that carry loss and stretches that do not.

    With the recipe as it is by default, that is with the line that names a frequent contact where the pair gets one.
    """
    recipe = Recipe()
    registers = registers_of(iterate_pairs(folder.split("train"))) if recipe.registers else {}
    lines = lines_of(chain.from_iterable(map(iterate_pairs, (folder.split("train"), folder.split("dev")))), registers)
    tokenise = Tokeniser(tokenizer, Persona.load(folder).prompt, recipe.max_tokens, lines)
    (example,) = tokenise([pair]).examples
    stretches = groupby(zip(example.mask, example.ids, strict=True), key=lambda item: item[0])
    return [
        (carries, tokenizer.decode([token for _, token in group], clean_up_tokenization_spaces=False))
        for carries, group in stretches
    ]


def _by_role(pair: Pair) -> list[Run]:
    context = "".join(f"{turn['role']}: {turn['content']}\n" for turn in pair.context)
    return [(False, f"{context}assistant: "), (True, pair.reply)]


def drawn(runs: Sequence[Run], *, coloured: bool) -> Text:
    """Stretches with loss in green or between [[ and ]], those without dimmed; control characters as pictures."""
    text = Text(overflow="fold")
    for carries, part in runs:
        shown = harmless(_without_middle(part))
        text.append(f"[[{shown}]]" if carries and not coloured else shown, style="green" if carries else "dim")
    return text


def _without_middle(text: str) -> str:
    if len(text) <= PART_CHARACTERS:
        return text
    head, tail = shortened(text, PART_CHARACTERS // 3), text[-PART_CHARACTERS * 2 // 3 :]
    return f"{head}\n[{len(text) - len(head) - len(tail) + 1:,} characters not shown]\n…{tail}"
