"""`style-clone bench` against a gateway and an engine whose speed is known."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from style_clone.conversation import Turn, write_lines
from style_clone.errors import ServingError
from style_clone.progress import EVENTS_VARIABLE, Event, read_events
from style_clone.serving.bench import Answer, Bench, Target, held_out, summed_up
from style_clone.workspace import PersonaFolder, Workspace, atomic_file
from tests.ready_pairs import pair
from tests.serving_http import Place, served, wait_for

GAP_MS, FIRST_MS = 20, 100
ASKED: list[list[Turn]] = [[{"role": "user", "content": "hello"}]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("bench") / "home"
    with served(Workspace(home), "--gap", str(GAP_MS), "--first", str(FIRST_MS)) as place:
        yield place


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "style_clone", "bench", *options]


def environment(place: Place) -> dict[str, str]:
    return {**os.environ, "STYLE_CLONE_URL": place.url, "STYLE_CLONE_API_KEY": place.key}


def bench(place: Place, *options: str) -> subprocess.CompletedProcess[str]:
    env = environment(place)
    return subprocess.run(command(*options), capture_output=True, text=True, check=False, env=env, timeout=120)


def test_the_numbers_are_the_engine_s(place: Place) -> None:
    done = bench(place, "ann", "--users", "1,4", "--tokens", "10", "--requests", "8", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["tokens"]) == ("ann", 10)
    one, four = found["rows"]
    assert [row["users"] for row in (one, four)] == [1, 4]
    seconds = (FIRST_MS + 9 * GAP_MS) / 1000
    for row in (one, four):
        assert (row["requests"], row["errors"]) == (8, {})
        assert FIRST_MS <= row["first_ms_median"] <= row["first_ms_p95"]
        assert row["first_ms_median"] < 3 * FIRST_MS
        assert row["tokens_per_second_user"] <= 10 / seconds
    assert one["tokens_per_second"] <= 10 / seconds
    assert 2 < four["tokens_per_second"] / one["tokens_per_second"] < 5


def test_the_table_has_a_line_for_each_number_of_users(place: Place) -> None:
    done = bench(place, "tiny-base", "--users", "2, 3", "--tokens", "3", "--requests", "6")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "tiny-base" in lines[0]
    assert "first token, ms" in lines[1]
    assert [line.split()[:2] for line in lines[3:]] == [["2", "6"], ["3", "6"]]
    assert "2 users: 100%" in done.stderr


def test_a_model_that_is_not_there_is_told(place: Place) -> None:
    done = bench(place, "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nobody does not answer: 404" in done.stderr
    assert "ann@prompted" in done.stderr


@pytest.mark.parametrize("users", ["", "0", "1,x", "1,,2", "-4", "1000000"])
def test_users_are_numbers(place: Place, users: str) -> None:
    done = bench(place, "ann", "--users", users)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--users" in done.stderr


def test_an_interruption_prints_what_there_is(place: Place, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    process = subprocess.Popen(
        command("ann", "--users", "1,2", "--tokens", "5", "--requests", "40", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(place), EVENTS_VARIABLE: str(events)},
    )
    wait_for(lambda: len(list(read_events(events))) >= 3, 30)
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=30)
    assert process.returncode == 130, complaint
    (row,) = json.loads(said)["rows"]
    assert 3 <= row["requests"] < 40
    assert row["tokens_per_second"] > 0
    assert "Traceback" not in complaint


def test_what_fails_at_once_is_told(place: Place) -> None:
    events: list[Event] = []
    measured = Bench(Target(place.url, place.key, "ann", 4), ASKED)
    asyncio.run(measured.run([2], 4, events.append))
    assert [event.done for event in events] == [1, 2, 3, 4]
    wrong = Bench(Target(place.url, "sc-wrong", "ann", 4), ASKED)
    with pytest.raises(ServingError, match="401 invalid_api_key"):
        asyncio.run(wrong.run([1]))
    nowhere = Bench(Target("http://127.0.0.1:9", None, "ann", 4), ASKED)
    with pytest.raises(ServingError, match="ConnectError"):
        asyncio.run(nowhere.run([1]))


def test_errors_are_counted_by_what_they_say(workspace: Workspace) -> None:
    with served(workspace, "--gap", "50") as place:
        assert place.vllm is not None
        vllm, measured = place.vllm, Bench(Target(place.url, place.key, "tiny-base", 40), ASKED)
        asyncio.run(measured.run([2], 4, lambda event: vllm.kill() if event.done == 2 else None))
        (row,) = measured.rows
        assert row.requests == 4
        assert sum(row.errors.values()) == 2
        assert set(row.errors) <= {"engine_unavailable", "503 engine_unavailable"}


def test_a_row_sums_up_its_answers() -> None:
    answers = [Answer(0.1 * number, 1.0, 10) for number in range(1, 21)]
    row = summed_up(4, [*answers, Answer(error="429 rate_limit_exceeded"), Answer(error="429 rate_limit_exceeded")], 8)
    assert (row.users, row.requests, row.errors) == (4, 22, {"429 rate_limit_exceeded": 2})
    assert row.first_ms_median == pytest.approx(1050)
    assert row.first_ms_p95 == pytest.approx(1900)
    assert (row.tokens_per_second, row.tokens_per_second_user) == (25, 10)
    none = summed_up(1, [Answer(error="x")], 1)
    assert math.isnan(none.first_ms_median)
    assert none.to_json()["first_ms_median"] is None
    assert none.tokens_per_second == 0


def test_a_persona_s_held_out_messages_are_asked(workspace: Workspace) -> None:
    plain = held_out(workspace, "smollm2-135m")
    assert all(turns[-1]["role"] == "user" for turns in plain)
    assert held_out(workspace, "../me") == held_out(workspace, "me") == plain
    folder = workspace.folder("me")
    keep(folder, "dev", 3)
    assert len(held_out(workspace, "me")) == 3
    keep(folder, "test", 200)
    asked = held_out(workspace, "me@prompted")
    assert len(asked) == 64
    assert asked[1] == [{"role": "user", "content": "test question 3"}]


def keep(folder: PersonaFolder, split: Any, count: int) -> None:
    pairs = [pair(f"{split} question {number}", "reply", conversation=f"c{number}") for number in range(count)]
    with atomic_file(folder.split(split)) as file:
        write_lines(file, [each.to_json() for each in pairs])
