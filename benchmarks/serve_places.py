"""The servers that are compared, each a process or more: started, suspended while others answer, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import train_corpora

from style_clone import baseline
from style_clone.models import BaseModel
from style_clone.persona import Persona
from style_clone.progress import EVENTS_VARIABLE, read_events
from style_clone.serving.engine import Engine, running
from style_clone.settings import Settings
from style_clone.store import Store
from style_clone.train.lora import attach_lora
from style_clone.train.recipe import Recipe
from style_clone.workspace import PersonaFolder, Workspace, write_json

HERE = Path(__file__).resolve().parent
SLUG = "bench"
FAKE_BASE, FAKE_SHA256 = "fake-base", "0" * 64
NO_WEIGHTS = (2).to_bytes(8, "little") + b"{}"
START_SECONDS = 600.0


@dataclass(frozen=True)
class Place:
    """A model at an endpoint, and the processes behind it: none where they are not ours."""

    name: str
    url: str
    key: str | None
    model: str
    roots: tuple[int, ...] = ()

    def processes(self) -> list[psutil.Process]:
        """The roots and all they have started, roots first."""
        roots = [psutil.Process(pid) for pid in self.roots]
        return [*roots, *(child for root in roots for child in root.children(recursive=True))]

    def shares(self, other: Place) -> bool:
        """Whether the two have a process in common."""
        return bool(set(self.roots) & set(other.roots))


@contextmanager
def suspended(places: Iterable[Place]) -> Iterator[None]:
    """Those places' processes take no time from the others during the block."""
    processes = {process for place in places for process in place.processes()}
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def fake_places(home: Path, *, gap_ms: float, first_ms: float) -> Iterator[list[Place]]:
    """The clock itself, and through the gateway the base model and the clone."""
    cores = sorted(os.sched_getaffinity(0))
    key = prepare_fake(home)
    with ExitStack() as started:
        options = ("--gap", str(gap_ms), "--first", str(first_ms), "--core", str(cores[-1]))
        pid, upstream = started.enter_context(_script("fake_vllm.py", *options))
        gate, url = started.enter_context(_gateway(home, upstream, FAKE_BASE, FAKE_SHA256, core=cores[0]))
        before = os.sched_getaffinity(0)
        started.callback(os.sched_setaffinity, 0, before)
        os.sched_setaffinity(0, {cores[-1]})
        yield [
            Place("vllm", upstream, None, FAKE_BASE, (pid,)),
            Place("gateway", url, key, FAKE_BASE, (gate, pid)),
            Place("clone", url, key, SLUG, (gate, pid)),
        ]


@contextmanager
def real_places(home: Path, base: BaseModel) -> Iterator[list[Place]]:
    """vLLM alone, our gateway before it, and `style-clone serve` with an adapter."""
    key = make_key(home)
    with ExitStack() as started:
        pid, upstream, secret = started.enter_context(_plain_vllm(home, base))
        gate, url = started.enter_context(_gateway(home, upstream, base.name, base.sha256, secret=secret))
        adapters, root = started.enter_context(_serve(home, "adapters"))
        yield [
            Place("vllm", upstream, secret, base.name, (pid,)),
            Place("gateway", url, key, base.name, (gate, pid)),
            Place("adapter", root, key, SLUG, (adapters,)),
            Place("prompted", root, key, f"{SLUG}@prompted", (adapters,)),
        ]


@contextmanager
def merged_place(home: Path, base: BaseModel) -> Iterator[Place]:
    """`style-clone serve --serve-as merged` on a home of its own, once the clone is served so."""
    own = home_of_a_clone(home.with_name("merged"), base)
    with _serve(own, "merged") as (pid, url):
        yield Place("merged", url, make_key(own), SLUG, (pid,))


def rivals(given: Sequence[str]) -> list[Place]:
    """NAME=URL; their first model is asked."""
    places = []
    for each in given:
        name, _, url = each.partition("=")
        models = httpx.get(f"{url.rstrip('/')}/v1/models", trust_env=False, timeout=10).raise_for_status().json()
        places.append(Place(name, url, None, models["data"][0]["id"]))
    return places


def home_of_a_clone(home: Path, base: BaseModel) -> Path:
    """The sample corpus's persona with pairs, baseline and an adapter as untrained as training starts: as fast as any."""
    home.mkdir(parents=True)
    Workspace(home).models.symlink_to(base.path.parent)
    folder = train_corpora.persona(home)
    Persona.load(folder).with_base(base.name, base.source, base.revision, base.sha256).save(folder)
    baseline.build(folder)
    attach_lora(base, Recipe()).save_pretrained(folder.adapter)
    return home


def prepare_fake(home: Path) -> str:
    """A persona that needs no model; returns a key."""
    folder = Workspace(home).folder(SLUG)
    Persona(SLUG, "Ann", ("Ann",), base_model=FAKE_BASE, base_revision="r", base_sha256=FAKE_SHA256).save(folder)
    _put_adapter(folder)
    return make_key(home)


def make_key(home: Path) -> str:
    """A key of that home's store."""
    with Store(Settings.from_environment({"STYLE_CLONE_HOME": str(home)}).database_url) as store:
        return store.create_key(SLUG)[1]


def _put_adapter(folder: PersonaFolder) -> None:
    write_json(folder.adapter / "adapter_config.json", {"r": 8})
    (folder.adapter / "adapter_model.safetensors").write_bytes(NO_WEIGHTS)


@contextmanager
def _gateway(
    home: Path, upstream: str, base: str, sha256: str, *, core: int | None = None, secret: str = ""
) -> Iterator[tuple[int, str]]:
    pinned = [] if core is None else ["--core", str(core)]
    options = ["--home", str(home), "--upstream", upstream, "--base", base, "--sha256", sha256, *pinned]
    with _script("serve_gateway.py", *options, secret=secret) as found:
        yield found


@contextmanager
def _script(name: str, *options: str, secret: str = "") -> Iterator[tuple[int, str]]:
    """One of ours that prints its URL: its process id and that."""
    environment = {**os.environ, **({"VLLM_API_KEY": secret} if secret else {})}
    command = [sys.executable, str(HERE / name), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            _await(lambda: answers(f"{url}/health"), process)
            yield process.pid, url
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def _plain_vllm(home: Path, base: BaseModel) -> Iterator[tuple[int, str, str]]:
    """vLLM as a merged persona gets it: with our settings, compiled where that can be done, without adapters."""
    engine = Engine(base.path, base.name, Workspace(home), merged=True)
    with running(engine):
        assert engine._keeper is not None
        yield engine._keeper.pid, engine.url, engine.key


@contextmanager
def _serve(home: Path, serve_as: str) -> Iterator[tuple[int, str]]:
    """`style-clone serve` on that home."""
    command = [sys.executable, "-m", "style_clone", "serve", "--serve-as", serve_as]
    notice, events = home / "endpoint.json", home / "events.jsonl"
    environment = {**os.environ, "STYLE_CLONE_HOME": str(home), EVENTS_VARIABLE: str(events)}
    wanted = f"{SLUG} is served merged"
    with (home / "serve.log").open("wb") as log, _ended(command, log.fileno(), environment) as process:
        _await(notice.exists, process)
        if serve_as == "merged":
            _await(lambda: any(event.text == wanted for event in read_events(events)), process)
        yield process.pid, json.loads(notice.read_text())["url"]


@contextmanager
def _ended(command: Sequence[str], log: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended with all it has started."""
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        for left in [process, *family]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _await(condition: Callable[[], bool], process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None:
            sys.exit(f"a server ended before it answered: {process.args}")
        if time.monotonic() > end:
            sys.exit(f"a server did not answer in time: {process.args}")
        time.sleep(0.2)
