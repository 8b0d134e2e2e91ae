"""What `style-clone pairs` shows: the account, examples and the mask view, on a page of any width and without tricks."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from style_clone.cli import account, examples, maskview
from style_clone.cli.paper import harmless, paper, shortened
from style_clone.models import BaseModel
from style_clone.pairs.summary import PairsSummary
from style_clone.workspace import Workspace
from tests.ready_pairs import pair, ready, summary_of
from tests.tiny_base import byte_tokenizer

SHORT = pair("hi", "hello")
TALK = pair(
    "are you in?", "nope", "when then?", "about 8\nbring cake", recipient="Ann Vale", date="2024-03-01T10:00:00"
)
POST = pair("Write something.", "A line.\n\nAnd one more.", origin="document", asked_by="template", conversation="c2")


def printed(show: Callable[[Console], None], width: int = 80, **more: Any) -> str:
    file = StringIO()
    show(Console(file=file, width=width, highlight=False, markup=False, emoji=False, **more))
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))


def told(summary: PairsSummary, width: int = 80) -> str:
    return printed(lambda console: account.show(console, summary), width)


def test_the_account_tells_every_count() -> None:
    text = told(
        summary_of(
            {"train": [TALK, POST], "test": [SHORT]},
            messages=12_345,
            dropped={"a link": 7, "empty": 1234},
            ignored={"media placeholder": 5},
            mended={"context cut": 3},
            redacted={"phone": 2},
        )
    )
    assert text.splitlines()[:2] == [
        "12,345 messages, 3 of them by Nell Quayle",
        "-> 3 pairs from 3 messages in 3 conversations",
    ]
    found = [line.split() for line in text.splitlines()]
    for expected in ("1,234 empty", "7 a link", "5 media placeholder", "3 context cut", "2 phone"):
        assert expected.split() in found
    assert found.index(["1,234", "empty"]) < found.index(["7", "a", "link"]), "most first"
    assert ["train", "2", "2", "9", "50%", "2024-03-01", "to", "2024-03-01"] in found
    assert ["dev", "0", "0", "0"] in found
    assert ["test", "1", "1", "1", "100%", "no", "dates"] in found
    assert "prompts: 2 by people, 1 by a template" in text


def test_nothing_is_said_of_what_did_not_happen() -> None:
    text = told(summary_of({"train": [SHORT]}, lengths={"before": (), "after": ()}, gap_histogram=()))
    assert not any(title in text for title in ("Left out", "Changed", "changed", "Masked", "prompts:", "Length"))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_account_fits_the_page(width: int) -> None:
    bins = tuple((10 ** (number / 8), number * 37 % 900) for number in range(1, 65))
    text = told(summary_of({"train": [TALK]}, gap_histogram=bins, dropped={"a long reason " * 9: 1}), width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"gap_learned": True}, "learned from 6 pauses; --gap changes it"),
        ({"gap_learned": False}, "the default, since 6 pauses tell too little; --gap changes it"),
        ({"gap_learned": False, "options": {"gap_seconds": 2820.0}}, "set by --gap"),
    ],
)
def test_where_the_gap_comes_from(more: dict[str, Any], reason: str) -> None:
    text = told(summary_of({"train": [SHORT]}, **more))
    assert "Conversations end at 47 minutes of silence" in text
    assert reason in text


def test_the_pauses_are_drawn_over_their_times_with_a_mark_at_the_gap() -> None:
    drawn, axis, mark = account.pauses_drawn([(30, 0), (60, 100), (600, 25), (3600, 0), (86400, 1), (1e6, 0)], 3600, 40)
    assert drawn == "██▅▅  ▂▂"
    assert (axis.index("1m"), axis.index("1h")) == (0, 4)
    assert "10m" not in axis, "it would touch its neighbour"
    assert mark == "    ^ 1 hour"
    assert account.pauses_drawn([(60, 0)], 60, 40) == []


def test_many_bins_share_columns_and_a_mark_far_right_turns_round() -> None:
    lines = account.pauses_drawn([(float(edge), edge) for edge in range(1, 101)], 99, 20)
    assert all(len(line) <= 20 for line in lines)
    assert lines[2].endswith("^")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2820, "47 minutes"), (3600, "1 hour"), (5400, "1 hour 30 minutes"), (10, "10 seconds"), (259200, "3 days")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert account.lasting(seconds) == words


def test_lengths_stand_side_by_side_as_shares() -> None:
    text = told(
        summary_of({"train": [SHORT]}, lengths={"before": (60, 40, 0, 0, 0, 0, 0), "after": (1, 1, 0, 0, 0, 0, 0)})
    )
    (row,) = [line.split() for line in text.splitlines() if line.split()[:1] == ["1-2"]]
    assert (row[1], row[3]) == ("60%", "50%")
    assert (len(row[2]), len(row[4])) == (20, 17)


def test_examples_are_the_same_for_a_seed_and_in_order(workspace: Workspace) -> None:
    folder = ready(workspace, {"train": [pair("hi", f"hello {number}", id=str(number)) for number in range(50)]})
    first, again, other = (examples.chosen(folder, 50, 10, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert [int(each.id) for each in first] == sorted({int(each.id) for each in first})
    assert len(examples.chosen(folder, 50, 80, 0)) == 50


def test_an_example_shows_its_last_turns_a_line_a_bubble() -> None:
    text = printed(lambda console: examples.show(console, [TALK, POST], "Nell"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines == [
        "2 pairs of train, picked by chance (> others, < Nell)",
        "reply to Ann Vale, whatsapp, 2024-03-01 10:00",
        "< nope",
        "> when then?",
        "< about 8",
        "< bring cake",
        "document, whatsapp, no date, asked by a template",
        "> Write something.",
        "< A line.",
        "< And one more.",
    ]


def test_long_examples_are_shortened() -> None:
    long = pair("x" * 5000, "\n".join(f"line {number}" for number in range(40)))
    text = printed(lambda console: examples.show(console, [long], "Nell"))
    assert len(text.splitlines()) < 16
    assert "… and 35 more" in text


def test_a_message_cannot_take_over_the_terminal() -> None:
    evil = pair("\x1b[2J\x1b]0;owned\x07 hi\r\n\u202egnp", "[red]ok[/red] :smile: \x9b31m")
    text = printed(lambda console: examples.show(console, [evil], "Nell"), force_terminal=True, no_color=True)
    assert not any(control in text for control in ("\x1b[2J", "\x1b]", "\x07", "\r", "\u202e", "\x9b"))
    assert "[red]ok[/red] :smile:" in text
    assert harmless("a\tb\nc\x1bd") == "a    b\nc␛d"


def test_text_is_cut_between_whole_signs() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abc", 4) == "abc"
    assert shortened("ab" + "e\u0301" * 3, 4) == "ab…"
    assert shortened("ab👩\u200d🔧cdef", 5) == "ab…"


def test_the_mask_view_picks_a_short_talk() -> None:
    long = pair(*("word " * 99 for _ in range(4)))
    assert maskview.easiest([SHORT, long, TALK, POST]) is TALK
    assert maskview.easiest([POST, SHORT]) is SHORT


def test_the_mask_view_is_the_training_example_itself(workspace: Workspace) -> None:
    folder = ready(workspace, {"train": [TALK, POST]})
    runs = maskview.rendered(folder, byte_tokenizer(), TALK)
    (without, prompt), (carries, reply) = runs
    assert (without, carries) == (False, True)
    assert reply == "about 8\nbring cake<|im_end|>"
    assert prompt.startswith("<|im_start|>system\nYou are Nell Quayle.")
    assert prompt.endswith("<|im_start|>user\nwhen then?<|im_end|>\n<|im_start|>assistant\n")


def test_a_frequent_contact_is_named_as_in_training(workspace: Workspace) -> None:
    train = [pair("hi", "yo", conversation=f"c{number}", recipient="Ann Vale") for number in range(40)]
    folder = ready(workspace, {"train": [*train, POST]})
    shown = ["You are writing to Ann." in maskview.rendered(folder, byte_tokenizer(), each)[0][1] for each in train]
    assert sum(shown) == 20, "half of the conversations"


def test_colours_or_brackets() -> None:
    runs = [(False, "before "), (True, "reply<end>")]
    plain = maskview.drawn(runs, coloured=False)
    assert plain.plain == "before [[reply<end>]]"
    coloured = maskview.drawn(runs, coloured=True)
    assert coloured.plain == "before reply<end>"
    assert [(str(span.style), coloured.plain[span.start : span.end]) for span in coloured.spans] == [
        ("dim", "before "),
        ("green", "reply<end>"),
    ]


def test_a_long_context_is_shown_without_its_middle() -> None:
    text = maskview.drawn([(False, "a" * 3000 + "END")], coloured=True).plain
    assert len(text) < 1000
    assert "characters not shown]" in text
    assert text.endswith("END")


def test_without_a_base_model_the_pair_is_shown_by_role(workspace: Workspace) -> None:
    folder = ready(workspace, {"train": [SHORT, TALK]})
    text = printed(lambda console: maskview.show(console, folder, workspace, [SHORT, TALK]))
    assert "once `style-clone train` has fetched the base model" in " ".join(text.split())
    assert "user: when then?\n  assistant: [[about 8\n  bring cake]]" in text


def test_a_damaged_tokenizer_is_said_in_a_line(workspace: Workspace) -> None:
    folder = ready(workspace, {"train": [TALK]})
    (workspace.models / "smollm2-135m").mkdir(parents=True)
    (workspace.models / "smollm2-135m" / "tokenizer_config.json").write_text("{}")
    text = printed(lambda console: maskview.show(console, folder, workspace, [TALK]))
    assert "has no usable tokenizer" in " ".join(text.split())
    assert "assistant: [[about 8" in text


@pytest.mark.slow
def test_the_mask_view_with_the_bundled_model(
    home_with_model: Path, workspace: Workspace, base_model: BaseModel
) -> None:
    folder = ready(workspace, {"train": [TALK]})
    text = printed(lambda console: maskview.show(console, folder, workspace, [TALK]))
    assert f"as {base_model.name} is trained on it" in text
    assert "[[about 8\n  bring cake<|im_end|>]]" in text


def test_paper_is_plain_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console = paper()
    console.print("[bold]x[/bold] :smile:   ", style="red")
    assert capsys.readouterr().out == "[bold]x[/bold] :smile:\n"
    assert console.width <= 100
