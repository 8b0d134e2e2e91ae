"""The fifth step's handlers: a ballot trial by trial, and in the end what came of it; nothing before."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest

from style_clone.errors import MissingStage, PersonaNotFound, UsageError
from style_clone.evaluate import blind
from style_clone.evaluate.trials import LEAST_VOTES, MOST_VOTES
from style_clone.store import Store
from style_clone.ui.handlers.voting import View, answer, enter
from style_clone.ui.views import voting
from style_clone.ui.vote_markup import arena, outcome
from style_clone.votes import VOTERS, Ballot
from style_clone.workspace import PersonaFolder, Workspace
from tests.kept_replies import NASTY, choice_of, fill, retrain, voted_on, with_writing

GIVEN_AWAY = ("clone", "few_shot", "prompt", "plain", "preferred", "catch", 'real"')


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    return voted_on(workspace)


def begin(workspace: Workspace, voter: str = "author", votes: int | None = 20, name: str = "") -> View:
    return enter(workspace, workspace.database_url, "nell", voter, name, votes)


def ballot_of(workspace: Workspace, view: View) -> Ballot:
    assert view.booth is not None
    with Store(workspace.database_url) as store:
        return store.votes.find(view.booth.ballot)


def finished(workspace: Workspace, voter: str, wins: int, name: str = "", passed: int = 99) -> View:
    ballot = ballot_of(workspace, begin(workspace, voter, name=name))
    with Store(workspace.database_url) as store:
        fill(store, ballot, wins=wins, passed=passed)
    return begin(workspace, voter, name=name)


class Tags(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_form_offers_what_there_is() -> None:
    assert tuple(kind for _, kind in voting.VOTERS) == VOTERS
    numbers = [number for _, number in voting.NUMBERS if number]
    assert (min(numbers), max(numbers)) == (LEAST_VOTES, MOST_VOTES)


def test_a_ballot_from_the_first_trial_to_the_result(workspace: Workspace, folder: PersonaFolder) -> None:
    view = begin(workspace)
    ballot = ballot_of(workspace, view)
    for number, trial in enumerate(ballot.trials, start=1):
        assert view.booth is not None
        assert f"{number} of 23" in view.html
        assert f'data-number="{number}"' in view.html
        assert not [word for word in GIVEN_AWAY if word in view.html], "it tells what a reply is, or how it stands"
        choice = choice_of(trial, "real" if trial.catch else "clone")
        view = answer(workspace, workspace.database_url, view.booth, number, choice)
    assert view.booth is None
    assert "preferred in 20 of 20: 100%" in view.html
    assert "3 of 3 passed" in view.html
    assert "This ballot" in view.html
    assert "Authors" not in view.html
    with Store(workspace.database_url) as store:
        votes = store.votes.revealed(ballot.id)
    assert all(vote.seconds is not None and 0 <= vote.seconds < 60 for vote in votes)


def test_what_is_shown_is_escaped_and_alike_on_both_sides(workspace: Workspace, folder: PersonaFolder) -> None:
    html = begin(workspace).html
    assert NASTY not in html
    assert "&lt;img" in html
    tags = Tags(html)
    assert "img" not in {tag for tag, _ in tags.found}
    buttons = [attributes for tag, attributes in tags.found if tag == "button"]
    assert [button["data-choice"] for button in buttons] == ["left", "right", "tie"]
    assert [sorted(button) for button in buttons[:2]] == [["class", "data-choice", "type"]] * 2
    assert buttons[0]["class"] == buttons[1]["class"]
    assert "Which did you write?" in html
    assert "Which did Nell Quayle write?" in begin(workspace, "stranger").html


def test_strangers_are_shown_how_the_author_writes(workspace: Workspace, folder: PersonaFolder) -> None:
    assert "sc-writing" not in begin(workspace, "stranger", name="before there are pairs").html
    with_writing(
        folder, ["ok", *(f"a reply of some length {number}" for number in range(9)), f"well {NASTY} well\nwell"]
    )
    first = begin(workspace, "stranger")
    texts = blind.writing(folder)
    assert len(texts) == blind.SHOWN
    assert "ok" not in texts, "there are longer ones"
    assert all(escape(text.splitlines()[0]) in first.html for text in texts)
    assert '<details class="sc-writing" open>' in first.html
    assert NASTY not in first.html
    booth = first.booth
    assert booth is not None
    assert '<details class="sc-writing">' in answer(workspace, workspace.database_url, booth, 1, "left").html
    for voter in ("author", "acquaintance"):
        assert "sc-writing" not in begin(workspace, voter).html


def test_two_windows_answer_a_trial_once(workspace: Workspace, folder: PersonaFolder) -> None:
    first, second = begin(workspace), begin(workspace)
    assert first.html == second.html
    assert first.booth is not None
    assert second.booth is not None
    one = answer(workspace, workspace.database_url, first.booth, 1, "left")
    two = answer(workspace, workspace.database_url, second.booth, 1, "right")
    assert one.html == two.html
    assert 'data-number="2"' in two.html
    assert ballot_of(workspace, two).answered == {0}


def test_a_ballot_goes_on_and_keeps_its_number(workspace: Workspace, folder: PersonaFolder) -> None:
    view = begin(workspace, votes=30)
    assert view.booth is not None
    answer(workspace, workspace.database_url, view.booth, 1, "tie")
    assert "2 of 34" in begin(workspace, votes=None).html
    with pytest.raises(UsageError, match="begun with 30"):
        begin(workspace, votes=20)


def test_the_time_of_an_answer_is_kept_only_for_the_trial_that_was_put_up(
    workspace: Workspace, folder: PersonaFolder
) -> None:
    view = begin(workspace)
    assert view.booth is not None
    answer(workspace, workspace.database_url, replace(view.booth, since=view.booth.since - 7), 1, "left")
    answer(workspace, workspace.database_url, view.booth, 2, "left")
    ballot = ballot_of(workspace, view)
    with Store(workspace.database_url) as store:
        fill(store, ballot)
        seconds = [vote.seconds for vote in store.votes.revealed(ballot.id)]
    assert seconds[0] is not None
    assert 7 <= seconds[0] < 60
    assert seconds[1] is None


def test_results_of_several_voters_stand_together(workspace: Workspace, folder: PersonaFolder) -> None:
    finished(workspace, "author", 15)
    html = finished(workspace, "stranger", 5, "Bob").html
    assert re.findall(r"<span>((?:This|Authors|Strangers)[^<]*)<", html) == [
        "This ballot",
        "Authors, 20 votes",
        "Strangers, 20 votes",
    ]
    assert "Strangers, 40 votes" in finished(workspace, "stranger", 6, "Cy").html
    careless = finished(workspace, "stranger", 20, "Di", passed=1).html
    assert "Too many of those were missed" in careless
    assert "Strangers, 40 votes" in careless


def test_what_is_missing_is_told(workspace: Workspace, folder: PersonaFolder) -> None:
    url = workspace.database_url
    view = begin(workspace)
    assert view.booth is not None
    with pytest.raises(UsageError):
        answer(workspace, url, view.booth, 1, "clone")
    with pytest.raises(UsageError):
        answer(workspace, url, view.booth, 99, "left")
    with pytest.raises(UsageError):
        enter(workspace, url, "nell", "friend", "", None)
    with pytest.raises(MissingStage, match="nobody to vote on"):
        enter(workspace, url, None, "author", "", None)
    with pytest.raises(PersonaNotFound):
        enter(workspace, url, "bob", "author", "", None)
    retrain(folder)
    with pytest.raises(MissingStage, match="new evaluation"):
        answer(workspace, url, view.booth, 1, "left")
    folder.replies.unlink()
    with pytest.raises(MissingStage, match="style-clone evaluate nell"):
        begin(workspace, "stranger")


def test_the_interval_is_drawn_where_it_is() -> None:
    html = outcome("T<", ["a & b"], {"X": {"value": 0.66, "low": 0.51, "high": 0.79}})
    assert 'style="left:51.0%;width:28.0%"' in html
    assert 'style="left:66.0%"' in html
    assert 'aria-label="X: 66%, 95% interval 51% to 79%"' in html
    assert "T&lt;" in html
    assert "a &amp; b" in html


def test_a_trial_without_a_conversation_has_no_empty_box() -> None:
    assert "sc-turns" not in arena(1, 3, (), ("a", "b"), "Nell", "Which?")
    turns = tuple({"role": "user", "content": f"turn {number}"} for number in range(9))
    html = arena(1, 3, turns, ("a", "b\nc"), "Nell", "Which?")  # type: ignore[arg-type]
    assert "turn 2" not in html
    assert "turn 3" in html
    assert "<i>b</i><i>c</i>" in html
