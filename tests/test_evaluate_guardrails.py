"""Each guardrail is tripped by what it is there for, and by nothing that people do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from style_clone.conversation import SPLITS, Pair, read_pairs
from style_clone.demo import AUTHOR, CORPUS
from style_clone.embedding import NAME, load_embedder
from style_clone.evaluate.card import relevance_of
from style_clone.evaluate.guardrails import Copying, Relevance, Shape, copying, failed, loops, shape, unsettled
from style_clone.evaluate.leakage import Copies, apart, repeated, unseen
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Array, Resamples, interval
from style_clone.ingest.run import ingest
from style_clone.pairs.run import build
from style_clone.words import words
from style_clone.workspace import Workspace
from tests.conftest import ROOT
from tests.ready_pairs import pair as ready
from tests.synthetic_authors import TOPICS, answering, noisy, plain, replies

RUN = "one two three four five six seven eight nine ten eleven twelve"
FINE = Shape(1, 1, 1, 0, 0, 0)
CLEAN = Copying(0, 0)
ONE_HOT = np.eye(384, dtype=np.float32)


def bag(texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts as which topics they name, of length 1, in as many dimensions as the real embedder."""
    vectors = np.zeros((len(texts), 384), np.float32)
    for row, text in enumerate(texts):
        for word in set(words(text)).intersection(TOPICS):
            vectors[row, TOPICS.index(word)] = 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)


@pytest.fixture(scope="module")
def test() -> list[Reply]:
    """One prompt about each topic, asked in ten conversations."""
    return [Reply("", f"c{number}", f"what about the {topic}") for number in range(10) for topic in TOPICS]


def reasons(**given: object) -> dict[str, str]:
    usual = {"relevance": None, "baseline": None, "copied": CLEAN, "shaped": FINE, "human": FINE}
    return failed(**{**usual, **given})  # type: ignore[arg-type]


def test_replies_to_the_wrong_prompts_lose_relevance_alone(test: list[Reply]) -> None:
    clone = answering(test, noisy, 1)
    texts = [each.text for each in clone]
    random.Random(0).shuffle(texts)
    moved = [replace(each, text=text) for each, text in zip(clone, texts, strict=True)]
    relevance = Relevance.of([each.prompt for each in test], bag)
    drawn = Resamples.of([each.conversation for each in test])
    right, wrong = (relevance.draws(each, drawn) for each in (clone, moved))
    assert right[0] > 0.9
    assert wrong[0] < 0.2
    assert list(reasons(relevance=wrong, baseline=right)) == ["relevance"]
    assert "of replies fit their prompt" in reasons(relevance=wrong, baseline=right)["relevance"]
    assert reasons(relevance=right, baseline=right) == {}
    assert reasons(relevance=right, baseline=wrong) == {}
    assert reasons(relevance=None, baseline=right) == {}


def test_a_prompt_is_compared_with_nineteen_others_and_never_itself() -> None:
    prompts = [f"prompt {number}" for number in range(50)] * 2
    relevance = Relevance.of(prompts, bag, seed=2)
    assert relevance.others.shape == (50, 19)
    assert all(at not in row and len(set(row)) == 19 for at, row in enumerate(relevance.others.tolist()))
    assert np.array_equal(relevance.others, Relevance.of(prompts, bag, seed=2).others)
    assert not np.array_equal(relevance.others, Relevance.of(prompts, bag, seed=3).others)
    assert Relevance.of(prompts[:3], bag).others.shape == (3, 2)
    with pytest.raises(ValueError, match="two different prompts"):
        Relevance.of(["same", "same"], bag)


def test_replies_to_other_prompts_do_not_count() -> None:
    relevance = Relevance.of([f"p{number}" for number in range(20)], lambda texts: ONE_HOT[[int(t[1:]) for t in texts]])
    said = [Reply(f"p{number}", "a", f"p{number}") for number in range(20)]
    general = [Reply("dear sir", "b", "Write something.")] * 5
    drawn = Resamples.of(["a", "b"], resamples=20)
    assert relevance.draws([*said, *general], drawn)[0] == 1


@pytest.mark.parametrize(("questions", "measured"), [(19, False), (20, True)])
def test_relevance_takes_prompts_that_ask_for_something(questions: int, measured: bool) -> None:
    pairs = [ready(f"what of {number}?", "well", conversation=f"c{number % 5}") for number in range(questions)]
    letters = [ready(f"Write something, {number}.", "dear sir", asked_by="template") for number in range(30)]
    found = relevance_of(SimpleNamespace(test=[*pairs, *letters]), bag)  # type: ignore[arg-type]
    assert (found is not None) == measured
    few = [pair for pair in pairs if pair.conversation != "c0"]
    assert relevance_of(SimpleNamespace(test=[*few * 2, *letters]), bag) is None, "of four conversations"  # type: ignore[arg-type]
    if found is not None:
        assert set(found.places) == {pair.context[-1]["content"] for pair in pairs}


def test_relevance_by_hand() -> None:
    """Unit vectors at known angles: a reply between two prompts is nearer to one; on both, or empty, near neither."""
    points = {"p0": (1, 0), "p1": (0, 1), "near p0": (0.9, 0.436), "half": (0.7071, 0.7071), "": (1, 0)}
    relevance = Relevance.of(["p0", "p1"], lambda texts: np.array([points[text] for text in texts], np.float32))
    said = [Reply("near p0", "a", "p0"), Reply("near p0", "a", "p1"), Reply("half", "a", "p0"), Reply("", "a", "p0")]
    assert relevance.hits(said).tolist() == [True, False, False, False]
    with pytest.raises(KeyError):
        relevance.hits([Reply("half", "a", "p9")])


def test_vectors_without_meaning_hit_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return rng.normal(size=(len(texts), 384)).astype(np.float32)

    relevance = Relevance.of([f"p{number}" for number in range(100)], embed)
    hits = relevance.hits([Reply("x", "a", f"p{number % 100}") for number in range(4000)])
    assert hits.mean() == pytest.approx(1 / 20, abs=0.02)


def test_the_baseline_may_be_better_by_less_than_a_twentieth() -> None:
    baseline = np.full(2001, 0.60)

    def less(by: float) -> Array:
        return baseline - by

    assert "relevance" not in reasons(relevance=less(0.04), baseline=baseline)
    assert "relevance" in reasons(relevance=less(0.06), baseline=baseline)
    said = "5% of replies fit their prompt, 60% of the baseline's; at least 54.6 points are lost"
    assert reasons(relevance=less(0.546), baseline=baseline)["relevance"] == said


@pytest.mark.parametrize(
    ("value", "half", "state"),
    [
        (0.05, 0.19, "unsettled"),
        (0.0, 0.04, "kept"),
        (-0.1, 0.04, "failed"),
        (-0.1, 0.06, "unsettled"),
        (0.3, 0.19, "kept"),
        (-0.3, 0.19, "failed"),
    ],
)
def test_relevance_is_kept_or_failed_only_where_the_replies_say_so(value: float, half: float, state: str) -> None:
    baseline = np.full(2001, 0.35)
    relevance = baseline + np.r_[value, np.linspace(value - half / 0.95, value + half / 0.95, 2000)]
    given = {"relevance": relevance, "baseline": baseline}
    found = "failed" if reasons(**given) else "unsettled" if unsettled(**given) else "kept"
    assert found == state
    if state == "unsettled":
        told = f"{0.35 + value:.0%} of replies fit their prompt, 35% of the baseline's; the loss may be as much as "
        assert unsettled(**given)["relevance"] == f"{told}{100 * (half - value):.0f} points, and 5 are allowed"


def test_what_was_not_measured_is_not_open_either() -> None:
    assert unsettled(None, np.full(3, 0.5)) == {}


@pytest.mark.slow
def test_the_real_embedder_finds_answers_beside_their_questions() -> None:
    if not (ROOT / ".cache" / "models" / NAME).is_dir():
        pytest.skip("the embedding model is not in .cache")
    asked = {
        "When does the train to Leeds leave?": "the 9:40, platform two, it goes through leeds",
        "Did you feed the cat?": "yep, she had tuna, spoilt thing",
        "Is the boiler still leaking?": "plumber came, new valve on the boiler, dry now",
        "How was the film last night?": "too long! good acting, loved the music in that movie",
        "What do you want for dinner?": "pasta? or we order curry",
        "Have you finished your thesis?": "last chapter to write then the supervisor reads it",
        "Can you lend me your ladder?": "sure, the ladder is in the shed, take it",
        "Is grandma out of hospital?": "home tomorrow, the doctors are happy with her hip",
    }
    said = [Reply(text, "c", prompt) for prompt, text in asked.items()]
    relevance = Relevance.of(asked, load_embedder(Workspace(ROOT / ".cache")))
    assert relevance.hits(said).mean() >= 7 / 8
    turned = [replace(each, text=other.text) for each, other in zip(said, [*said[1:], said[0]], strict=True)]
    assert relevance.hits(turned).mean() <= 1 / 8


def test_copied_training_replies_trip_copying() -> None:
    train = [f"{number} is what I said about it on the day when we all went there together" for number in range(50)]
    human = replies(noisy, 100, 1)
    copied = [*replies(plain, 95, 2), *(Reply(text, "c") for text in train[:5])]
    found = copying(copied, human, Copies.of(train))
    assert (found.share, found.excess) == (0.05, 0.05)
    assert found.to_json() == {"share": 0.05, "excess": 0.05}
    assert list(reasons(copied=found)) == ["copying"]
    assert "5% of replies copy 12 words" in reasons(copied=found)["copying"]
    assert reasons(copied=Copying(0.3, 0.02)) == {}, "the author repeats themselves as much"


def test_a_copy_is_twelve_words_whatever_their_case_and_marks() -> None:
    copies = Copies.of([RUN, "short"])
    assert copies.found([f"So: {RUN.upper().replace(' ', ', ')}!", RUN.rsplit(" ", 1)[0], "short", ""]).tolist() == [
        True,
        False,
        False,
        False,
    ]
    assert copies.found([]).shape == (0,)


def test_one_sentence_repeated_trips_shape(test: list[Reply]) -> None:
    human = answering(test, noisy, 1)
    said = [replace(each, text="so i would just go with the boat too haha") for each in human]
    found = shape(said, human)
    assert found.distinct2_ratio < 0.5
    assert found.gzip_ratio < 0.5
    assert list(reasons(shaped=found)) == ["shape"]
    assert "replies repeat each other" in reasons(shaped=found)["shape"]


def test_another_half_of_the_author_has_the_authors_shape(test: list[Reply]) -> None:
    halves = [shape(answering(test, noisy, seed), answering(test, noisy, 99)) for seed in range(5)]
    for half in halves:
        assert reasons(shaped=half) == {}
        assert half.distinct2_ratio == pytest.approx(1, abs=0.15)
        assert half.gzip_ratio == pytest.approx(1, abs=0.15)
    same = shape(answering(test, noisy, 1), answering(test, noisy, 1))
    assert same == FINE
    assert same.to_json() == {
        "length_ratio": 1,
        "distinct2_ratio": 1,
        "gzip_ratio": 1,
        "empty": 0,
        "looping": 0,
        "unterminated": 0,
    }


def test_three_samples_of_a_reply_count_once_for_variety(test: list[Reply]) -> None:
    """One sample after the other, or those of a prompt together: the first of each are what is compared."""
    human, samples = answering(test, noisy, 1), [answering(test, noisy, seed) for seed in (2, 3, 4)]
    by_sample = shape([each for sample in samples for each in sample], human)
    by_prompt = shape([each for triple in zip(*samples, strict=True) for each in triple], human)
    numbered = [[replace(each, prompt=f"{at}") for at, each in enumerate(sample)] for sample in samples]
    assert by_sample.length_ratio == by_prompt.length_ratio
    one_after, together = (
        shape(said, human)
        for said in (
            [each for sample in numbered for each in sample],
            [each for triple in zip(*numbered, strict=True) for each in triple],
        )
    )
    assert one_after == together


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"length_ratio": 0.66}, "the usual length is 0.66 of the author's"),
        ({"length_ratio": 1.51}, "the usual length is 1.51 of the author's"),
        ({"distinct2_ratio": 0.49}, "vary 0.49 as much"),
        ({"gzip_ratio": 0.4}, "pack to 0.40"),
        ({"empty": 0.06}, "6% of replies are empty"),
        ({"looping": 0.1}, "10% of replies loop"),
        ({"unterminated": 0.2}, "20% of replies do not end"),
    ],
)
def test_each_limit_of_shape(changed: dict[str, float], said: str) -> None:
    assert said in reasons(shaped=replace(FINE, **changed))["shape"]
    within = {"length_ratio": 0.67, "distinct2_ratio": 0.5, "gzip_ratio": 0.5}
    assert reasons(shaped=replace(FINE, **{name: within.get(name, 0.05) for name in changed})) == {}


@pytest.mark.parametrize(("mine", "theirs"), [(2, 3), (3, 2), (4, 6), (14, 21)])
def test_a_length_on_the_bound_is_within_it(mine: int, theirs: int) -> None:
    said, human = ([Reply("word " * words, "a")] for words in (mine, theirs))
    assert reasons(shaped=replace(FINE, length_ratio=shape(said, human).length_ratio)) == {}


def test_what_the_author_does_too_is_no_fault() -> None:
    assert reasons(shaped=replace(FINE, looping=0.1), human=replace(FINE, looping=0.08)) == {}


def test_shares_of_broken_replies() -> None:
    human = [Reply("one two three", "a")] * 4
    said = [
        Reply(" ", "a"),
        Reply("a b c " * 5, "a"),
        Reply("one two", "a", ended=False),
        Reply("one two three four", "a"),
    ]
    found = shape(said, human)
    assert (found.empty, found.looping, found.unterminated) == (0.25, 0.25, 0.25)
    assert found.length_ratio == 3 / 3
    silent = shape([Reply("", "a")], human)
    assert (silent.length_ratio, silent.distinct2_ratio, silent.gzip_ratio) == (0, 1, 1)
    assert "are empty" in reasons(shaped=silent)["shape"]


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("ha ha ha ha ha ha", False),
        ("no " * 12, True),
        ("no " * 11, False),
        ("I am fine, thank you. " * 3, True),
        ("I am fine, thank you. " * 2, False),
        ("well then " + "go on and on. " * 3, True),
        ("a b c d a b c d a b c e a b c d", False),
        ("one two three four five six seven eight nine ten eleven twelve " * 2, False),
        ("hahaha" * 3, False),
        ("hahahaha" * 6, True),
        ("!" * 19, False),
        ("=" * 40, True),
        ("", False),
    ],
)
def test_what_loops(text: str, does: bool) -> None:
    assert loops(text) is does


def test_leaked_test_replies_are_dropped() -> None:
    def pair(reply: str, name: str) -> Pair:
        turns = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": reply})
        return Pair(turns, name, name, "reply", "x.txt", "test")  # type: ignore[arg-type]

    seen = [pair(f"so {RUN}", "s"), pair("we all went to the sea and swam for an hour", "t"), pair("see you then", "u")]
    test = [
        pair(f"and then {RUN} and much else that nobody has said before, on any day or in any place", "run"),
        pair("we all went to the sea and swam for a day", "alike"),
        pair("we all went to the shop and bought bread and a paper", "unlike"),
        pair("see you then", "too short to tell"),
    ]
    assert [each.id for each in unseen(test, seen)] == ["unlike", "too short to tell"]
    assert unseen(test, []) == test
    assert unseen([], seen) == []


def test_conversations_that_others_hold_are_dropped_whole() -> None:
    """Known by their name, and where they were cut at other pauses by one reply that both have."""

    def pair(conversation: str, id: str) -> Pair:
        turns = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"})
        return Pair(turns, id, conversation, "reply", "x.txt", "test")  # type: ignore[arg-type]

    mine = [pair("ann@1", "a"), pair("ann@1", "b"), pair("bob@2", "c"), pair("bob@2", "d"), pair("cy@3", "e")]
    others = [pair("ann@1", "x"), pair("bob@1", "c")]
    assert [each.id for each in apart(mine, others)] == ["e"]
    assert apart(mine, []) == mine


def test_alike_is_half_of_all_shingles() -> None:
    """Of n and m shingles with c in common: c / (n + m - c), by sets."""
    rng = random.Random(0)
    texts = [" ".join(rng.choice("ab") for _ in range(rng.randint(3, 11))) for _ in range(300)]
    mine, theirs = texts[:150], texts[150:]
    sets = [{tuple(text.split()[at : at + 5]) for at in range(len(text.split()) - 4)} for text in texts]
    expected = [
        any(one and other and len(one & other) / len(one | other) >= 0.5 for other in sets[150:]) for one in sets[:150]
    ]
    assert repeated(mine, theirs).tolist() == expected
    assert 0 < sum(expected) < 150


def test_pairs_that_were_split_together_leak_nothing(workspace: Workspace) -> None:
    folder = workspace.folder("nell")
    ingest(folder, [CORPUS], [AUTHOR])
    build(folder)
    parts = {name: read_pairs(folder.split(name)) for name in SPLITS}
    assert unseen(parts["test"], [*parts["train"], *parts["judge"]]) == parts["test"]


def test_relevance_has_an_interval(test: list[Reply]) -> None:
    """A candidate that answers beside the question in half of its conversations."""
    relevance = Relevance.of([each.prompt for each in test], bag)
    drawn = Resamples.of([each.conversation for each in test])
    said = [
        replace(each, text="no idea") if int(each.conversation[1:]) % 2 else each for each in answering(test, noisy, 5)
    ]
    found = interval(relevance.draws(said, drawn))
    assert found["low"] < found["value"] - 0.1
    assert found["value"] == pytest.approx(0.5)
    assert found["high"] > found["value"] + 0.1
