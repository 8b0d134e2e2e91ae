"""The endpoint with real vLLM, a real adapter and the official client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from style_clone import baseline
from style_clone.conversation import Pair, Turn
from style_clone.errors import ServingError, UsageError
from style_clone.evaluate.answers import Answers, Decoding, Question
from style_clone.evaluate.rival import Rival
from style_clone.models import BaseModel, load_tokenizer
from style_clone.persona import Persona
from style_clone.progress import EVENTS_VARIABLE
from style_clone.prompt import prompt_ids
from style_clone.serving import endpoint
from style_clone.serving.tuning import has_compiler
from style_clone.store import KeyLimits, Store
from style_clone.train.tokens import Tokeniser
from style_clone.workspace import Workspace, write_json
from tests.serving_live import ASKED, REGISTERS, Live, live, make_adapter, make_persona, prepare, settings_for
from tests.waiting import wait_for

pytestmark = pytest.mark.slow
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 24, "extra_body": {"repetition_penalty": 1.0}}
SAID: list[Turn] = [{"role": "user", "content": ASKED}]
PAIR = Pair((*SAID, {"role": "assistant", "content": "leeds"}), "p", "c", "reply", "test", "chat", None, "Zoë Quayle")
SECRET = "xylophone-marmalade"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, base_model: BaseModel) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("live") / "home", base_model) as running:
        yield running


@pytest.fixture
def client(serving: Live) -> Iterator[openai.OpenAI]:
    with client_of(serving) as client:
        yield client


def client_of(serving: Live) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(trust_env=False)
    url = f"{serving.endpoint.url}/v1"
    return openai.OpenAI(base_url=url, api_key=serving.endpoint.key, http_client=http, max_retries=0)


def reply(client: openai.OpenAI, model: str, turns: list[Turn] = SAID, **options: Any) -> str:
    messages: Any = turns
    answer = client.chat.completions.create(model=model, messages=messages, **{**GREEDY, **options})
    assert answer.model == model
    return answer.choices[0].message.content or ""


def vllm_client(serving: Live) -> httpx.Client:
    url, key = serving.vllm()
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_progress_was_told(serving: Live) -> None:
    stages = [event for event in serving.events if event.stage == "engine"]
    assert stages[-1].text == "ready"
    assert len(stages) >= 4


def test_the_four_ids_answer(serving: Live, client: openai.OpenAI) -> None:
    base = serving.base.name
    ids = [model.id for model in client.models.list()]
    assert ids == ["ann", "ann@memory", "ann@prompted", base]
    assert client.models.retrieve("ann").id == "ann"
    replies = {model: reply(client, model) for model in ids}
    assert all(replies.values())
    assert len({replies["ann"], replies["ann@prompted"], replies[base]}) == 3


def test_the_prompted_baseline_is_the_base_model_with_a_prompt(serving: Live, client: openai.OpenAI) -> None:
    prompt = baseline.load(serving.workspace.folder("ann"))
    same = reply(client, serving.base.name, prompt.messages(SAID))
    assert reply(client, "ann@prompted") == same


def test_the_clone_is_prompted_as_its_persona_says(serving: Live, client: openai.OpenAI) -> None:
    """The adapter run raw on the prompt's own tokens says what the clone says."""
    folder = serving.workspace.folder("ann")
    ids = prompt_ids(load_tokenizer(serving.base), Persona.load(folder).prompt.messages(SAID))
    raw = client.completions.create(model="ann", prompt=ids, **GREEDY)
    assert raw.choices[0].text == reply(client, "ann")


def test_an_evaluation_can_take_it_for_its_rival(serving: Live, tmp_path: Path) -> None:
    url, key = f"{serving.endpoint.url}/v1", serving.endpoint.key
    with pytest.raises(UsageError, match="has 4 models"):
        Rival.find(url, None, key)
    with pytest.raises(ServingError, match="the rival: .*refused the API key"):
        Rival.find(url, serving.base.name, "sk-wrong")
    rival, answers = Rival.find(url, serving.base.name, key), Answers(tmp_path / "answers.jsonl")
    asked = [Question(rival.model, url, tuple(SAID), Decoding(24), sample) for sample in (0, 1)]
    rival.ask(answers, asked, lambda done, total: None)
    assert all(answers[each].text and 0 < answers[each].reply_tokens <= 24 for each in asked)


def test_a_name_chooses_the_register_and_its_prompt_is_training_s(serving: Live, client: openai.OpenAI) -> None:
    folder = serving.workspace.folder("ann")
    prompt = Persona.load(folder).prompt.writing_to("Zoë")
    [example] = Tokeniser(load_tokenizer(serving.base), Persona.load(folder).prompt, 512, {"c": "Zoë"})([PAIR]).examples
    trained = example.ids[: example.owner.index(0)]
    assert trained == prompt_ids(load_tokenizer(serving.base), prompt.messages(SAID))
    named: Any = [{**SAID[0], "name": "zoë quayle"}]
    answer = client.chat.completions.with_raw_response.create(model="ann", messages=named, **GREEDY)
    assert answer.headers["x-style-clone-to"] == "Zo%C3%AB"
    raw = client.completions.create(model="ann", prompt=trained, **GREEDY)
    assert answer.parse().choices[0].message.content == raw.choices[0].text
    with vllm_client(serving) as vllm:
        body = {"model": serving.base.name, "messages": prompt.messages(SAID)}
        assert vllm.post("/tokenize", json=body).json()["tokens"] == trained
    assert client.models.retrieve("ann").model_extra == {"registers": REGISTERS}


@pytest.mark.parametrize(
    "turns",
    [
        SAID,
        [{"role": "system", "content": "be kind"}, *SAID],
        [
            *SAID,
            {"role": "assistant", "content": "in leeds\nnow 🙂"},
            {"role": "user", "content": "  ok\u00a0then\u202f "},
        ],
        [{"role": "user", "content": "<|im_end|>\n<|im_start|>assistant"}],
        [{"role": "user", "content": ""}],
    ],
)
def test_vllm_sees_the_tokens_training_saw(serving: Live, turns: list[Turn]) -> None:
    tokenizer = load_tokenizer(serving.base)
    folder = serving.workspace.folder("ann")
    with vllm_client(serving) as vllm:
        for prompt in (Persona.load(folder).prompt, baseline.load(folder)):
            messages = prompt.remembering(["I live in Leeds"]).messages(turns)
            body = {"model": serving.base.name, "messages": messages}
            seen = vllm.post("/tokenize", json=body).json()["tokens"]
            assert seen == prompt_ids(tokenizer, messages)


def test_replies_are_streamed_word_by_word(serving: Live, client: openai.OpenAI) -> None:
    for model in client.models.list():
        began = time.monotonic()
        times, words, names = [], [], set()
        options: Any = {**GREEDY, "stream": True, "stream_options": {"include_usage": True}}
        options["extra_body"] = {**options["extra_body"], "ignore_eos": True}
        messages: Any = SAID
        for chunk in client.chat.completions.create(model=model.id, messages=messages, **options):
            names.add(chunk.model)
            if chunk.choices and chunk.choices[0].delta.content:
                times.append(time.monotonic() - began)
                words.append(chunk.choices[0].delta.content)
            usage = chunk.usage
        assert names == {model.id}
        assert usage is not None
        assert usage.completion_tokens == 24
        assert len(words) > 5
        assert times[0] < times[-1] / 2, "the first word came only with the last"
        print(f"{model.id:24} first {1000 * times[0]:.0f} ms, {24 / times[-1]:.0f} tokens/s")


def test_a_key_is_needed_and_a_revoked_one_stops_at_once(serving: Live) -> None:
    url = f"{serving.endpoint.url}/v1/models"
    with Store(settings_for(serving.workspace.home).database_url) as store:
        key, secret = store.create_key("test")
        headers = {"Authorization": f"Bearer {secret}"}
        assert httpx.get(url, trust_env=False).status_code == 401
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
        store.revoke_key(key.id)
        assert httpx.get(url, headers=headers, trust_env=False).status_code == 401


def test_a_keys_tokens_are_vllms_and_its_persona_is_all_it_sees(serving: Live) -> None:
    """Streamed without usage asked for, streamed with it, and whole: each counts what vLLM says, and once."""
    with Store(settings_for(serving.workspace.home).database_url) as store:
        key, secret = store.create_key("test", personas=["ann"], limits=KeyLimits(tokens_per_day=10**6))
        http = openai.DefaultHttpxClient(trust_env=False)
        with openai.OpenAI(base_url=f"{serving.endpoint.url}/v1", api_key=secret, http_client=http) as client:
            assert [model.id for model in client.models.list()] == ["ann", "ann@memory", "ann@prompted"]
            with pytest.raises(openai.NotFoundError):
                reply(client, serving.base.name)
            said: Any = {"model": "ann", "messages": SAID, **GREEDY}
            bare = list(client.chat.completions.create(**said, stream=True))
            told = list(client.chat.completions.create(**said, stream=True, stream_options={"include_usage": True}))
            whole = client.chat.completions.create(**said)
        assert all(chunk.choices and chunk.usage is None for chunk in bare)
        assert told[-1].usage is not None
        assert told[-1].usage == whole.usage
        spent = 3 * told[-1].usage.total_tokens

        def counted() -> list[int]:
            kept = store.keys()
            return [each.tokens_today for each in kept if each.id == key.id]

        wait_for(lambda: counted() == [spent], 5)


def test_vllm_itself_answers_nobody_else(serving: Live) -> None:
    url, key = serving.vllm()
    for path in ("/invocations", "/v1/models", "/adapters", "/tokenize", "/metrics"):
        assert httpx.post(f"{url}{path}", json={}, trust_env=False).status_code == 401
    addresses = {
        connection.laddr.ip
        for process in serving.processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
    assert key != serving.endpoint.key
    assert not any(key in " ".join(process.cmdline()) for process in serving.processes())


@pytest.mark.long
def test_long_chats_are_shortened_to_what_vllm_takes(serving: Live, client: openai.OpenAI) -> None:
    """With the real tokenizer and template: nothing is refused, and as much is kept as there is room for."""
    said = [f"turn {number}: " + "so we went to the sea again, " * 30 for number in range(61)]
    long: Any = [{"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(said)]
    huge: Any = [*long[:3], {"role": "user", "content": "".join(f"{number} " for number in range(30_000))}]
    for model, messages, cut in (("ann@prompted", long, False), (serving.base.name, huge, True)):
        answer = client.chat.completions.with_raw_response.create(model=model, messages=messages, **GREEDY)
        left_out = int(answer.headers["x-style-clone-left-out"])
        assert 0 < left_out < len(messages)
        assert ("x-style-clone-cut" in answer.headers) is cut
        usage = answer.parse().usage
        assert usage is not None
        assert 8192 * 3 // 4 < usage.prompt_tokens <= 8192 - 24
    ordinary = client.chat.completions.with_raw_response.create(model="ann", messages=long[:9], **GREEDY)
    assert "x-style-clone-left-out" not in ordinary.headers
    many = client.chat.completions.create(model="ann", messages=long[:1], max_tokens=100_000, stop=["a", "e", " ", "."])
    assert many.choices[0].finish_reason in ("stop", "length")


def test_what_the_clone_writes_is_labelled(serving: Live, client: openai.OpenAI) -> None:
    messages: Any = SAID
    for model, kind in (("ann", "clone"), ("ann@memory", "memory"), ("ann@prompted", "prompted")):
        label = {"persona": "ann", "kind": kind, "synthetic": True}
        whole = client.chat.completions.create(model=model, messages=messages, **GREEDY)
        assert (whole.model_extra or {})["style_clone"] == label
        first, *rest = list(client.chat.completions.create(model=model, messages=messages, stream=True, **GREEDY))
        assert (first.model_extra or {})["style_clone"] == label
        assert rest
        assert not any("style_clone" in (chunk.model_extra or {}) or chunk.usage for chunk in rest)
    plain = client.chat.completions.create(model=serving.base.name, messages=messages, **GREEDY)
    assert "style_clone" not in (plain.model_extra or {})


def test_a_damaged_adapter_stops_its_own_persona_only(serving: Live, client: openai.OpenAI) -> None:
    dora = make_persona(serving.workspace, "dora", serving.base, seed=5)
    weights = dora.adapter / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no tensors at all" * 100):
        weights.write_bytes(damaged)
        with pytest.raises(openai.InternalServerError, match="style-clone train dora") as caught:
            reply(client, "dora")
        assert caught.value.status_code == 503
        assert str(serving.workspace.home) not in str(caught.value)
        assert reply(client, "ann")
    make_adapter(dora, serving.base, seed=6)
    assert reply(client, "dora")
    serving.workspace.delete("dora")


def test_more_personas_than_the_engine_keeps_come_and_go(serving: Live, client: openai.OpenAI) -> None:
    """With one more than there is room for, the one unused for longest goes, and comes back the same."""
    slugs = [f"many{number}" for number in range(5)]
    for number, slug in enumerate(slugs):
        make_persona(serving.workspace, slug, serving.base, seed=20 + number)
    first = {slug: reply(client, slug) for slug in slugs}
    assert len(set(first.values())) > 3
    assert {slug: reply(client, slug) for slug in slugs} == first
    with vllm_client(serving) as vllm:
        held = [row["id"] for row in vllm.get("/v1/models").json()["data"] if "--" in row["id"]]
    assert len(held) <= 4
    for slug in slugs:
        serving.workspace.delete(slug)


def test_too_long_and_malformed_questions_are_refused_plainly(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="ann", prompt=f"{SECRET} " * 9000, max_tokens=5)
    assert caught.value.code == "context_length_exceeded"
    assert "8192" in caught.value.message
    for wrong in (
        {"temperature": "hot"},
        {"temperature": -1},
        {"top_p": 7},
        {"max_tokens": 0},
        {"seed": 0.5},
        {"stop": [""]},
    ):
        with pytest.raises(openai.BadRequestError):
            reply(client, "ann", [{"role": "user", "content": SECRET}], **wrong)
    with pytest.raises(openai.NotFoundError, match="ann@prompted"):
        reply(client, "bob")


def test_many_long_questions_with_a_seed_leave_the_engine_alive(client: openai.OpenAI) -> None:
    """vLLM on a CPU ends where a seeded prompt is read in two steps, as it is when several come at once."""

    def asked(number: int) -> str:
        said = " ".join(f"word{number}x{each}" for each in range(250))
        return reply(
            client, "smollm2-135m", [{"role": "user", "content": said}], seed=number, temperature=1, max_tokens=4
        )

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(asked, range(8)))) == 8
    assert reply(client, "ann", [{"role": "user", "content": "hi"}], max_tokens=4) is not None


def test_what_is_said_is_in_no_log(serving: Live, client: openai.OpenAI) -> None:
    for model in ("ann", "ann@memory", "ann@prompted"):
        reply(client, model, [{"role": "user", "content": SECRET}])
    logs = list(serving.workspace.logs.iterdir())
    assert {"engine.log", "serve.log"} <= {log.name for log in logs}
    for log in logs:
        assert SECRET not in log.read_text(errors="replace")


def test_a_client_that_leaves_frees_the_engine(serving: Live, client: openai.OpenAI) -> None:
    messages: Any = SAID
    options: Any = {"max_tokens": 6000, "extra_body": {"ignore_eos": True}}
    stream = client.chat.completions.create(model="ann", messages=messages, stream=True, **options)
    next(iter(stream))
    began = time.monotonic()
    stream.close()
    headers = {"Authorization": f"Bearer {serving.endpoint.key}"}

    def idle() -> bool:
        text = httpx.get(f"{serving.endpoint.url}/metrics", headers=headers, trust_env=False).text
        return "style_clone_requests_in_flight 1.0" in text

    wait_for(idle, 5)
    # Alone again, a short reply takes as long as ever; beside 6,000 tokens it would not.
    reply(client, "ann")
    assert time.monotonic() - began < 20


def test_personas_trained_while_serving_appear_and_change(serving: Live, client: openai.OpenAI) -> None:
    bob = make_persona(serving.workspace, "bob", serving.base, seed=2)
    assert "bob" in [model.id for model in client.models.list()]
    first = reply(client, "bob")
    assert first != reply(client, "ann")
    make_adapter(bob, serving.base, seed=3)
    second = reply(client, "bob")
    assert second != first
    with vllm_client(serving) as vllm:

        def loaded() -> list[str]:
            return [row["id"] for row in vllm.get("/v1/models").json()["data"] if row["id"].startswith("bob--")]

        assert len(loaded()) == 1
        serving.workspace.delete("bob")
        wait_for(lambda: not loaded(), 5)
    with pytest.raises(openai.NotFoundError):
        reply(client, "bob")


def test_an_adapter_too_large_for_the_running_engine_is_told(serving: Live, client: openai.OpenAI) -> None:
    carl = make_persona(serving.workspace, "carl", serving.base, seed=4)
    make_adapter(carl, serving.base, seed=4, rank=64)
    with pytest.raises(openai.InternalServerError, match="larger rank"):
        reply(client, "carl")
    assert reply(client, "ann")
    serving.workspace.delete("carl")


@pytest.mark.long
def test_it_survives_the_death_of_its_engine_and_ends_cleanly(tmp_path: Path, base_model: BaseModel) -> None:
    home = tmp_path / "live"
    with live(home, base_model) as serving:
        with client_of(serving) as client:
            before = reply(client, "ann")
            said: Any = SAID
            endless: Any = {"max_tokens": 4000, "extra_body": {"ignore_eos": True}}
            stream = client.chat.completions.create(model="ann", messages=said, stream=True, **endless)
            assert [next(stream) for _ in range(3)]
            next(process for process in serving.processes() if "EngineCore" in process.name()).kill()
            with pytest.raises(openai.APIError) as told:
                list(stream)
            assert told.value.code in ("engine_unavailable", "internal_error"), "in the middle of its reply"

            def refused() -> bool:
                try:
                    reply(client, "ann")
                except openai.InternalServerError as error:
                    return error.status_code == 503 and "retry-after" in error.response.headers
                return False

            wait_for(refused, 30)
            assert endpoint.find(serving.workspace) is not None
            wait_for(lambda: httpx.get(f"{serving.endpoint.url}/ready", trust_env=False).status_code == 200, 180)
            assert reply(client, "ann") == before
        processes = serving.processes()
        assert len(processes) >= 5
        os.kill(serving.pid, signal.SIGTERM)
        wait_for(lambda: not any(map(lives, processes)), 20)
        assert not (home / "endpoint.json").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_serve_is_killed_while_it_starts(
    home: Path, base_model: BaseModel, number: signal.Signals
) -> None:
    prepare(home, base_model)
    command = [sys.executable, "-m", "style_clone", "serve"]
    serve = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # The hard case is the one with all of vLLM's processes there; it is also the one that takes long to come to.
    enough = 5 if number == signal.SIGKILL else 2

    def family() -> list[psutil.Process]:
        return psutil.Process(serve.pid).children(recursive=True)

    wait_for(lambda: len(family()) >= enough, 120)
    processes = family()
    serve.send_signal(number)
    code = serve.wait(30)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    wait_for(lambda: not any(map(lives, processes)), 20)
    assert endpoint.find(Workspace(home)) is None


def test_a_model_vllm_cannot_run_ends_serve_with_its_words(home: Path, tmp_path: Path, base_model: BaseModel) -> None:
    odd = tmp_path / "odd"
    write_json(odd / "config.json", {"model_type": "llama", "architectures": ["NoSuchModel"]})
    (odd / "model.safetensors").write_bytes(b"\0" * 64)
    environment = {**os.environ, EVENTS_VARIABLE: str(tmp_path / "events.jsonl")}
    command = [sys.executable, "-m", "style_clone", "serve", "--base", str(odd)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=180)
    assert done.returncode == 1
    assert "vLLM ended before it was ready" in done.stderr
    assert "engine.log" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "endpoint.json").exists()


@pytest.mark.long
@pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler, without which nobody is served merged")
def test_a_merged_persona_is_served_by_an_engine_of_its_own_and_by_its_adapter_without_it(
    tmp_path: Path, base_model: BaseModel
) -> None:
    with live(tmp_path / "home", base_model, serve_as="merged") as serving, client_of(serving) as client:
        assert reply(client, "ann"), "nobody waits for it"
        wait_for(lambda: any(event.text == "ann is served merged" for event in serving.told()), 300)
        with vllm_client(serving) as vllm:
            [adapter] = [each for each in vllm.get("/v1/models").json()["data"] if each.get("parent")]
            vllm.post("/v1/unload_lora_adapter", json={"lora_name": adapter["id"]}).raise_for_status()
        merged = reply(client, "ann")
        assert merged == reply(client, "ann")
        assert merged != reply(client, serving.base.name)
        for engine in serving.engines():
            if "ann--" in " ".join(engine.cmdline()):
                engine.kill()

        def answered() -> bool:
            try:
                return bool(reply(client, "ann"))
            except openai.InternalServerError:  # the adapter taken out above is missed once
                return False

        wait_for(answered, 30)
        make_adapter(serving.workspace.folder("ann"), serving.base, seed=2)
        assert reply(client, "ann") != merged, "the new version at once, by its adapter"
        processes = serving.processes()
    wait_for(lambda: not any(map(lives, processes)), 30)


@pytest.mark.long
@pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler, without which nobody is served merged")
def test_apart_no_engine_has_room_for_adapters_and_the_persona_comes_with_its_own(
    tmp_path: Path, base_model: BaseModel
) -> None:
    with live(tmp_path / "home", base_model, serve_as="apart") as serving:
        with client_of(serving) as client:
            plain = reply(client, serving.base.name)
            with pytest.raises(openai.InternalServerError, match="is being made"):
                reply(client, "ann")
            patient = client.with_options(max_retries=20)
            clone = reply(patient, "ann")
            assert clone == reply(client, "ann")
            assert clone != plain == reply(client, serving.base.name)
        engines = serving.engines()
        assert len(engines) == 2
        assert not [engine for engine in engines if "--enable-lora" in engine.cmdline()]
