"""Blind preference: ballots that are fixed, hidden until complete, resumable, and what is made of them."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from style_clone.cli import delete
from style_clone.errors import MissingStage, StorageError, UsageError
from style_clone.evaluate.blind import CSV_COLUMNS, describe, export_csv, open_ballot, result, show, standings, tally
from style_clone.evaluate.kept import KeptPrompt, KeptReplies
from style_clone.evaluate.statistics import wilson
from style_clone.evaluate.trials import CATCH_EVERY, MOST_VOTES, choose, num_catches, rendered, text_of
from style_clone.store import Store
from style_clone.votes import VOTERS, Trial
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.kept_replies import ADAPTER, choice_of, fill, kept_prompt, kept_replies, retrain, voted_on


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    return voted_on(workspace)


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    with Store(workspace.database_url) as store:
        yield store


def candidates(trial: Trial) -> set[str]:
    return {trial.left.candidate, trial.right.candidate}


@pytest.mark.parametrize(("successes", "votes"), [(15, 20), (21, 30), (27, 40), (32, 50), (60, 100)])
def test_the_lower_bound_is_over_a_half_from_these_numbers_on(successes: int, votes: int) -> None:
    assert wilson(successes, votes)["low"] > 0.5 > wilson(successes - 1, votes)["low"]


def test_wilson_s_interval_is_that_of_other_programs() -> None:
    from scipy.stats import binomtest

    for successes, votes in ((0, 5), (3, 7), (40, 40), (33, 100)):
        other = binomtest(successes, votes).proportion_ci(method="wilson")
        found = wilson(successes, votes)
        assert found == pytest.approx({"value": successes / votes, "low": other.low, "high": other.high})
    assert wilson(19.5, 40)["value"] == pytest.approx(0.4875)
    for successes, votes in ((1, 0), (5, 4), (-1, 4)):
        with pytest.raises(ValueError, match="votes"):
            wilson(successes, votes)


def test_kept_replies_are_read_as_they_were_written(folder: PersonaFolder) -> None:
    assert KeptReplies.read(folder) == kept_replies()
    header, first = folder.replies.read_text(encoding="utf-8").splitlines()[:2]
    assert '"prompted": "few_shot"' in header
    assert '"clone": ["omw 0"' in first


@pytest.mark.parametrize("content", ["", "[]\n", '{"adapter_sha256": "x"}\n', "no json\n"])
def test_damaged_replies_are_told(folder: PersonaFolder, content: str) -> None:
    folder.replies.write_text(content, encoding="utf-8")
    with pytest.raises(StorageError, match=r"replies\.jsonl"):
        KeptReplies.read(folder)


def test_without_replies_the_way_to_them_is_told(folder: PersonaFolder, store: Store) -> None:
    folder.replies.unlink()
    with pytest.raises(MissingStage, match="style-clone evaluate nell"):
        open_ballot(store, folder, "author")
    assert tally(store, folder) == {}


@pytest.mark.parametrize("votes", [20, 40, 52])
def test_a_ballot_has_its_votes_and_a_catch_trial_in_each_stretch(votes: int) -> None:
    trials = choose(kept_replies(), votes, "seed")
    places = [number for number, trial in enumerate(trials) if trial.catch]
    assert len(trials) - len(places) == votes
    assert len(places) == num_catches(votes) == -(-votes // CATCH_EVERY)
    assert max(later - sooner for sooner, later in zip(places, places[1:], strict=False)) <= 2 * CATCH_EVERY + 1
    assert len({trial.prompt for trial in trials}) == len(trials), "a prompt comes twice"
    assert {frozenset(candidates(trial)) for trial in trials if trial.catch} == {frozenset({"real", "plain"})}
    assert {frozenset(candidates(trial)) for trial in trials if not trial.catch} == {frozenset({"clone", "few_shot"})}


def test_sides_order_and_samples_are_chosen_by_the_seed() -> None:
    kept = kept_replies()
    trials = choose(kept, 40, "a")
    assert trials == choose(kept, 40, "a")
    assert trials != choose(kept, 40, "b")
    sides = Counter(trial.left.candidate for trial in trials if not trial.catch)
    assert min(sides["clone"], sides["few_shot"]) >= 8, "the sides are not random"
    assert {trial.left.sample for trial in trials} == {0, 1}


def test_a_catch_trial_shows_the_answer_to_another_conversation_s_prompt() -> None:
    kept = kept_replies()
    prompts = {prompt.key: prompt for prompt in kept.prompts}
    for trial in choose(kept, 40, "a"):
        if trial.catch:
            decoy = trial.left if trial.left.candidate == "plain" else trial.right
            assert prompts[decoy.prompt].conversation != prompts[trial.prompt].conversation
            number = decoy.prompt.rpartition("m")[2]
            assert text_of(decoy, prompts) in ("Sure! Here is a list", f"As an AI I can help with {number}")


def test_empty_and_equal_replies_are_not_voted_on_nor_short_ones_used_to_catch() -> None:
    prompts = list(kept_replies().prompts)
    for number in range(0, 20):
        prompts[number] = replace(prompts[number], replies={**prompts[number].replies, "clone": (" \n ", "\t")})
    for number in range(20, 30):
        same = {"clone": ("the same\n",), "few_shot": ("\n  the same",)}
        prompts[number] = replace(prompts[number], replies={**prompts[number].replies, **same}, real="ok")
    kept = replace(kept_replies(), prompts=tuple(prompts))
    trials = choose(kept, None, "a")
    bad = {prompt.key for prompt in prompts[:30]}
    short = {prompt.key for prompt in prompts[20:30]}
    voted = {trial.prompt for trial in trials if not trial.catch}
    caught = {trial.prompt for trial in trials if trial.catch}
    assert len(voted) == 30
    assert not voted & bad
    assert caught <= bad - short, "a prompt good for a catch trial alone takes nothing from the votes"


def test_votes_are_spread_over_conversations() -> None:
    prompts = [kept_prompt(number, "long" if number < 50 else f"chat#{number}") for number in range(90)]
    trials = choose(replace(kept_replies(), prompts=tuple(prompts)), 40, "a")
    assert sum(trial.prompt.startswith("long#") for trial in trials) <= 10


def test_too_few_replies_make_a_smaller_ballot_or_none() -> None:
    few = kept_replies(30)
    fixed = sum(not trial.catch for trial in choose(few, None, "a"))
    assert fixed == 26
    with pytest.raises(UsageError, match="20 to 26"):
        choose(few, 27, "a")
    with pytest.raises(MissingStage, match="too few"):
        choose(kept_replies(22), None, "a")
    many = kept_replies(150)
    assert sum(not trial.catch for trial in choose(many, MOST_VOTES, "a")) == MOST_VOTES


def test_replies_are_shown_alike() -> None:
    assert rendered(" one \r\n\n\t two\x1b[31m\u0007  \n") == "one\ntwo[31m"
    assert rendered("a\u2028b\tc") == "a\nb c"
    assert rendered(" \n\x00 ") == ""


def test_a_ballot_is_fixed_when_it_is_begun(folder: PersonaFolder, store: Store) -> None:
    ballot = open_ballot(store, folder, "author", votes=20)
    assert (ballot.fixed, len(ballot.trials), ballot.next) == (20, 23, 0)
    assert open_ballot(store, folder, "author") == ballot
    assert open_ballot(store, folder, "author", votes=20) == ballot
    with pytest.raises(UsageError, match="begun with 20"):
        open_ballot(store, folder, "author", votes=40)
    fill(store, ballot, wins=3)
    with pytest.raises(UsageError, match="begun with 20"):
        open_ballot(store, folder, "author", votes=40)
    assert open_ballot(store, folder, "author", " ").id == ballot.id
    other = open_ballot(store, folder, "stranger", " Bob\n B. ")
    assert (other.name, other.fixed) == ("Bob B.", 40)
    assert other.trials != ballot.trials
    with pytest.raises(UsageError, match="longer than"):
        open_ballot(store, folder, "author", "x" * 101)


def test_what_a_voter_is_shown_tells_nothing_of_what_it_is(folder: PersonaFolder, store: Store) -> None:
    ballot = open_ballot(store, folder, "author", votes=20)
    shown = show(store, folder, ballot.id)
    assert shown is not None
    assert (shown.number, shown.total) == (1, 23)
    assert shown.prompt[-1]["content"].startswith("what about thing")
    prompts = {prompt.key: prompt for prompt in kept_replies().prompts}
    assert (shown.left, shown.right) == tuple(
        text_of(side, prompts) for side in (ballot.trials[0].left, ballot.trials[0].right)
    )
    assert set(vars(shown)) == {
        "number",
        "total",
        "prompt",
        "left",
        "right",
    }


def test_nothing_is_told_before_the_last_answer(folder: PersonaFolder, store: Store, tmp_path: Path) -> None:
    ballot = open_ballot(store, folder, "author", votes=20)
    for number, trial in enumerate(ballot.trials):
        with pytest.raises(UsageError, match=f"{len(ballot.trials) - number} to go"):
            store.votes.revealed(ballot.id)
        with pytest.raises(UsageError, match="hidden"):
            result(store, ballot.id)
        (row,) = describe(store, folder)
        assert (row["answered"], row["complete"], row["result"]) == (number, False, None)
        assert tally(store, folder) == {
            "author": {
                "votes": 0,
                "preferred": None,
                "low": None,
                "high": None,
                "fixed": 20,
                "complete": False,
                "caught": None,
            }
        }
        assert export_csv(store, folder, tmp_path / "votes.csv") == (0, 1)
        assert (tmp_path / "votes.csv").read_text() == ",".join(CSV_COLUMNS) + "\n"
        assert store.votes.cast(ballot.id, number, choice_of(trial, "real" if trial.catch else "clone"))
    assert store.votes.find(ballot.id).is_complete
    assert show(store, folder, ballot.id) is None
    assert tally(store, folder)["author"]["complete"]
    assert result(store, ballot.id).wins == 20


def test_a_ballot_goes_on_at_the_first_open_trial(workspace: Workspace, folder: PersonaFolder) -> None:
    with Store(workspace.database_url) as store:
        ballot = open_ballot(store, folder, "author", votes=20)
        for number in (0, 1, 3):
            store.votes.cast(ballot.id, number, "left", 1.0)
    with Store(workspace.database_url) as store:
        again = open_ballot(store, folder, "author")
        assert (again.id, again.next, again.trials) == (ballot.id, 2, ballot.trials)
        shown = show(store, folder, again.id)
        assert shown is not None
        assert shown.number == 3


def test_two_windows_cannot_answer_one_trial_twice(workspace: Workspace, folder: PersonaFolder, store: Store) -> None:
    ballot = open_ballot(store, folder, "author", votes=20)

    def answer(choice: str) -> bool:
        with Store(workspace.database_url) as other:
            return other.votes.cast(ballot.id, 0, choice)  # type: ignore[arg-type]

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(answer, ["left", "right", "tie", "left"])) == 1
    assert not store.votes.cast(ballot.id, 0, "tie")
    assert store.votes.find(ballot.id).answered == {0}


def test_two_windows_that_begin_at_once_get_one_ballot(workspace: Workspace, folder: PersonaFolder) -> None:
    def begin(_: int) -> int:
        with Store(workspace.database_url) as store:
            return open_ballot(store, folder, "author").id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(begin, range(4)))) == 1
    with Store(workspace.database_url) as store:
        assert len(store.votes.of("nell")) == 1


def test_what_is_no_answer_is_refused(folder: PersonaFolder, store: Store) -> None:
    ballot = open_ballot(store, folder, "author", votes=20)
    for number, choice in ((-1, "left"), (23, "left"), (0, "clone"), (0, "")):
        with pytest.raises(UsageError):
            store.votes.cast(ballot.id, number, choice)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no longer"):
        store.votes.cast(ballot.id + 1, 0, "left")
    assert store.votes.find(ballot.id).answered == frozenset()


def test_ties_count_half_and_kinds_of_voters_apart(folder: PersonaFolder, store: Store) -> None:
    fill(store, open_ballot(store, folder, "author"), wins=26, ties=3)
    fill(store, open_ballot(store, folder, "stranger", "Bob", votes=20), wins=5)
    fill(store, open_ballot(store, folder, "stranger", "Cy", votes=20), wins=12)
    open_ballot(store, folder, "stranger", "Di", votes=20)
    author, strangers = wilson(27.5, 40), wilson(17, 40)
    assert tally(store, folder) == {
        "author": {
            "votes": 40, "preferred": author["value"], "low": author["low"], "high": author["high"],
            "fixed": 40, "complete": True, "caught": 5,
        },
        "stranger": {
            "votes": 40, "preferred": strangers["value"], "low": strangers["low"], "high": strangers["high"],
            "fixed": 40, "complete": True, "caught": 6,
        },
    }  # fmt: skip
    assert set(tally(store, folder)) < set(VOTERS)


@pytest.mark.parametrize(("passed", "standing", "votes"), [(5, "counted", 40), (4, "counted", 40), (3, "careless", 0)])
def test_who_does_not_read_is_told_and_not_counted(
    folder: PersonaFolder, store: Store, passed: int, standing: str, votes: int
) -> None:
    ballot = fill(store, open_ballot(store, folder, "author"), wins=40, passed=passed)
    (row,) = describe(store, folder)
    assert (row["standing"], row["result"]["passed"], row["result"]["catches"]) == (standing, passed, 5)
    assert result(store, ballot.id).is_careful == (standing == "counted")
    entry = tally(store, folder)["author"]
    assert (entry["votes"], entry["caught"], entry["complete"]) == (votes, passed, True)
    assert (entry["preferred"] is None) == (votes == 0)


def test_votes_on_another_adapter_are_kept_and_told_but_not_counted(folder: PersonaFolder, store: Store) -> None:
    old = fill(store, open_ballot(store, folder, "author"), wins=30)
    broken_off = open_ballot(store, folder, "stranger")
    write_json(folder.adapter / "run.json", {"adapter_sha256": "b" * 64})
    with pytest.raises(MissingStage, match="earlier adapter"):
        open_ballot(store, folder, "author")
    with pytest.raises(MissingStage, match="earlier adapter"):
        show(store, folder, broken_off.id)
    assert tally(store, folder) == {}
    retrain(folder)
    with pytest.raises(MissingStage, match="replaced by a new evaluation"):
        show(store, folder, broken_off.id)
    new = open_ballot(store, folder, "author")
    assert new.id not in (old.id, broken_off.id)
    assert [standing for _, standing in standings(store, folder)] == [
        "another adapter",
        "another adapter",
        "incomplete",
    ]
    fill(store, new, wins=10)
    assert tally(store, folder)["author"]["preferred"] == 0.25
    assert result(store, old.id).wins == 30
    retrain(folder, ADAPTER)
    assert tally(store, folder)["author"]["preferred"] == 0.75


def test_a_second_evaluation_of_the_same_adapter_keeps_what_was_voted(folder: PersonaFolder, store: Store) -> None:
    done = fill(store, open_ballot(store, folder, "author"), wins=30)
    broken_off = open_ballot(store, folder, "stranger")
    fewer = replace(kept_replies(), prompts=kept_replies().prompts[:50])
    fewer.write(folder)
    assert open_ballot(store, folder, "author").id == done.id, "nobody votes again until they like the outcome"
    assert open_ballot(store, folder, "stranger").id != broken_off.id
    assert [standing for _, standing in standings(store, folder)] == ["counted", "earlier replies", "incomplete"]
    assert tally(store, folder)["author"]["preferred"] == 0.75
    replace(fewer, prompted="plain").write(folder)
    assert "author" not in tally(store, folder), "that was another contrast"


def test_only_the_first_complete_ballot_of_a_voter_counts(folder: PersonaFolder, store: Store) -> None:
    first = open_ballot(store, folder, "author", votes=20)
    replace(kept_replies(), prompts=kept_replies().prompts[:50]).write(folder)
    second = fill(store, open_ballot(store, folder, "author", votes=20), wins=20)
    assert tally(store, folder)["author"]["preferred"] == 1.0
    kept_replies().write(folder)
    fill(store, first, wins=0)
    judged = {ballot.id: standing for ballot, standing in standings(store, folder)}
    assert judged == {first.id: "counted", second.id: "again"}
    assert tally(store, folder)["author"] == {**tally(store, folder)["author"], "votes": 20, "preferred": 0.0}


def test_the_votes_as_csv(folder: PersonaFolder, store: Store, tmp_path: Path) -> None:
    ballot = fill(store, open_ballot(store, folder, "acquaintance", "=Bob", votes=20), wins=12, ties=2)
    store.votes.cast(open_ballot(store, folder, "stranger").id, 0, "left")
    path = tmp_path / "votes.csv"
    assert export_csv(store, folder, path) == (23, 1)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert Counter((row["kind"], row["chosen"]) for row in rows) == {
        ("catch", "real"): 3, ("vote", "clone"): 12, ("vote", ""): 2, ("vote", "few_shot"): 6,
    }  # fmt: skip
    for number, (row, trial) in enumerate(zip(rows, ballot.trials, strict=True), start=1):
        assert (int(row["number"]), row["prompt"], row["left"]) == (number, trial.prompt, trial.left.candidate)
        assert row["choice"] == "tie" or row["chosen"] == row[row["choice"]]
    assert {(row["voter"], row["name"], row["standing"], row["seconds"]) for row in rows} == {
        ("acquaintance", "'=Bob", "counted", "2.5")
    }
    assert "omw" not in path.read_text(encoding="utf-8"), "texts stay at home"


def test_deleting_a_persona_deletes_its_votes(workspace: Workspace, folder: PersonaFolder, store: Store) -> None:
    other = voted_on(workspace, "ann")
    for each in (folder, other):
        fill(store, open_ballot(store, each, "author", votes=20), wins=3)
    done = CliRunner().invoke(delete.command, ["nell", "--yes"])
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(workspace.home / "store.sqlite3")) as raw:
        assert raw.execute("select persona, count(*) from ballots group by 1").fetchall() == [("ann", 1)]
        assert raw.execute("select count(*) from votes").fetchone() == (23,)
    assert tally(store, other)["author"]["votes"] == 20


def test_a_persona_deleted_while_somebody_votes(folder: PersonaFolder, store: Store) -> None:
    ballot = open_ballot(store, folder, "author")
    store.forget_persona("nell")
    with pytest.raises(UsageError, match="no longer there"):
        store.votes.cast(ballot.id, 0, "left")
    with pytest.raises(UsageError, match="no longer there"):
        show(store, folder, ballot.id)


def test_a_database_of_an_earlier_version_gets_the_tables(workspace: Workspace, folder: PersonaFolder) -> None:
    workspace.home.mkdir(exist_ok=True)
    with Store(workspace.database_url) as store:
        _, secret = store.create_key("old")
    with closing(sqlite3.connect(workspace.home / "store.sqlite3")) as raw, raw:
        raw.executescript("drop table votes; drop table ballots;")
    with Store(workspace.database_url) as store:
        assert store.accepts(secret) is not None
        fill(store, open_ballot(store, folder, "author", votes=20), wins=15)
        assert tally(store, folder)["author"]["low"] > 0.5


def test_no_text_is_kept_in_the_database(workspace: Workspace, folder: PersonaFolder, store: Store) -> None:
    fill(store, open_ballot(store, folder, "author"), wins=3)
    store.close()
    content = (workspace.home / "store.sqlite3").read_bytes()
    assert b"omw" not in content
    assert b"real words" not in content


def test_a_prompt_s_key_is_its_pair_s() -> None:
    assert KeptPrompt("m1", "chat#0", (), "x", {}).key == "chat#0#m1"
