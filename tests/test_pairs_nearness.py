"""Texts as arrays, and which of them repeat: the same as comparing each with all, without doing so."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from style_clone.conversation import read_lines
from style_clone.pairs.choosing import nearness
from style_clone.pairs.choosing.nearness import repeats
from style_clone.pairs.choosing.texts import Texts, TextsBuilder
from style_clone.words import words

RUN = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"
Lists = list[list[int]]


def built(*replies: str) -> Texts:
    builder = TextsBuilder()
    for reply in replies:
        builder.add(reply)
    return builder.build()


def texts_of(rows: Sequence[Sequence[int]]) -> Texts:
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    flat = np.array([word for row in rows for word in row], np.int32)
    return Texts(flat, starts, int(flat.max(initial=-1)) + 1)


def rows_of(texts: Texts) -> Lists:
    return [part.tolist() for part in np.split(texts.word_ids, texts.starts[1:-1])] if len(texts) else []


def found(texts: Texts, group: Sequence[int] | None = None, order: Sequence[int] | None = None) -> list[bool]:
    groups = np.zeros(len(texts), np.int8) if group is None else np.array(group, np.int8)
    visited = np.arange(len(texts)) if order is None else np.array(order, np.int64)
    repeated: list[bool] = repeats(texts, groups, visited).tolist()
    return repeated


def compared_with_all(rows: Lists, group: Sequence[int], order: Sequence[int]) -> list[bool]:
    """The rule to the letter: every kept text that shares a shingle or a run is looked at."""
    shingles = [{tuple(row[at : at + 5]) for at in range(len(row) - 4)} for row in rows]
    long_runs = [{tuple(row[at : at + 12]) for at in range(len(row) - 11)} for row in rows]
    holders: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    repeated = [False] * len(rows)
    for text in order:
        shared = Counter(other for shingle in shingles[text] for other in holders[shingle])
        repeated[text] = any(
            2 * count >= len(shingles[text] | shingles[other])
            or (group[other] != group[text] and not long_runs[text].isdisjoint(long_runs[other]))
            for other, count in shared.items()
        )
        for shingle in shingles[text] if not repeated[text] else ():
            holders[shingle].append(text)
    return repeated


def test_words_are_numbered_as_they_appear() -> None:
    texts = built("Yes, no", "", "no no YES maybe", "👍", "❤️", "👍")
    assert rows_of(texts) == [[0, 1], [], [1, 1, 0, 2], [3], [4], [3]]
    assert (texts.num_known, texts.lengths().tolist()) == (5, [2, 0, 4, 1, 1, 1])
    assert (str(texts.word_ids.dtype), str(texts.starts.dtype)) == ("int32", "int64")
    assert len(built()) == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=12), st.data())
def test_taking_and_batching_lose_nothing(rows: Lists, data: st.DataObject) -> None:
    texts = texts_of(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9) if rows else st.just([]))
    assert rows_of(texts.take(np.array(chosen, np.int64))) == [rows[number] for number in chosen]
    batches = list(texts.batches(8))
    assert [number for first, last in batches for number in range(first, last)] == list(range(len(rows)))
    assert all(last - first == 1 or sum(map(len, rows[first:last])) <= 8 for first, last in batches)


@pytest.mark.parametrize(
    ("seen", "reply", "expected"),
    [
        ("see you at the usual place", "See you at the usual place!!", True),
        ("haha", "haha", False),
        ("see you there ok", "see you there ok", False),
        (f"well {RUN} and then much more was said by everybody there that evening", f"{RUN} no", True),
        (
            RUN.removesuffix(" mu") + " one",
            RUN.removesuffix(" mu") + " two three four five six seven eight nine",
            False,
        ),
        ("i will be there at eight with the cake", "i will be there at eight with the wine", True),
        ("i will be there at eight with the cake", "i will not be there at all with any cake", False),
        ("one two three four five six", "one two three four five seven eight", False),
        ("one two three four five six", "one two three four five six seven eight", True),
    ],
)
def test_what_repeats(seen: str, reply: str, expected: bool) -> None:
    assert found(built("something else that nobody ever wrote", seen, reply), [0, 0, 1]) == [False, False, expected]


def test_a_long_run_repeats_only_between_groups() -> None:
    texts = built(f"well {RUN} and then much more was said by everybody there that evening", f"{RUN} no")
    assert found(texts, [2, 2]) == [False, False]
    assert found(texts, [2, 1]) == [False, True]


def test_a_run_said_by_two_groups_repeats_in_both() -> None:
    ends = [" ".join(f"{word}{number}" for word in RUN.split()) for number in range(4)]
    texts = built(*(f"{RUN} {end} {end[::-1]}" for end in ends))
    assert found(texts, [0, 0, 1, 0]) == [False, False, True, False]
    assert found(texts, [0, 1, 1, 1], [2, 0, 1, 3]) == [True, False, False, False]


def test_the_earlier_wins_and_what_was_left_out_is_no_measure() -> None:
    first, middle, last = ("a b c d e f g h i j", "c d e f g h i j k l", "e f g h i j k l m n")
    texts = built(*(" ".join(f"w{letter}" for letter in text.split()) for text in (first, middle, last)))
    assert found(texts) == [False, True, False]
    assert found(texts, order=[1, 0, 2]) == [True, False, True]
    assert found(texts, order=[2, 1]) == [False, True, False]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 2), max_size=20), st.integers(0, 3), st.integers(0, 99)),
        min_size=1,
        max_size=25,
    )
)
def test_the_quick_comparison_finds_what_comparing_all_would(drawn: list[tuple[list[int], int, int]]) -> None:
    rows, group = [row for row, _, _ in drawn], [one for _, one, _ in drawn]
    order = sorted(range(len(drawn)), key=lambda number: drawn[number][2])
    assert found(texts_of(rows), group, order) == compared_with_all(rows, group, order)


def edited(rows: Lists, random: np.random.Generator) -> Iterator[list[int]]:
    """Rows, every third with one word of an earlier one changed, or with a dozen words of it and others after."""
    for number, row in enumerate(rows):
        earlier = rows[int(random.integers(0, number + 1))]
        copy = [*earlier[:-1], 1] if number % 2 else [*earlier[:13], *row]
        yield copy if number % 3 == 0 else row


def test_copies_are_found_among_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Texts.batches, "__defaults__", (500,))
    random = np.random.default_rng(0)
    rows = list(edited([random.integers(0, 9000, size).tolist() for size in random.integers(1, 60, 600)], random))
    group = random.integers(0, 4, len(rows)).tolist()
    repeated = found(texts_of(rows), group)
    assert len(list(texts_of(rows).batches())) > 20
    assert repeated == compared_with_all(rows, group, range(len(rows)))
    assert sum(repeated) > len(rows) / 5


@pytest.mark.parametrize("said_after", [0, 3, 8])
def test_a_stock_phrase_does_not_make_the_work_quadratic(said_after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    candidates = nearness._Kept._candidates

    def counted(self: nearness._Kept, text: int) -> Iterator[int]:
        nonlocal looks
        for other in candidates(self, text):
            looks += 1
            yield other

    monkeypatch.setattr(nearness._Kept, "_candidates", counted)
    own = np.arange(6000 * said_after).reshape(6000, said_after) + 10
    repeated = found(texts_of([[*range(9), *row] for row in own.tolist()]))
    assert sum(repeated) == (0 if said_after else 5999)
    assert looks <= 6000


def test_a_real_persons_messages(corpora: Path) -> None:
    path = corpora / "authors/chat/duraspace-irc/messages.jsonl"
    if not path.is_file():
        pytest.skip("no IRC corpus")
    said = [row["text"] for row in read_lines(path) if row["author"] == "tdonohue" and len(words(row["text"])) >= 5]
    texts = built(*said)
    group = np.repeat([0, 1, 2, 3], -(-len(said) // 4))[: len(said)].tolist()
    repeated = found(texts, group)
    assert repeated == compared_with_all(rows_of(texts), group, range(len(said)))
    assert len(said) > 4000
    assert 10 < sum(repeated) < len(said) / 10
