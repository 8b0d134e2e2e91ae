"""Habits count what they say they count, and distance from the author grows on both sides."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from style_clone.evaluate.function_words import FUNCTION_WORDS
from style_clone.evaluate.habits import Habits, _Counted
from style_clone.evaluate.humans import Humans
from style_clone.evaluate.markers import HABITS, counts, rates, shown
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Resamples, interval
from style_clone.evaluate.texts import NAME, Masker
from style_clone.words import count_words
from tests.synthetic_authors import Manner, answering, humans, manner_of, noisily, noisy, plain

PLACES = {habit.id: place for place, habit in enumerate(HABITS)}


@pytest.fixture(scope="module")
def people() -> Humans:
    return humans()


@pytest.fixture(scope="module")
def habits(people: Humans) -> Habits:
    return measured(people)


def measured(people: Humans, resamples: int = 500) -> Habits:
    return Habits.fit(people, Resamples.of([each.conversation for each in people.test], resamples=resamples))


def count(name: str, text: str) -> float:
    return float(counts([text])[0, PLACES[name]])


def test_there_are_150_function_words_each_once() -> None:
    assert len(FUNCTION_WORDS) == len(set(FUNCTION_WORDS)) == 150
    assert all(word == word.lower() and word.isalpha() for word in FUNCTION_WORDS)
    assert len({habit.id for habit in HABITS}) == len(HABITS)
    assert len({habit.words for habit in HABITS}) == len(HABITS)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("word:the", "The cat, the dog; then THE end", 3),
        ("comma", "a, b, c", 2),
        ("full_stop", "One. Two... v1.2 e.g. three.", 3),
        ("exclamation", "no! yes!! what?!", 1),
        ("exclamations", "no! yes!! oh!!!", 2),
        ("questions", "what?? why? how???", 2),
        ("interrobang", "what?! no!?", 2),
        ("ellipsis", "well... hm… ok..", 2),
        ("two_dots", "well... ok.. no.", 1),
        ("colon", "note: this :) http://x", 1),
        ("dash", "this - that — those--these a-b", 3),
        ("hyphen", "well-known a-b 3-4 - x", 2),
        ("brackets", "this (and that) :( (3)", 2),
        ("double_quotes", 'he said "no" and “yes”', 2),
        ("single_quotes", "he said 'no' and don't", 1),
        ("curly_apostrophe", "it’s it's", 1),
        ("slash", "and/or 1/2", 1),
        ("stress", "that is *really* it 2 * 3", 1),
        ("ampersand", "salt & pepper R&D", 1),
        ("capitals", "NO WAY, I am OK with NASA", 3 - 1),
        ("small_i", "i think I do, i.e. this, i'm", 2),
        ("small_sentence", "One. two! Three? four", 2),
        ("capital_inside", "the Good and Bad. Then", 2),
        ("elongation", "sooo goood yes noooo", 3),
        ("haha", "haha hahaha ha Hah", 3),
        ("lol", "lol LOOOL lmao", 3),
        ("contraction", "it's don't I’m dogs'", 3),
        ("bare_contraction", "dont im its Cant", 3),
        ("in_full", "I do not, it is and cannot", 3),
        ("gonna", "gonna wanna going", 2),
        ("clipped", "thx u pls, you", 3),
        ("initials", "btw imo by", 2),
        ("interjection", "oh hmm, aha", 3),
        ("ok", "ok Okay OK book", 3),
        ("thanks", "Thanks and thank you", 2),
        ("line_break", "a\nb\n\nc", 3),
        ("emoji", "ok 🙂🎉 :)", 2),
        ("emoticon", "ok 🙂 :) ;-)", 2),
        ("opens_small", "- well", 1),
        ("opens_small", f"{NAME}: Well", 0),
        ("all_small", "no capitals, 3", 1),
        ("all_small", "One capital", 0),
        ("ends_bare", "no end", 1),
        ("ends_bare", "an end.", 0),
        ("ends_stop", "an end.", 1),
        ("ends_stop", "an end...", 0),
        ("ends_smiling", "ok :)", 1),
        ("ends_smiling", "ok 🎉 ", 1),
        ("ends_smiling", ":) ok", 0),
        ("lines", "a\nb", 1),
        ("lines", "a\n", 0),
        ("paragraphs", "a\n\nb", 1),
        ("paragraphs", "a\nb", 0),
        ("opens_ok", "Okay, so", 1),
        ("opens_joining", "But no", 1),
        ("opens_i", "I'm in", 1),
        ("opens_i", "In time", 0),
        ("opens_name", f"@{NAME}: yes", 1),
        ("short", "three small words", 1),
        ("short", "", 0),
        ("long", "word " * 25, 1),
        ("very_long", "word " * 59, 0),
    ],
)
def test_counts(name: str, text: str, found: int) -> None:
    assert count(name, text) == found


def test_rates_are_by_word_and_by_reply() -> None:
    found = rates(counts(["the cat sat", "The end"]).sum(axis=0))
    assert found[PLACES["word:the"]] == 2 / 5
    assert found[PLACES["opens_small"]] == 1 / 2
    assert shown(2 / 5, "per 100 words") == 40
    assert shown(1 / 2, "share") == 0.5
    assert rates(np.zeros(len(HABITS) + 2)).tolist() == [0] * len(HABITS)
    assert counts([]).shape == (0, len(HABITS) + 2)


def test_all_are_measured_on_as_many_words(people: Humans, habits: Habits) -> None:
    said = [sum(count_words(each.text) for each in replies) for replies in people.impostors.values()]
    assert habits.num_words == int(np.quantile(said, 0.25, method="lower"))
    counted = _Counted.of(Masker(()), people.test)
    thin = counted.thinned(habits.num_words, 0)
    longest = max(count_words(each.text) for each in people.test)
    assert habits.num_words <= thin.num_words < habits.num_words + longest
    assert len(set(thin.conversations)) > 15, "drawn from all over"
    assert counted.thinned(10**9, 0).num_words == counted.num_words


def test_self_is_one_another_half_about_one_and_others_about_zero(people: Humans, habits: Habits) -> None:
    assert np.allclose(habits.of(people.test).draws, 1)
    halves = [habits.of(answering(people.test, noisy, seed)).draws[0] for seed in range(6)]
    assert np.mean(halves) == pytest.approx(1, abs=0.1)
    others = [habits.of(answering(people.test, manner_of(number), number)).draws[0] for number in range(6, 12)]
    assert np.mean(others) == pytest.approx(0, abs=0.2)


def test_the_interval_of_another_half_holds_one(people: Humans, habits: Habits) -> None:
    found = [interval(habits.of(answering(people.test, noisy, seed)).draws) for seed in range(20)]
    assert sum(each["low"] <= 1 <= each["high"] for each in found) >= 17


def test_a_caricature_is_further_off_than_the_author(people: Humans, habits: Habits) -> None:
    def exaggerated(said: str, rng: random.Random) -> str:
        return noisily(noisily(noisily(said, rng) + " sooo", rng), rng)

    clone, caricature = (
        interval(habits.of(answering(people.test, manner, 3)).draws)
        for manner in (noisy, Manner(noisy.seed, exaggerated))
    )
    assert caricature["high"] < clone["value"] - 0.1


def test_a_habit_that_no_impostor_has_is_finite_and_capped(people: Humans) -> None:
    odd = replace(people, judge=[replace(each, text=f"{each.text} ~") for each in people.judge])
    habits = measured(odd)
    place = PLACES["tilde"]
    assert habits.impostors[place] == 0
    assert 0 < habits.spread[place] <= 2 / habits.num_words
    assert np.isfinite(habits.of(people.test).draws).all()
    assert habits.human[0] <= 3
    assert measured(people).human[0] < habits.human[0]


def test_swapping_finds_a_difference_where_there_is_one(people: Humans, habits: Habits) -> None:
    clone, twin, other = (
        habits.of(answering(people.test, manner, seed)) for manner, seed in ((noisy, 4), (noisy, 5), (plain, 6))
    )
    assert habits.p_value(clone, other) < 0.001
    assert habits.p_value(clone, twin) > 0.05
    assert habits.p_value(clone, clone) == 1
    assert interval(clone.draws - other.draws)["low"] > 0


def test_where_the_author_is_no_nearer_than_others_nothing_is_said(people: Humans) -> None:
    turned = replace(people, test=next(iter(people.unseen.values())), judge=people.judge)
    habits = measured(replace(turned, unseen={"twin": answering(people.test, noisy, 3)}))
    assert np.isnan(habits.of(turned.test).draws[0])


def test_empty_replies_are_far_from_the_author_and_break_nothing(people: Humans, habits: Habits) -> None:
    silent = habits.of([replace(each, text="") for each in people.test])
    assert silent.draws[0] < habits.of(answering(people.test, noisy, 1)).draws[0]


def test_without_impostors_of_enough_words_it_says_so(people: Humans) -> None:
    with pytest.raises(ValueError, match="no impostors"):
        measured(replace(people, fitted={}, unseen={}))
    with pytest.raises(ValueError, match="no unseen impostor has enough words"):
        measured(replace(people, unseen={"terse": [Reply("ok", "x")]}))


def test_the_telling_habits_are_the_authors(people: Humans, habits: Habits) -> None:
    clone, prompted = (habits.of(answering(people.test, manner, 8)) for manner in (noisy, plain))
    rows = habits.telling(clone, prompted, examples=[each.text for each in people.judge])
    by_id = {row["id"]: row for row in rows}
    assert 4 <= len(rows) <= 12
    small = by_id["opens_small"]
    assert small["words"] == "open a reply in lower case"
    assert (small["unit"], small["author"], small["prompted"], small["impostors"]) == ("share", 1, 0, 0)
    assert small["match"]
    assert small["clone"] == clone.rates[PLACES["opens_small"]]
    assert small["example"] in [each.text for each in people.judge]
    assert small["example"][0].islower()
    scores = [
        abs(row["author"] - row["impostors"]) / shown(habits.spread[PLACES[row["id"]]], row["unit"]) for row in rows
    ]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 1
    many = habits.telling(clone, prompted, examples=[each.text for each in people.judge], most=100)
    assert sum(row["id"].startswith("word:") for row in rows) <= 6
    assert [row["id"] for row in rows if row in many] == [row["id"] for row in rows]
    rarer = [row for row in many if row["author"] < row["impostors"]]
    assert rarer
    assert {row["example"] for row in rarer} == {""}
    swapped = habits.telling(prompted, clone)
    assert not swapped[0]["match"]
    assert swapped[0]["example"] == ""


def test_all_repeats(people: Humans, habits: Habits) -> None:
    again, candidate = measured(people), answering(people.test, noisy, 9)
    assert np.array_equal(again.of(candidate).draws, habits.of(candidate).draws)
