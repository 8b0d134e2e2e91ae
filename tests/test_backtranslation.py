"""What of a model's answer is taken, what is kept of it, what is asked at all, and how it is put down."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from style_clone.backtranslation import asking, judging
from style_clone.backtranslation.asking import Endpoint
from style_clone.backtranslation.judging import paraphrases, questions, related
from style_clone.backtranslation.run import Account, Tools, backtranslate
from style_clone.backtranslation.tasks import Task, tasks
from style_clone.backtranslation.wording import ask_for_question, question_in, sentence_in
from style_clone.conversation import Pair, write_lines
from style_clone.errors import MissingStage, ServingError, UsageError
from style_clone.pairs.documents.written import Written, chunk_hash, load, rewritable, rewrite_prompt
from style_clone.progress import Event
from style_clone.workspace import PersonaFolder, Workspace
from tests.openai_fake import Answer, FakeOpenAI, fake_openai, saying

TEXT = "The bees moved to the roof in May, and since then nobody here has slept past five in the morning."


@pytest.fixture
def folder(workspace: Workspace) -> PersonaFolder:
    made = workspace.folder("nell")
    made.pairs.mkdir(parents=True)
    return made


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_SECONDS", 0.0)


def pair(text: str, prompt: str = "Write about: bees", **more: Any) -> Pair:
    turns: Any = ({"role": "user", "content": prompt}, {"role": "assistant", "content": text})
    meta = {"id": chunk_hash(text)[:8], "origin": "document", "asked_by": "template", **more}
    return Pair(turns, conversation="c", source="s", channel="x", **meta)


def save(folder: PersonaFolder, **splits: list[Pair]) -> None:
    for name in ("train", "dev", "judge", "test"):
        with folder.split(name).open("w") as file:
            write_lines(file, [each.to_json() for each in splits.get(name, [])])


def embed(texts: Sequence[str]) -> Any:
    """Similarity 0.5 to the first text, or what a text says itself: "(0.95) Why?"."""
    cosines = [1.0, *(float(text[1:5]) if text.startswith("(") else 0.5 for text in texts[1:])]
    return np.array([[cosine, np.sqrt(1 - cosine**2)] for cosine in cosines], np.float32)


def likelihood(prompts: Sequence[str], answer: str) -> list[float]:
    """The more a prompt says of roofs, the likelier."""
    return [prompt.count("roof") - 3.0 for prompt in prompts]


def run(
    folder: PersonaFolder, answer: Answer, wanted: Sequence[Task], candidates: int = 2, **more: Any
) -> tuple[Account, FakeOpenAI]:
    with fake_openai(answer) as fake:
        endpoint = Endpoint.parse(fake.url, "big", "sk-1")
        return backtranslate(folder, wanted, endpoint, Tools(embed, likelihood, candidates), **more), fake


def rows(folder: PersonaFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.backtranslations.read_text().splitlines()]


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("Why did you move the bees?", "Why did you move the bees?"),
        ('The question was: "Why did you move the bees?"', "Why did you move the bees?"),
        ("**Question:** Why did you move the bees? I think so.", "Why did you move the bees?"),
        ('"Why did you move the bees?"\n\nThis is a rhetorical device.', "Why did you move the bees?"),
        ("They were asked: Why did you move the bees?", "Why did you move the bees?"),
        ("\n\n- Tell me about the bees on your roof.", "Tell me about the bees on your roof."),
        ("The bees were moved to the roof.", None),
        ("What is this text about?", None),
        ("What was asked about the bees?", None),
        ("Why?", None),
        ("Why " + "so " * 45 + "?", None),
        ("", None),
    ],
)
def test_the_question_in_an_answer(answer: str, question: str | None) -> None:
    assert question_in(answer) == question


def test_a_sentence_loses_its_label_and_what_follows_it() -> None:
    assert sentence_in('Sentence: "The bees live on the roof now." It is neutral.') == "The bees live on the roof now."


def test_the_text_stands_in_the_last_message_and_examples_before_it() -> None:
    turns = ask_for_question(TEXT)
    assert [turn["role"] for turn in turns[-2:]] == ["assistant", "user"]
    assert TEXT in turns[-1]["content"]
    assert not any(TEXT in turn["content"] for turn in turns[:-1])


def test_why_there_is_no_question() -> None:
    assert questions(["Hm.", "Why the bees?", "Why the bees?"], TEXT) == (["Why the bees?"], "")
    assert questions(["Has nobody here has slept past five in the morning?"], TEXT) == ([], judging.GIVES_AWAY)
    assert questions(["Hm."], TEXT) == ([], judging.NO_QUESTION)


def test_why_there_is_no_paraphrase() -> None:
    good = "Since the bees live above us, everybody wakes up very early."
    assert paraphrases([good, "Bees are loud."], TEXT) == ([good], "")
    assert paraphrases(["Bees are loud."], TEXT) == ([], judging.WRONG_LENGTH)
    assert paraphrases([TEXT], TEXT) == ([], judging.GIVES_AWAY)
    assert paraphrases([], TEXT) == ([], judging.NO_PARAPHRASE)


def test_the_band_has_two_sides() -> None:
    assert related([0.1, 0.5, 0.95]) == ([1], "")
    assert related([0.1, 0.2]) == ([], judging.UNRELATED)
    assert related([0.1, 0.95]) == ([], judging.COPIES)


def test_prompts_are_asked_for_documents_with_a_template_only(folder: PersonaFolder) -> None:
    save(
        folder,
        train=[pair("one a"), pair("two b", asked_by="text"), pair("three c", origin="reply")],
        test=[pair("four d"), pair("one a")],
    )
    assert {task.text for task in tasks(folder, "prompt")} == {"one a", "four d"}
    assert {task.template for task in tasks(folder, "prompt")} == {"Write about: bees"}
    assert tasks(folder, "prompt") == tasks(folder, "prompt")
    assert len(tasks(folder, "prompt", limit=1)) == 1


def test_without_pairs_the_command_that_makes_them_is_named(workspace: Workspace) -> None:
    with pytest.raises(MissingStage, match="style-clone pairs nell"):
        tasks(workspace.folder("nell"), "prompt")


def test_rewrites_are_of_train_only_one_a_pair_and_a_quarter_at_most(folder: PersonaFolder) -> None:
    texts = [" ".join(f"The bees of house {n} are loud{k} and brown today." for n in range(9)) for k in range(8)]
    train = [*map(pair, texts), pair(TEXT, origin="rewrite")]
    save(folder, train=train, dev=[pair(TEXT)])
    found = tasks(folder, "rewrite")
    assert len(found) == 2
    assert all(8 <= len(task.text.split()) <= 40 and any(task.text in text for text in texts) for task in found)
    folder.backtranslations.write_text(json.dumps({"sha256": "x", "kind": "rewrite", "prompt": "kept before"}) + "\n")
    assert len(tasks(folder, "rewrite")) == 1


def test_the_candidate_that_makes_the_text_likeliest_is_kept(folder: PersonaFolder) -> None:
    account, fake = run(
        folder,
        lambda body: saying("Why the bees on the roof?", "Is a roof a roof for bees?"),
        [Task("prompt", TEXT, "Write about: bees")],
    )
    (row,) = rows(folder)
    assert (row["sha256"], row["prompt"], row["model"]) == (chunk_hash(TEXT), "Is a roof a roof for bees?", "big")
    assert (row["similarity"], row["gain"]) == (pytest.approx(0.5), 2)
    assert (account.asked, account.kept, account.examples) == (1, 1, [("Is a roof a roof for bees?", TEXT)])
    assert load(folder) == Written({chunk_hash(TEXT): "Is a roof a roof for bees?"}, {})
    (body,) = fake.bodies
    assert (body["path"], body["model"], body["n"]) == ("/v1/chat/completions", "big", 2)
    assert fake.keys == ["Bearer sk-1"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("(0.10) Why roof?", judging.UNRELATED),
        ("(0.95) Why roof?", judging.COPIES),
        ("Why the bees then?", judging.NO_LIKELIER),
        ("", judging.NO_QUESTION),
    ],
)
def test_what_fails_a_check_is_put_down_as_rejected(
    folder: PersonaFolder, answer: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("style_clone.backtranslation.judging.question_in", lambda text: text or None)
    account, _ = run(folder, lambda body: saying(answer), [Task("prompt", TEXT, "a roof")], 1)
    assert (rows(folder)[0]["prompt"], rows(folder)[0]["reason"]) == (None, reason)
    assert (account.kept, dict(account.rejected)) == (0, {reason: 1})
    assert load(folder) == Written()


def test_what_was_asked_is_not_asked_again_unless_it_was_rejected_and_the_user_says_so(folder: PersonaFolder) -> None:
    save(folder, train=[pair("good text"), pair("bad text")])

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        return saying("Why the roof?" if "good text" in body["messages"][-1]["content"] else "No.")

    run(folder, answer, tasks(folder, "prompt"), 1)
    assert tasks(folder, "prompt") == []
    assert [task.text for task in tasks(folder, "prompt", again=True)] == ["bad text"]
    run(folder, lambda body: saying("Is it a roof?"), tasks(folder, "prompt", again=True), 1)
    assert set(load(folder).prompts.values()) == {"Why the roof?", "Is it a roof?"}


def test_a_paraphrase_near_in_meaning_is_kept_apart_from_prompts(folder: PersonaFolder) -> None:
    near = "(0.80) Since the bees live above us, everybody wakes early."
    run(folder, lambda body: saying(near, near.replace("0.80", "0.50")), [Task("rewrite", TEXT)])
    written = load(folder)
    assert (dict(written.prompts), [*written.paraphrases(TEXT)]) == ({}, [(TEXT, near)])
    assert rewrite_prompt(near).endswith(near)
    account, _ = run(folder, lambda body: saying(near.replace("0.80", "0.60")), [Task("rewrite", TEXT)], 1)
    assert dict(account.rejected) == {judging.OTHER_MEANING: 1}


def test_parts_that_can_be_said_in_other_words() -> None:
    assert rewritable(TEXT) == [TEXT]
    assert rewritable("Too short.") == []
    assert rewritable(f"{TEXT} Yes. {TEXT} {TEXT}") == [TEXT, TEXT, TEXT]


def test_many_are_asked_at_once_and_progress_is_told(folder: PersonaFolder) -> None:
    def slowly(body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.02)
        return saying("Why the roof?")

    told: list[Event] = []
    wanted = [Task("prompt", f"text {n}") for n in range(40)]
    account, fake = run(folder, slowly, wanted, 1, report=told.append)
    assert 8 < fake.most_open <= 32
    assert (account.kept, len(rows(folder))) == (40, 40)
    assert [event.done for event in told] == [*range(1, 41)]
    assert not any("text" in event.text for event in told)


def test_an_endpoint_that_gives_one_answer_at_a_time_is_asked_until_there_are_enough(folder: PersonaFolder) -> None:
    _, fake = run(folder, lambda body: saying("Why?"), [Task("prompt", TEXT)], 3)
    assert [body["n"] for body in fake.bodies] == [3, 2, 1]


def test_a_busy_endpoint_is_asked_again(folder: PersonaFolder) -> None:
    replies = iter([(429, {}), (503, b"starting"), saying("Why the roof?", "Why?")])
    account, _ = run(folder, lambda body: next(replies), [Task("prompt", TEXT)])
    assert account.kept == 1


def test_an_endpoint_with_the_newer_name_for_the_limit(folder: PersonaFolder) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        return (400, b"use max_completion_tokens") if "max_tokens" in body else saying("Why the roof?", "Hm.")

    account, fake = run(folder, answer, [Task("prompt", "text a"), Task("prompt", "text b")])
    assert account.kept == 2
    assert all("max_completion_tokens" in body for body in fake.bodies if "max_tokens" not in body)


@pytest.mark.parametrize(
    ("reply", "problem", "mend"),
    [
        ((401, {}), "refuses the key", "OPENAI_API_KEY"),
        ((404, {}), "no model 'big'", "--model"),
        ((422, {}), "status 422", "--endpoint"),
        ((200, b"<html>"), "OpenAI's wire format", "/v1"),
        ((200, {"ok": 1}), "OpenAI's wire format", "/v1"),
        ((503, {}), "does not answer: status 503", "kept"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_told_plainly(
    folder: PersonaFolder, reply: tuple[int, Any], problem: str, mend: str
) -> None:
    with pytest.raises(ServingError, match=problem) as caught:
        run(folder, lambda body: reply, [Task("prompt", TEXT)])
    assert mend in caught.value.mend
    assert TEXT not in str(caught.value)


def test_what_was_done_before_an_error_is_kept_and_a_torn_line_does_no_harm(folder: PersonaFolder) -> None:
    replies = iter([saying("Why the roof?"), (401, {})])
    wanted = [Task("prompt", "first"), Task("prompt", "second")]
    with pytest.raises(ServingError), pytest.MonkeyPatch.context() as patch:
        patch.setattr("style_clone.backtranslation.run.AT_ONCE", 1)
        run(folder, lambda body: next(replies), wanted, 1)
    assert load(folder).prompts == {chunk_hash("first"): "Why the roof?"}
    with folder.backtranslations.open("a") as file:
        file.write('{"sha256": "torn", "pro')
    run(folder, lambda body: saying("Is it a roof?"), wanted[1:], 1)
    assert load(folder).prompts == {chunk_hash("first"): "Why the roof?", chunk_hash("second"): "Is it a roof?"}


def test_nobody_at_the_address(folder: PersonaFolder) -> None:
    with pytest.raises(ServingError, match="does not answer"):
        backtranslate(folder, [Task("prompt", TEXT)], Endpoint("http://127.0.0.1:9", "m"), Tools(embed, likelihood))


@pytest.mark.parametrize(
    ("url", "whole", "is_loopback"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", True),
        ("localhost:8000/v1/", "http://localhost:8000/v1", True),
        ("https://api.example.com/openai/v1/chat/completions", "https://api.example.com/openai/v1", False),
        ("http://[::1]:8000", "http://[::1]:8000/v1", True),
        ("http://192.168.1.7:8000/v1", "http://192.168.1.7:8000/v1", False),
    ],
)
def test_how_an_endpoint_is_named(url: str, whole: str, is_loopback: bool) -> None:
    endpoint = Endpoint.parse(url, "m")
    assert (endpoint.url, endpoint.is_loopback) == (whole, is_loopback)


def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(UsageError, match="--endpoint"):
        Endpoint.parse("ftp://example.com", "m")
