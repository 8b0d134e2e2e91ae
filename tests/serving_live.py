"""The real line of serving for slow tests: a persona with a random adapter, `style-clone serve`, real vLLM.

`with live(tmp_path, base_model) as serving:` takes about 40 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from style_clone import baseline
from style_clone.conversation import Pair, write_lines
from style_clone.memory import run as memory
from style_clone.models import BaseModel, load_model
from style_clone.persona import Persona
from style_clone.progress import Event, read_events
from style_clone.serving import endpoint
from style_clone.serving.endpoint import Endpoint
from style_clone.settings import ServeAs, Settings
from style_clone.workspace import PersonaFolder, Workspace, atomic_file, atomic_folder, read_json, write_json

REGISTERS = {"Tam Reed": "Tam", "Zoë Quayle": "Zoë"}
ASKED = "where do you live these days"
REPLIES = ["in leeds now lol, by the canal", "cba with the bus so i cycle", "tea first. then we talk", "nah im good ta"]


@dataclass
class Live:
    """A running endpoint, its home, and the processes behind it."""

    endpoint: Endpoint
    workspace: Workspace
    base: BaseModel
    start_seconds: float
    events: list[Event] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The process of `style-clone serve`."""
        return int(read_json(self.workspace.home / "endpoint.json")["pid"])

    def told(self) -> list[Event]:
        """What `style-clone serve` has told so far, also after it was ready."""
        return list(read_events(self.workspace.logs / "serve-events.jsonl"))

    def processes(self) -> list[psutil.Process]:
        """`style-clone serve` and everything it has started."""
        serve = psutil.Process(self.pid)
        return [serve, *serve.children(recursive=True)]

    def engines(self) -> list[psutil.Process]:
        """The servers of the private vLLMs, without the keepers that started them."""
        return [each for each in self.processes() if _is_vllm(each)]

    def vllm(self) -> tuple[str, str]:
        """Where the private vLLM that all share listens and its key, read as only this user can."""
        server = next(each for each in self.engines() if "--enable-lora" in each.cmdline())
        command = server.cmdline()
        return f"http://127.0.0.1:{command[command.index('--port') + 1]}", server.environ()["VLLM_API_KEY"]


@contextmanager
def live(home: Path, base: BaseModel, serve_as: ServeAs = "adapters") -> Iterator[Live]:
    """An endpoint with one persona, "ann", as a program that uses it would start it.

    By adapters: an engine that takes over meanwhile rounds differently, and takes a core while others are measured.
    """
    workspace = prepare(home, base)
    events: list[Event] = []
    began = time.monotonic()
    with endpoint.start(settings_for(home, serve_as), report=events.append) as running:
        yield Live(running, workspace, base, time.monotonic() - began, events)


def settings_for(home: Path, serve_as: ServeAs = "adapters") -> Settings:
    return Settings.from_environment({"STYLE_CLONE_HOME": str(home), "STYLE_CLONE_SERVE_AS": serve_as})


def prepare(home: Path, base: BaseModel) -> Workspace:
    """A home with the persona "ann": pairs, baseline, memory, and an adapter of random weights."""
    workspace = Workspace(home)
    home.mkdir(parents=True, exist_ok=True)
    workspace.models.symlink_to(base.path.parent)
    make_persona(workspace, "ann", base, seed=1)
    return workspace


def make_persona(workspace: Workspace, slug: str, base: BaseModel, seed: int) -> PersonaFolder:
    folder = workspace.folder(slug)
    Persona(slug, slug.title(), (slug.title(),)).with_base(base.name, base.source, base.revision, base.sha256).save(
        folder
    )
    pairs = [_pair(number, reply) for number, reply in enumerate(REPLIES)]
    with atomic_file(folder.split("train")) as file:
        write_lines(file, [pair.to_json() for pair in pairs])
    baseline.build(folder)
    memory.build(folder)
    make_adapter(folder, base, seed)
    return folder


def make_adapter(folder: PersonaFolder, base: BaseModel, seed: int, rank: int = 16) -> None:
    """Put an adapter of random weights in place, with registers: what it writes makes no sense, but its own."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"
    )
    model = get_peft_model(load_model(base), config)
    with atomic_folder(folder.adapter) as new:
        model.save_pretrained(new)
        write_json(new / "run.json", {"registers": REGISTERS})


def _pair(number: int, reply: str) -> Pair:
    turns: Any = ({"role": "user", "content": ASKED}, {"role": "assistant", "content": reply})
    return Pair(turns, f"p{number}", f"c{number}", "reply", "test", "chat")


def _is_vllm(process: psutil.Process) -> bool:
    command = process.cmdline()
    return "vllm.entrypoints.openai.api_server" in command and "style_clone.serving.keeper" not in command
