"""The prompted baseline: its style guide, its exemplars, its budget."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from style_clone import baseline
from style_clone.conversation import Message, Pair, read_lines, read_pairs
from style_clone.errors import MissingStage
from style_clone.pairs.run import build as build_pairs
from style_clone.prompt import Prompt, clone_system
from style_clone.styleguide.contrast import distinctive, terms
from style_clone.styleguide.notes import describe
from style_clone.styleguide.spelling import bare_contractions, typos
from style_clone.words import count_words
from style_clone.workspace import PersonaFolder, Workspace, read_json
from tests.pairs_chats import MORNING, chat, many_chats, message, persona

NELL = [
    "yesss i'm coming ✨\nsave me teh good chair",
    "i put teh kettle on n everything",
    "nooooo i cant ✨",
    "rightio",
    "rightio see you at eight\nbring biscuits",
    "is it teh blue one??",
    "i dont know n i dont mind",
    "rightio but only if it's dry ✨",
] * 4
ANN = [
    "Are you coming? The kettle is on.",
    "I will bring the blue chair.",
    "Is it dry at eight?",
    "The biscuits are on.",
] * 8


def written_by_nell() -> list[Message]:
    made = []
    for day in range(50):
        lines = (
            f"Ann: {ANN[day % 4]} item{day}",
            *(f"Nell: {line}" for line in f"{NELL[day % 8]} n{day}".splitlines()),
        )
        made += chat(*lines, start=MORNING + timedelta(days=day))
    return made


def size(prompt: Prompt) -> tuple[int, int]:
    text = "\n".join([prompt.system, *(part for pair in prompt.exemplars for part in pair)])
    return len(text), count_words(text)


def test_the_guide_says_what_a_reader_would_notice() -> None:
    notes = "\n".join(describe(NELL, ANN))
    for expected in (
        "Length: usually about",
        "Sometimes (25%) more than one line or message in a row (then usually 2)",
        "Nearly always (100%) a small letter".lower(),
        'writes "i" small',
        "favourites: ✨",
        "stretches words (yesss, nooooo)",
        '"??" in 12%',
        'Often begins with: "rightio" (38%)',
        "Typos: teh",
        "Without apostrophe: dont, cant",
    ):
        assert expected in notes, expected
    favourites = next(line for line in notes.splitlines() if line.startswith("Favourite words"))
    assert "rightio" in favourites and "kettle" not in favourites


def test_the_guide_for_a_tidy_writer_says_the_opposite() -> None:
    notes = "\n".join(describe(ANN, NELL))
    assert "No emoji." in notes
    assert "almost never (0%) a small letter" in notes
    assert "a full stop (75%)" in notes
    assert "stretches" not in notes and "Typos" not in notes


def test_names_and_links_are_not_taken_for_style() -> None:
    others = [f"Bob: did it build {n}" for n in range(10)]
    replies = [f"bob: yes https://ci.example.org/job/{n} sounds green" for n in range(10)]
    notes = "\n".join(describe(replies, others))
    assert "the name of the person addressed (100%)" in notes
    assert "https" not in notes and "example" not in notes


def test_prose_without_anybody_else_lists_content_words() -> None:
    notes = "\n".join(describe(["The plum is ripe and the wasp knows the plum."] * 5, []))
    assert "Favourite words: plum" in notes
    assert "phrases" not in notes


def test_log_odds_prefer_what_is_said_more_than_by_others_and_often() -> None:
    own = Counter({"the": 500, "rightio": 30, "once": 3, "kettle": 10})
    other = Counter({"the": 500, "kettle": 40})
    assert distinctive(own, other) == ["rightio"]
    assert distinctive(other, own) == ["kettle"]
    assert distinctive(Counter({"plum": 9, "the": 20, "rare": 1}), Counter()) == ["plum"]


def test_log_odds_agree_with_the_formula_by_hand() -> None:
    """z of "a" for 10 of 20 against 2 of 20: prior 6 of 20, so log(16/24) - log(8/32), over sqrt(1/16 + 1/8) = 2.27."""
    assert distinctive(Counter(a=10, b=10), Counter(a=2, b=18)) == ["a"]
    assert distinctive(Counter(a=8, b=12), Counter(a=2, b=18)) == []


def test_spelling() -> None:
    assert typos(Counter(teh=3, definately=2, cat=5, act=2, the=9), Counter(the=50, cat=3, act=2)) == [
        "teh",
        "definately",
    ]
    assert bare_contractions(Counter(dont=4, im=2, cant=1)) == ["dont", "im"]
    assert terms(["a b\nc d"], 2) == Counter({"a b": 1, "c d": 1})


def test_six_varied_exemplars_from_train_and_nothing_else(workspace: Workspace) -> None:
    folder = persona(workspace, written_by_nell())
    build_pairs(folder)
    prompt = baseline.build(folder)
    train = {(pair.context[-1]["content"], pair.reply): pair.conversation for pair in read_pairs(folder.split("train"))}
    assert len({train[pair] for pair in prompt.exemplars}) == len(set(prompt.exemplars)) == 6
    lengths = [count_words(reply) for _, reply in prompt.exemplars]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]
    assert prompt.system.startswith(clone_system("Nell"))
    assert "rightio" in prompt.system


def test_what_is_held_out_does_not_change_it(workspace: Workspace) -> None:
    folder = persona(workspace, written_by_nell())
    build_pairs(folder)
    before = baseline.build(folder)
    for name in ("dev", "judge", "test"):
        folder.split(name).write_text("")  # type: ignore[arg-type]
    assert baseline.build(folder) == before


def test_it_is_saved_whole_and_known_as_stale(workspace: Workspace) -> None:
    folder = persona(workspace, written_by_nell())
    with pytest.raises(MissingStage, match="no pairs"):
        baseline.build(folder)
    build_pairs(folder)
    with pytest.raises(MissingStage, match="no prompted baseline"):
        baseline.load(folder)
    prompt = baseline.build(folder)
    assert baseline.load(folder) == prompt
    assert set(read_json(folder.baseline)) == {"train_sha256", "system", "exemplars"}
    persona(workspace, [*written_by_nell(), *many_chats(10)])
    build_pairs(folder)
    with pytest.raises(MissingStage, match="older pairs"):
        baseline.load(folder)


def exchange(number: int, characters: int) -> Pair:
    turns = ({"role": "user", "content": "so"}, {"role": "assistant", "content": f"{number} " + "x" * characters})
    return Pair(turns=turns, id=str(number), conversation=str(number), origin="reply", source="s", channel="c")  # type: ignore[arg-type]


def test_long_replies_are_no_exemplars() -> None:
    assert baseline.exemplars([exchange(n, 1000) for n in range(20)]) == ()
    assert len(baseline.exemplars([exchange(n, 10) for n in range(3)])) == 3
    assert baseline.exemplars([]) == ()


def test_the_budget_leaves_out_the_longest_exemplars_first() -> None:
    pairs = tuple(("so", f"{n} " + "x" * 300 * n) for n in range(1, 7))
    prompt = baseline.within_budget(Prompt("system", pairs))
    assert prompt.exemplars == pairs[:5]
    assert size(prompt)[0] <= baseline.MAX_CHARACTERS
    wordy = baseline.within_budget(Prompt("\n".join(["word " * 100] * 12), (("so", "yes"),)))
    assert wordy.exemplars == ()
    assert size(wordy)[1] <= baseline.MAX_WORDS


@pytest.mark.parametrize("author", ["G. K. Chesterton", "A. G. Gardiner"])
def test_real_essays_fit_the_budget(workspace: Workspace, corpora: Path, author: str) -> None:
    slug = author.lower().replace(". ", "-").replace(".", "")
    rows = read_lines(corpora / f"authors/essays/{slug}/essays.jsonl")
    made = [
        message(author, row["text"], None, row["thread_id"], id=row["id"], kind="document", title=row["title"])
        for row in rows
    ]
    folder: PersonaFolder = persona(workspace, made, author)
    build_pairs(folder)
    prompt = baseline.build(folder)
    assert size(prompt)[0] <= baseline.MAX_CHARACTERS and size(prompt)[1] <= baseline.MAX_WORDS
    assert prompt.exemplars
    assert "No emoji." in prompt.system
