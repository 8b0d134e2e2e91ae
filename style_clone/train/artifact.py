"""adapter/ on disk: plain PEFT safetensors, and run.json, which says how it came to be."""

from __future__ import annotations

import errno
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from style_clone.errors import MissingStage
from style_clone.train.card import model_card
from style_clone.train.tokens import Tokenised
from style_clone.workspace import PersonaFolder, atomic_folder, file_hash, read_json, storage_errors, write_json

if TYPE_CHECKING:
    from peft import PeftModel

WEIGHTS = "adapter_model.safetensors"
CARD = "README.md"
FILES = {"adapter_config.json", WEIGHTS, CARD, "run.json"}
"""Everything an adapter folder holds."""
LIBRARIES = ("torch", "transformers", "peft", "accelerate", "style-clone")
"""Those whose versions run.json notes."""
FULL_DISK_BYTES = 1 << 20
"""A disk with less room than this is full."""


def save(model: PeftModel, folder: PersonaFolder, run: dict[str, Any], *, license: str = "") -> None:
    """Replace the persona's adapter, all or nothing; `run` becomes run.json, and in words the model card.

    `license` is the base model's. Raises StorageError.
    """
    with saving_weights(folder.adapter), atomic_folder(folder.adapter) as new:
        model.save_pretrained(new, safe_serialization=True)
        config = read_json(new / "adapter_config.json")
        # PEFT notes the folder the base was loaded from, which names this machine's user.
        write_json(new / "adapter_config.json", {**config, "base_model_name_or_path": run["base"]["name"]})
        run = {**run, "adapter_sha256": file_hash(new / WEIGHTS)}
        write_json(new / "run.json", run)
        card = model_card(run, author_slug=folder.slug, leaks=run.get("leaks"), license=license)
        (new / CARD).write_text(card, encoding="utf-8")  # in the place of PEFT's, which is not filled in


def counts(data: Tokenised, epochs: int) -> dict[str, int]:
    """What run.json says of the training examples: tokens over all passes, and what did not fit."""
    return {
        "num_train_tokens": data.num_tokens * epochs,
        "num_target_tokens": data.num_target_tokens * epochs,
        "dropped_turns": data.dropped_turns,
        "cut_replies": data.cut_replies,
    }


def versions() -> dict[str, str]:
    """Of Python and the libraries an adapter depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


@contextmanager
def saving_weights(path: Path) -> Iterator[None]:
    """Turn what goes wrong while tensors are saved under `path` into StorageError.

    safetensors and PyTorch tell of a full disk in errors of their own, PyTorch without saying so.
    """
    from safetensors import SafetensorError

    with storage_errors(path):
        try:
            yield
        except (SafetensorError, RuntimeError) as error:
            if "No space left" in str(error) or shutil.disk_usage(path.parent).free < FULL_DISK_BYTES:
                raise OSError(errno.ENOSPC, "no space left") from error
            raise


def load_run(folder: PersonaFolder) -> dict[str, Any]:
    """run.json of the persona's adapter. Raises MissingStage where there is none."""
    if not (folder.adapter / "run.json").exists():
        raise MissingStage(f"{folder.slug} has no adapter yet", mend=f"Train one: style-clone train {folder.slug}")
    run: dict[str, Any] = read_json(folder.adapter / "run.json")
    return run


def is_fresh(folder: PersonaFolder) -> bool:
    """Whether the adapter was trained on the pairs that are there now."""
    if not (folder.adapter / "run.json").exists() or not folder.split("train").exists():
        return False
    return bool(load_run(folder)["pairs_sha256"] == pairs_hash(folder))


def pairs_hash(folder: PersonaFolder) -> str:
    """The hash that ties an adapter to its training pairs."""
    return file_hash(folder.split("train"), folder.split("dev"))
