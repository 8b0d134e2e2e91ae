"""Documents, posts and long messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from style_clone.pairs.monologue import FREE_PROMPTS, MAX_CHUNK_WORDS, MIN_CHUNK_WORDS, chunks, prompt_for
from style_clone.words import count_words, share_run, words
from tests.pairs_chats import MORNING, chat, drafts, message, pairs_of, shown


def prose(count: int, tag: str = "w") -> str:
    """`count` different words in sentences of ten."""
    return " ".join(f"{tag}{n}{'.' if n % 10 == 9 else ''}" for n in range(count))


def test_paragraphs_are_put_together_until_there_are_enough_words() -> None:
    text = "\n\n".join(prose(30, f"p{n}x") for n in range(4))
    assert [count_words(chunk) for _, chunk in chunks(text, "Title")] == [60, 60]
    assert all("\n\n" in chunk for _, chunk in chunks(text, "Title"))


def test_headings_give_the_topic_and_are_not_in_the_text() -> None:
    text = f"# One day\n\n{prose(30, 'a')}\n\n## The sea ##\n\n{prose(40, 'b')}"
    assert [(topic, words(chunk)[0]) for topic, chunk in chunks(text, "Diary")] == [
        ("One day", "a0"),
        ("The sea", "b0"),
    ]


def test_a_paragraph_too_long_is_cut_between_sentences() -> None:
    parts = chunks(prose(330), None)
    assert [count_words(chunk) for _, chunk in parts] == [100, 100, 100, 30]
    assert all(chunk.endswith(".") for _, chunk in parts)


def test_a_short_end_goes_with_the_paragraph_before() -> None:
    assert [count_words(chunk) for _, chunk in chunks(f"{prose(80)}\n\n{prose(10, 'z')}", None)] == [90]


def test_a_text_shorter_than_a_chunk_is_one_and_nothing_is_none() -> None:
    assert chunks("a note of six words only", "Note") == [("Note", "a note of six words only")]
    assert chunks("too short", "Note") == []


def test_scripts_without_spaces_are_cut_at_their_full_stops() -> None:
    parts = chunks("我们今天去看海。" * 30, None)
    assert len(parts) > 1
    assert all(count_words(chunk) <= MAX_CHUNK_WORDS and chunk.endswith("。") for _, chunk in parts)


@given(st.text(alphabet="ab .!?\n#。", max_size=900), st.integers(1, 40))
def test_chunks_keep_to_their_size_and_to_the_words_of_the_text(piece: str, times: int) -> None:
    text = f"{piece} word\n\n" * times
    for _, chunk in chunks(text, None):
        assert count_words(chunk) <= MAX_CHUNK_WORDS
        assert count_words(chunk) >= MIN_CHUNK_WORDS or count_words(text) < 600
        assert set(words(chunk)) <= set(words(text))


def test_the_prompt_names_the_topic_without_reply_marks() -> None:
    assert prompt_for("Re: [list] AW: rain on sunday", "unlike", "a").endswith("rain on sunday")


def test_a_topic_that_gives_six_words_of_the_target_away_is_not_named() -> None:
    target = "what the old man said to me by the river was nothing"
    for pair_id in map(str, range(20)):
        assert prompt_for("What the old man said to me", target, pair_id) in FREE_PROMPTS
        assert not share_run(prompt_for(None, f"{FREE_PROMPTS[1]} and so on", pair_id), FREE_PROMPTS[1], 6)


def test_prompts_vary_but_stay_the_same_for_an_id() -> None:
    made = [prompt_for("bees", "unlike", str(n)) for n in range(50)]
    assert len(set(made)) == 3
    assert made == [prompt_for("bees", "unlike", str(n)) for n in range(50)]


def test_a_document_is_asked_for_by_its_title() -> None:
    document = message("Nell", prose(70), MORNING, "post-1", kind="document", title="Bees")
    (pair,) = pairs_of([document])
    assert (pair.origin, pair.conversation, pair.id) == ("document", "post-1", f"{document.id}#1")
    assert pair.context[0]["content"].endswith("Bees")
    assert len(pair.turns) == 2


def test_other_peoples_documents_are_left_out_and_counted() -> None:
    found, ledger = drafts([message("Ann", prose(70), kind="document")])
    assert (found, dict(ledger.ignored)) == ([], {"document by somebody else": 1})


def test_a_long_message_is_prose_and_the_talk_around_it_goes_on() -> None:
    pairs = pairs_of(chat("Ann: how was it", f"Nell: {prose(250)}", "Ann: wow", "Nell: i know"))
    assert [pair.origin for pair in pairs] == ["document", "document", "document", "reply"]
    assert len({pair.conversation for pair in pairs}) == 1
    assert shown(pairs[-1].turns)[-2:] == ["user: wow", "assistant: i know"]


def test_where_nobody_else_writes_the_author_posts() -> None:
    found, ledger = drafts(
        [
            message("Nell", "we have moved the bees to the roof", thread="channel"),
            message("Nell", "hm", MORNING.replace(hour=20), thread="channel"),
        ]
    )
    assert [(draft.pair.origin, draft.pair.reply) for draft in found] == [
        ("document", "we have moved the bees to the roof")
    ]
    assert ledger.close(found)[1] == {"under 5 words with nobody to answer": 1}


@pytest.mark.parametrize("answered", [True, False])
def test_a_mail_with_a_subject_and_nothing_to_answer_is_asked_for_by_the_subject(answered: bool) -> None:
    mail = message("Nell", "please find the minutes below as agreed", title="Re: Minutes", thread="mail")
    answer = message("Ann", "thanks", MORNING.replace(hour=11), thread="mail")
    (pair,) = pairs_of([mail, answer] if answered else [mail])
    assert pair.origin == "document"
    assert pair.context[0]["content"].endswith(" Minutes")
