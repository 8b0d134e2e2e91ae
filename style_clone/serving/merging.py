"""An adapter merged into its base model, by a process of its own: the endpoint itself never loads PyTorch.

python -m style_clone.serving.merging BASE ADAPTER OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from style_clone.errors import StyleCloneError
from style_clone.models import LOCAL, BaseModel
from style_clone.workspace import atomic_folder


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write the merged model, in bfloat16, to the folder `out`, all or nothing. Raises ModelError, StorageError.

    The sum is taken in float32 and rounded once.
    """
    import torch

    from style_clone.exporting.merging import clone_of
    from style_clone.models import load_tokenizer

    model = BaseModel(base.name, base, LOCAL, "")
    merged = clone_of(model, adapter, "float32").merge_and_unload().to(torch.bfloat16)
    with atomic_folder(out) as new:
        merged.save_pretrained(new)
        load_tokenizer(model).save_pretrained(new)


def main() -> int:
    """Merge what the arguments name; says what went wrong on standard error."""
    try:
        merge(*map(Path, sys.argv[1:4]))
    except StyleCloneError as error:
        print(f"error: {error.problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
