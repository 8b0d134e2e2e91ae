"""Documents: what their lines are, where they are cut, and what their chunks are asked for by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.pairs.cleaning.filters import tidy
from style_clone.pairs.documents.chunking import Chunk, chunks
from style_clone.pairs.documents.clutter import is_clutter
from style_clone.pairs.documents.headings import bare, is_dateline, looks_like_heading
from style_clone.pairs.documents.layout import blocks
from style_clone.pairs.documents.monologue import FREE_PROMPTS, prompt_for
from style_clone.pairs.documents.sentences import parts, sentences
from style_clone.pairs.documents.written import chunk_hash
from style_clone.words import count_words, share_run, words


def prose(count: int, tag: str = "w") -> str:
    """`count` different words in sentences of ten."""
    return " ".join(f"{tag}{n}{'.' if n % 10 == 9 else ''}" for n in range(count))


def kinds(text: str) -> list[str]:
    return [block.kind for block in blocks(text)]


def headings(text: str) -> list[str]:
    return [block.text for block in blocks(text) if block.kind == "heading"]


def sizes(text: str) -> list[int]:
    return [count_words(chunk.text) for chunk in chunks(text, None)]


@pytest.mark.parametrize("line", ["On the Art of Maps", "THE ROAD", "III. THE ROAD", "2. On maps", "ON BEING IDLE."])
def test_lines_that_are_headings(line: str) -> None:
    assert looks_like_heading(line)
    assert headings(f"{line}\n\n{prose(30)}") == [bare(line)]


@pytest.mark.parametrize(
    "line",
    [
        "[London, October 31, 1816.]",
        "May 27, 1796.",
        "Hampstead, Saturday Night [February 14, 1818].",
        "Dear Coleridge,--",
        "MY DAINTIE DAVIE--",
        "DEAR KERMIT:",
        "Dear Sir",
        "JOHN KEATS.",
        "Gustave Flaubert",
        "Yours Ever Affectionately",
        "He left.",
        "Your sincere friend",
    ],
)
def test_datelines_salutations_and_signatures_are_no_headings(line: str) -> None:
    assert headings(f"{line}\n\n{prose(30)}") == []


def test_a_dateline_is_left_out_and_a_salutation_kept() -> None:
    (chunk,) = chunks(f"[London, October 31, 1816.]\n\nDear Coleridge,--\n\n{prose(30)}", None)
    assert chunk.text == f"Dear Coleridge,--\n\n{prose(30)}"
    assert not is_dateline("In May 1816 we left London for the sea")


@pytest.mark.parametrize("mark", ["## The sea", "### The sea ###", "The sea\n-------", "The sea\n===", "**The sea**"])
def test_markdown_headings(mark: str) -> None:
    assert headings(f"{mark}\n\n{prose(30)}") == ["The sea"]
    assert headings(f"{prose(20)}\n\n{mark}\n{prose(30)}") == ["The sea"]


def test_numbers_go_from_headings_but_initials_stay() -> None:
    assert [bare(line) for line in ("Chapter IV: Bees", "1.2 Bees", "C. LAMB", "III. THE ROAD.")] == [
        "Bees",
        "Bees",
        "C. LAMB",
        "THE ROAD",
    ]


def test_a_list_of_short_lines_and_a_last_line_are_no_headings() -> None:
    text = f"{prose(30)}\n\n1. Green Apples\n\n2. Brown Bread\n\n3. Old Cheese\n\n{prose(30, 'z')}\n\nNell Q. Quayle"
    assert set(kinds(text)) == {"prose"}
    assert "Green Apples" in "\n".join(chunk.text for chunk in chunks(text, None))


@pytest.mark.parametrize(
    "clutter",
    [
        "```python\nimport bees\n\nbees.count()\n```",
        "    total = sum(bees)\n    print(total)\n    return {}",
        "| bees | year |\n|------|------|\n| 12 | 2020 |",
        "year     bees     honey\n2020     12       3\n2021     14       5",
        "> what somebody else said\n> in two lines",
        "[Illustration: a bee]",
        "![a bee](bee.png)",
        "* * *",
        ". . . . .",
        "IV.",
        "[12]",
        "https://example.org/bees",
    ],
)
def test_what_is_nobodys_voice_is_left_out(clutter: str) -> None:
    assert "\n\n".join(chunk.text for chunk in chunks(f"{prose(30)}\n\n{clutter}\n\n{prose(30, 'z')}", None)) == (
        f"{prose(30)}\n\n{prose(30, 'z')}"
    )


def test_footnote_marks_go_and_other_brackets_stay() -> None:
    (chunk,) = chunks(f"The bees[12] of 1816 [sic] are gone.[^note] {prose(20)}", None)
    assert chunk.text.startswith("The bees of 1816 [sic] are gone. w0")


def test_poems_and_lists_are_prose_and_keep_their_lines() -> None:
    poem = "\n".join(f"line{n} of a poem about the bees" for n in range(40))
    assert not is_clutter(poem.splitlines())
    found = chunks(poem, None)
    assert "\n".join(chunk.text for chunk in found) == poem
    assert len(found) > 1


def test_an_interview_gives_questions_and_answers_without_their_marks() -> None:
    text = f"Q: Why bees?\nA: They were there before me.\n\nQ. And honey?\n\nA. {prose(30)}"
    assert [(chunk.asked, chunk.text) for chunk in chunks(text, "Bees")] == [
        ("Why bees?", "They were there before me."),
        ("And honey?", prose(30)),
    ]


def test_a_question_on_a_line_of_its_own_asks_for_what_follows() -> None:
    text = f"{prose(60)}\n\nDo bees sleep at night?\n\n{prose(70, 'z')}"
    assert [chunk.asked for chunk in chunks(text, None)] == [None, "Do bees sleep at night?"]
    assert chunks(text, None)[1].text == prose(70, "z")


@pytest.mark.parametrize(
    ("opening", "moved"),
    [
        ("What is a bee made of?", True),
        ("What is it made of?", False),
        ("Why have you not written to me?", False),
        ('"What is a bee made of?" said Ann.', False),
        ("But what is a bee made of?", False),
        ("What is a bee made of? Who knows that today?", False),
    ],
)
def test_a_question_that_opens_a_paragraph_moves_to_the_prompt_when_it_can_stand_alone(
    opening: str, moved: bool
) -> None:
    (chunk,) = chunks(f"{opening} {prose(40)}", None)
    assert chunk.asked == (opening if moved else None)
    assert (opening in chunk.text) is not moved


def test_a_question_stays_where_too_little_would_be_left() -> None:
    (chunk,) = chunks(f"What is a bee made of? {prose(15)}", "Bees")
    assert chunk.text.startswith("What is a bee")
    assert chunk.asked == "Bees"


def test_sentences_end_where_they_do() -> None:
    text = 'I met Dr. Croft and G. K. C. at noon. "Why?" said he. It was late, i. e. dark... No!  Yes.'
    assert [*sentences(text)] == [
        "I met Dr. Croft and G. K. C. at noon.",
        '"Why?" said he.',
        "It was late, i. e. dark...",
        "No!",
        "Yes.",
    ]


@given(st.text(alphabet="ab .,;!?-。我\"'", max_size=400), st.integers(1, 12))
def test_parts_are_short_and_together_the_text(piece: str, times: int) -> None:
    found = [*parts(piece * times)]
    assert all(1 <= part.size <= 60 for part in found)
    assert all(part.size == count_words(part.text) for part in found)
    assert [word for part in found for word in words(part.text)] == words(piece * times)


def test_paragraphs_are_put_together_until_there_are_enough_words() -> None:
    text = "\n\n".join(prose(30, f"p{n}x") for n in range(4))
    assert sizes(text) == [60, 60]
    assert all("\n\n" in chunk.text for chunk in chunks(text, None))


def test_a_paragraph_too_long_is_cut_evenly_between_sentences() -> None:
    found = chunks(prose(330), None)
    assert all(60 <= count_words(chunk.text) <= 100 and chunk.text.endswith(".") for chunk in found)
    assert " ".join(chunk.text for chunk in found) == prose(330)


def test_short_pieces_in_a_row_are_not_lost() -> None:
    text = "\n\n".join(prose(19, f"p{n}x") for n in range(10))
    assert sum(sizes(text)) == 190
    assert sizes(f"{prose(80)}\n\n{prose(10, 'z')}") == [90]


def test_sections_too_short_for_a_chunk_go_together() -> None:
    text = "\n\n".join(f"## Part of {n}\n\n{prose(12, f'p{n}x')}" for n in range(6))
    assert sum(sizes(text)) == 72
    assert min(sizes(text)) >= 20


def test_the_heading_is_the_topic_of_all_below_it_and_asks_for_the_first() -> None:
    found = chunks(f"{prose(60, 'a')}\n\n# The sea\n\n{prose(150, 'b')}", "Diary")
    assert [(chunk.topic, chunk.asked) for chunk in found] == [
        ("Diary", "Diary"),
        ("The sea", "The sea"),
        ("The sea", None),
    ]


def test_a_text_shorter_than_a_chunk_is_one_and_nothing_is_none() -> None:
    assert chunks("a note of six words only", "Note") == [Chunk("a note of six words only", "Note", "Note")]
    assert chunks("too short", "Note") == chunks("", None) == []


def test_scripts_without_spaces_are_cut_at_their_full_stops() -> None:
    found = chunks("我们今天去看海。" * 30, None)
    assert len(found) > 1
    assert all(count_words(chunk.text) <= 120 and chunk.text.endswith("。") for chunk in found)


@given(st.text(alphabet="ab .!?\n#。Q:-", max_size=900), st.integers(1, 40))
def test_chunks_keep_to_their_size_and_to_the_words_of_the_text(piece: str, times: int) -> None:
    text = f"{piece} word\n\n" * times
    found = chunks(text, None)
    for chunk in found:
        assert 5 <= count_words(chunk.text) <= 120
        assert count_words(chunk.text) >= 20 or len(found) == 1
        assert set(words(chunk.text)) <= set(words(text))


def test_real_writing_ends_in_chunks_of_the_right_size(corpora: Path) -> None:
    for path in (
        corpora / "authors/letters/john-keats/letters.jsonl",
        corpora / "authors/letters/robert-burns/letters.jsonl",
    ):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:60]]
        texts = [tidy(row["text"]) for row in rows]
        found = [count_words(chunk.text) for text in texts for chunk in chunks(text, None)]
        assert sum(found) >= 0.97 * sum(map(count_words, texts))
        assert sum(20 <= size <= 120 for size in found) >= 0.95 * len(found)


def chunk(text: str = "unlike", topic: str | None = None, asked: str | None = None) -> Chunk:
    return Chunk(text, topic, asked)


def test_what_asks_goes_before_a_model_and_a_model_before_the_title() -> None:
    written = {chunk_hash("unlike"): "How are bees?"}
    assert prompt_for(chunk(topic="Essay", asked="Do bees sleep?"), "a", written) == ("Do bees sleep?", "text")
    assert prompt_for(chunk(topic="Essay"), "a", written) == ("How are bees?", "model")
    prompt, asked_by = prompt_for(chunk(topic="Essay"), "a", {})
    assert (prompt.endswith("Essay"), asked_by) == (True, "template")
    assert prompt_for(chunk(), "a", {})[0] in FREE_PROMPTS


def test_a_heading_is_put_into_a_sentence() -> None:
    prompt, asked_by = prompt_for(chunk(topic="The sea", asked="The sea"), "a", {})
    assert (prompt != "The sea", prompt.endswith("The sea"), asked_by) == (True, True, "text")


def test_the_prompt_names_the_topic_without_reply_marks_and_no_topic_that_says_nothing() -> None:
    assert prompt_for(chunk(topic="Re: [list] AW: rain on sunday"), "a", {})[0].endswith(" rain on sunday")
    assert prompt_for(chunk(topic="Untitled", asked="Part 2"), "a", {})[0] in FREE_PROMPTS


def test_no_prompt_gives_six_words_of_the_target_away() -> None:
    target = "what the old man said to me by the river was nothing"
    leaking = chunk(target, "The old man said to me by the river", "What the old man said to me?")
    written = {chunk_hash(target): "Tell what the old man said to me"}
    for identity in map(str, range(20)):
        assert prompt_for(leaking, identity, written)[0] in FREE_PROMPTS
        echo = chunk(f"{FREE_PROMPTS[1]} and so on")
        assert not share_run(prompt_for(echo, identity, {})[0], echo.text, 6)


def test_prompts_vary_but_stay_the_same_for_an_identity() -> None:
    made = [prompt_for(chunk(topic="bees"), str(n), {})[0] for n in range(50)]
    assert len(set(made)) == 3
    assert made == [prompt_for(chunk(topic="bees"), str(n), {})[0] for n in range(50)]
