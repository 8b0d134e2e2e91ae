"""Starting, watching and ending an engine, with a small program in vLLM's place; test_serving_real.py has the real one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from style_clone.errors import EngineError
from style_clone.progress import Event
from style_clone.serving import tuning
from style_clone.serving.engine import Engine, running, telling_line
from style_clone.serving.guard import Guard
from style_clone.workspace import PersonaFolder, Workspace, write_json
from tests.waiting import wait_for

CONFIG = {"num_hidden_layers": 30, "num_key_value_heads": 3, "num_attention_heads": 9, "head_dim": 64}
LLAMA_7B = {"num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096}

ANSWERING = """
    import http.server, subprocess, sys
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers()
        def log_message(self, *args): pass
    print("non-default args: {}", flush=True)
    http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""
STUBBORN = """
    import signal, subprocess, sys
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("up", flush=True)
    signal.pause()
"""
DYING = """
    import sys
    print("(Worker pid=7) ERROR 11-21 06:21:31 [core.py:12] ValueError: the model has no weights")
    print("RuntimeError: Engine core initialization failed. See root cause above.")
    sys.exit(1)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_json(tmp_path / "model" / "config.json", {**CONFIG, "max_position_embeddings": 8192})
    return tmp_path / "model"


@pytest.fixture
def engine(model: Path, workspace: Workspace) -> Engine:
    return Engine(model, "tiny", workspace, [])


def run_instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    def arguments(plan: tuning.Plan) -> list[str]:
        return [sys.executable, "-c", textwrap.dedent(program).replace("PORT", str(plan.port))]

    monkeypatch.setattr(tuning, "arguments", arguments)


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    """Whether they end in time; one that has ended and waits for its parent to ask has ended."""
    end = time.monotonic() + seconds
    while any(map(lives, processes)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(lives, processes))


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_engine_starts_tells_its_progress_and_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, ANSWERING)
    events: list[Event] = []
    with running(engine, events.append):
        assert engine.alive
        assert httpx.get(engine.url, trust_env=False).status_code == 200
        assert engine._keeper is not None
        processes = family(engine._keeper.pid)
        assert len(processes) == 3
    assert gone(processes, 0)
    assert not engine.alive
    assert events[-1].text == "ready"
    assert {event.stage for event in events} == {"engine"}
    assert [event.done for event in events] == sorted({event.done for event in events})
    assert engine.log.stat().st_mode & 0o077 == 0


def test_an_engine_that_dies_is_noticed_and_can_be_started_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, ANSWERING)
    with running(engine):
        assert engine._keeper is not None
        url, processes = engine.url, family(engine._keeper.pid)
        processes[1].kill()
        wait_for(lambda: not engine.alive)
        assert gone(processes)
        engine.start()
        assert engine.url == url
        assert httpx.get(url, trust_env=False).status_code == 200


def test_dying_at_start_tells_the_cause_and_the_log(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, DYING)
    with pytest.raises(EngineError, match="the model has no weights") as caught:
        engine.start()
    assert str(engine.log) in caught.value.mend
    assert not engine.alive


def test_not_answering_in_time_ends_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "import time; time.sleep(600)")
    with pytest.raises(EngineError, match="in time"):
        engine.start(deadline_seconds=0.5)
    assert not engine.alive


def test_a_stopped_engine_is_not_started_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, ANSWERING)
    engine.stop()
    with pytest.raises(EngineError):
        engine.start()


@pytest.mark.parametrize("victim", ["owner", "keeper"])
def test_nothing_outlives_a_kill(victim: str, tmp_path: Path) -> None:
    """Whoever is killed with -9, its owner or the keeper itself, the command's processes end."""
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "command = [sys.executable, '-m', 'style_clone.serving.keeper', sys.executable, '-c', sys.argv[1]]\n"
            "subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)\n"
            "time.sleep(600)",
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "try:\n    time.sleep(600)\nfinally:\n    child.kill()"
            if victim == "owner"
            else "import time; time.sleep(600)",
        ]
    )
    expected = {"owner": 4, "keeper": 3}[victim]
    wait_for(lambda: len(family(owner.pid)) == expected)
    processes = family(owner.pid)
    keeper = next(process for process in processes if "style_clone.serving.keeper" in process.cmdline()[2:3])
    (owner if victim == "owner" else keeper).kill()
    assert gone([process for process in processes if process.pid != owner.pid])
    owner.kill()
    owner.wait()


def test_those_that_will_not_end_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "from style_clone.serving import keeper; keeper.GRACE_SECONDS = 0.5; keeper.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, sys.executable, "-c", textwrap.dedent(STUBBORN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"up\n"
    processes = family(process.pid)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(10) == 128 + signal.SIGKILL
    process.stdout.close()
    assert gone(processes, 0)


def test_the_key_is_in_no_command_line_and_the_environment_is_private(engine: Engine) -> None:
    command = tuning.arguments(engine.plan)
    environment = tuning.environment(engine.plan, engine.key, {"LD_PRELOAD": "/mine.so", "PATH": "/bin"})
    assert engine.key not in " ".join(command)
    assert environment["VLLM_API_KEY"] == engine.key
    assert environment["PATH"] == "/bin"
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE"):
        assert environment[name] == "1"
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert "--no-enable-log-requests" in command


def test_a_cpu_is_used_whole(engine: Engine) -> None:
    if not engine.plan.cpu:
        pytest.skip("this machine has a GPU")
    environment = tuning.environment(engine.plan, "k", {"LD_PRELOAD": "/mine.so"})
    assert environment["VLLM_TARGET_DEVICE"] == "cpu"
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == ",".join(map(str, sorted(os.sched_getaffinity(0))))
    assert environment["LD_PRELOAD"].endswith("/mine.so")
    assert all(Path(path).exists() for path in environment["LD_PRELOAD"].split(":")[:-1])
    chosen = {"VLLM_CPU_KVCACHE_SPACE": "9"}
    assert tuning.environment(engine.plan, "k", chosen)["VLLM_CPU_KVCACHE_SPACE"] == "9"


def test_cache_and_context_fit_the_model_and_the_memory() -> None:
    small, large = (tuning._cache_bytes_per_token(each, "bfloat16") for each in (CONFIG, LLAMA_7B))
    assert small == 30 * 3 * 64 * 2 * 2
    assert large == 32 * 4096 * 2 * 2
    assert tuning._cache_bytes_per_token(CONFIG, "float32") == 2 * small
    assert tuning._cache_bytes_per_token(CONFIG, None) == small
    gigabyte = tuning.GIGABYTE
    assert tuning._fit_cache(small, 8192, 20 * gigabyte) == (1, 8192)
    assert tuning._fit_cache(large, 8192, 100 * gigabyte) == (16, 8192)
    assert tuning._fit_cache(large, 8192, 8 * gigabyte) == (2, 4096)


@pytest.mark.parametrize("computed", ["bfloat16", "float32"])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_a_cpu_computes_in_what_it_has_instructions_for(
    model: Path, computed: str, on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning.precision, "on_the_cpu", lambda: computed)
    monkeypatch.setattr(tuning, "on_cpu", lambda: on_cpu)
    for made in (tuning.plan(model, "tiny", 1, ()), tuning.merged_plan(model, "tiny", 1)):
        command = tuning.arguments(made)
        assert ("--dtype" in command) == on_cpu, "on a GPU vLLM chooses"
        assert not on_cpu or command[command.index("--dtype") + 1] == computed


def test_wider_weights_leave_room_for_fewer_engines(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (model / "model.safetensors").open("wb") as file:
        file.truncate(2 * tuning.GIGABYTE)  # of nothing, so that it takes no disk
    monkeypatch.setattr(tuning, "on_cpu", lambda: True)
    fit = {}
    for computed in ("bfloat16", "float32"):
        monkeypatch.setattr(tuning.precision, "on_the_cpu", lambda computed=computed: computed)
        fit[computed] = tuning.engines_that_fit(model, share=100)
    assert 0 < fit["float32"] < fit["bfloat16"]


@pytest.mark.parametrize(
    ("listed", "layers"),
    [
        ([], []),
        ([["q_proj", "v_proj"]], ["q_proj", "v_proj"]),
        ([["q_proj", "v_proj"], ["v_proj", "o_proj"]], ["o_proj", "q_proj", "v_proj"]),
        ([["q_proj"], "all-linear"], []),
        ([["q_proj"], None], []),
    ],
)
def test_layers_no_adapter_changes_are_left_as_they_are(
    model: Path, workspace: Workspace, listed: list[Any], layers: list[str]
) -> None:
    folders = [adapter(workspace, f"p{number}", {"r": 8, "target_modules": each}) for number, each in enumerate(listed)]
    made = tuning.plan(model, "tiny", 1, folders)
    assert made.layers == frozenset(layers)
    arguments = tuning.arguments(made)
    if layers:
        at = arguments.index("--lora-target-modules")
        assert list(arguments[at + 1 : at + 1 + len(layers)]) == layers
    else:
        assert "--lora-target-modules" not in arguments
    alone = Engine(model, "tiny", workspace, folders, port=1, key="k" * 32)
    assert not alone.plan.layers, "gateways elsewhere do not know which it was started for"
    assert not tuning.merged_plan(model, "tiny", 1).layers


@pytest.mark.parametrize(("ranks", "room"), [([], 16), ([8], 16), ([16, 17], 32), ([100], 128)])
def test_room_is_made_for_the_largest_adapter(model: Path, workspace: Workspace, ranks: list[int], room: int) -> None:
    folders = [adapter(workspace, f"p{number}", {"r": rank}) for number, rank in enumerate(ranks)]
    assert tuning.plan(model, "tiny", 1, folders).rank == room


def test_damaged_adapters_do_not_stop_the_engine(model: Path, workspace: Workspace) -> None:
    folders = [adapter(workspace, "a", {}), workspace.folder("b"), adapter(workspace, "c", {"r": 32})]
    (folders[0].adapter / "adapter_config.json").write_text("{")
    assert tuning.plan(model, "tiny", 1, folders).rank == 32


def test_an_adapter_beyond_vllm_is_told(model: Path, workspace: Workspace) -> None:
    with pytest.raises(EngineError, match="rank 999"):
        tuning.plan(model, "tiny", 1, [adapter(workspace, "a", {"r": 999})])


def adapter(workspace: Workspace, slug: str, config: dict[str, Any]) -> PersonaFolder:
    folder = workspace.folder(slug)
    write_json(folder.adapter / "adapter_config.json", config)
    return folder


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "its log is empty"),
        ("INFO 11-21 06:21:08 [x.py:1] all good\n\n", "all good"),
        (
            "api_server.py: error: unrecognized arguments: --x\nbye\n",
            "api_server.py: error: unrecognized arguments: --x",
        ),
        ("(EngineCore pid=1) OSError: No space left\nRuntimeError: See root cause above.\n", "OSError: No space left"),
    ],
)
def test_the_telling_line_is_the_cause(tmp_path: Path, text: str, line: str) -> None:
    log = tmp_path / "engine.log"
    log.write_text(text)
    assert telling_line(log) == line


def test_the_guard_lets_only_its_key_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def status(path: str, *headers: tuple[bytes, bytes]) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request"}

        await Guard(app)({"type": "http", "path": path, "headers": headers}, receive, send)
        return int(sent[0]["status"])

    key = (b"authorization", b"Bearer secret")
    assert asyncio.run(status("/health")) == 200
    assert asyncio.run(status("/invocations")) == 401
    assert asyncio.run(status("/adapters", (b"authorization", b"Bearer wrong"))) == 401
    assert asyncio.run(status("/invocations", key)) == 200


def test_the_log_before_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("first", "second"):
        run_instead(monkeypatch, f"print('{word}'); raise SystemExit(1)")
        with pytest.raises(EngineError, match=word):
            engine.start()
    assert engine.log.with_name("engine.log.1").read_text().strip() == "first"
    assert json.dumps(engine.log.read_text()) == json.dumps("second\n")
