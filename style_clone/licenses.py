"""Under which licence a folder of weights comes, as its own files say, and what its user should look at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNKNOWN = "unknown"
SPDX = (
    *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "Unlicense"),
    *("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "GPL-3.0", "AGPL-3.0", "LGPL-3.0", "MPL-2.0"),
)
"""Identifiers as spdx.org spells them; the hub has the same in lower case."""
PERMISSIVE = {
    name.casefold()
    for name in ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense")
}
"""What is trained on such a base may be used and given away with no more than a notice."""
HEAD_CHARACTERS = 2000
"""How much of a licence's text is read: it names itself at its top."""
HEADS = (
    (r"apache license,? version 2\.0", "Apache-2.0"),
    (r"(the )?mit license|permission is hereby granted, free of charge", "MIT"),
    (r"llama (\d(?:\.\d)?) community license", r"llama\1"),
    (r"gemma terms of use", "gemma"),
    (r"qwen research license", "qwen-research"),
    (r"tongyi qianwen license", "tongyi-qianwen"),
    (r"attribution-noncommercial 4\.0", "CC-BY-NC-4.0"),
    (r"gnu affero general public license version 3", "AGPL-3.0"),
    (r"gnu general public license version 3", "GPL-3.0"),
    (r"bsd 3-clause license", "BSD-3-Clause"),
)
"""How well-known licences begin, white space as one space and letters small; the first that matches counts."""


def license_in(folder: Path) -> str:
    """The licence of a model folder: README.md's front matter, else a LICENSE file's first lines, else "unknown"."""
    return _of_card(folder / "README.md") or _of_text(folder) or UNKNOWN


def named(card: Mapping[str, Any]) -> str:
    """The licence in a model card's data, as SPDX spells it; "" where there is none. `other` gives its own name."""
    name = card.get("license")
    if isinstance(name, list):
        name = " AND ".join(map(str, name))
    if name == "other":
        name = card.get("license_name") or name
    return {known.casefold(): known for known in SPDX}.get(str(name).casefold(), str(name)) if name else ""


def caution(license: str) -> str:
    """What a user of a base model under `license` should check, in a sentence; "" where it asks for a notice at most."""
    folded = license.casefold()
    if folded in PERMISSIVE:
        return ""
    if folded == UNKNOWN:
        return "the base model names no licence: look for one where it came from before you share the adapter"
    if "-nc" in folded or "research" in folded or "non-commercial" in folded:
        return f"the base model's licence ({license}) rules out commercial use, of the adapter as well"
    return (
        f"the base model's licence ({license}) has terms of its own: check what it says on derived models, their names "
        "and their use before you share the adapter"
    )


def _of_card(readme: Path) -> str:
    from huggingface_hub import metadata_load

    try:
        return named(metadata_load(readme) or {})
    except Exception:  # no file, or front matter that is no YAML, for which the parser has errors of its own
        return ""


def _of_text(folder: Path) -> str:
    files = [path for path in sorted(folder.glob("*")) if path.stem.upper() in ("LICENSE", "LICENCE", "COPYING")]
    for path in files:
        if not path.is_file():
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            head = " ".join(file.read(HEAD_CHARACTERS).casefold().split())
        for pattern, name in HEADS:
            if found := re.search(pattern, head):
                return found.expand(name)
    return ""
