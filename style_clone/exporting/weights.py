"""The story of an export of weights: check the place, write adapter, merged model or GGUF with its card, try it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from style_clone import __version__
from style_clone.errors import UsageError
from style_clone.evaluate.run import is_fresh as is_measured
from style_clone.exporting import llamacpp, merging
from style_clone.exporting.merging import Agreement
from style_clone.exporting.run import NOTE, check_place
from style_clone.models import BaseModel, license_of, load_tokenizer, trained_on
from style_clone.persona import Persona
from style_clone.precision import Precision
from style_clone.progress import Event, Report, silent
from style_clone.train import artifact
from style_clone.train.card import hub_base, model_card
from style_clone.workspace import PersonaFolder, Workspace, atomic_folder, read_json, write_json

WeightsForm = Literal["adapter", "merged", "gguf"]
FORMS = get_args(WeightsForm)

PROMPT_FILE = "clone.json"
"""The system prompt the clone was trained below, and how it is sampled by default."""
PORTABLE = (
    *("base", "recipe", "curve", "best_epoch", "best_dev_nats", "steps", "stopped", "seconds", "tokens_per_second"),
    *("num_train_tokens", "num_target_tokens", "dropped_turns", "cut_replies", "peak_memory_bytes", "leaks"),
    *("versions", "adapter_sha256", "pairs_sha256"),
)
"""What of run.json travels: figures, settings, and the hash of the pairs, by which two adapters are known to be comparable.
Registers stay, which are names of contacts."""


@dataclass(frozen=True)
class ExportedWeights:
    """What was written: the folder, its form, its files by their paths in it, bytes in all, and how it was tried.

    `dtype` and `agreement` are None for an adapter, whose weights are a copy.
    """

    folder: Path
    form: WeightsForm
    files: tuple[str, ...]
    bytes: int
    dtype: Precision | None = None
    agreement: Agreement | None = None

    @property
    def verified(self) -> str:
        """How it was tried, in a sentence; "" for an adapter."""
        return self.agreement.said(self.dtype) if self.agreement and self.dtype else ""

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "folder": str(self.folder), "files": list(self.files)}


def export_weights(
    folder: PersonaFolder,
    workspace: Workspace,
    form: WeightsForm,
    out: Path,
    *,
    dtype: Precision = "float32",
    force: bool = False,
    report: Report = silent,
) -> ExportedWeights:
    """Write the persona's clone to the folder `out` in one of FORMS, all or nothing, and try it on held-out prompts.

    "adapter" is plain PEFT, "merged" a plain transformers folder, "gguf" one file for llama.cpp; each with card, system
    prompt and the run's figures. With `force` an earlier export in `out` is replaced. Memory holds one model at a time.
    Raises UsageError for a wrong place, MissingStage without an adapter, ModelError, StorageError.
    """
    out = out.expanduser().resolve()
    check_room(out, workspace, force=force)
    run = artifact.load_run(folder)
    base = trained_on(folder, workspace, report)
    tool = llamacpp.converter(workspace, report) if form == "gguf" else None
    with artifact.saving_weights(out), atomic_folder(out) as new:
        agreement = None
        if form == "adapter":
            _copy_adapter(folder, base, run, new)
        elif tool is None:
            agreement = _merge(folder, base, new, dtype, report)
        else:
            agreement = _to_gguf(folder, base, new, dtype, tool, report)
        made = _describe(folder, base, run, new, form, dtype, agreement)
    report(Event("export", "done", 1, 1))
    return ExportedWeights(out, form, *made)


def check_room(out: Path, workspace: Workspace, *, force: bool) -> None:
    """Raises UsageError where `out` is not a place for an export, or holds one already and `force` is not given."""
    if out.is_relative_to(workspace.home.resolve()):
        raise UsageError(
            f"{out} is among style-clone's own files, which it may replace or delete",
            mend="Give --out a folder outside STYLE_CLONE_HOME.",
        )
    check_place(out)
    if out.exists() and any(out.iterdir()) and not force:
        raise UsageError(f"{out} holds an earlier export", mend="Add --force to replace it, or give another --out.")


def _copy_adapter(folder: PersonaFolder, base: BaseModel, run: Mapping[str, Any], new: Path) -> None:
    """Weights as they are; the base model by the name that others find it under; the tokenizer it was trained with."""
    weights = folder.adapter / artifact.WEIGHTS
    (new / artifact.WEIGHTS).write_bytes(weights.read_bytes())
    hub_id, revision = hub_base(run)
    config = read_json(folder.adapter / "adapter_config.json")
    named = {"base_model_name_or_path": hub_id or base.name, "revision": revision}
    write_json(new / "adapter_config.json", {**config, **named})
    load_tokenizer(base).save_pretrained(new)


def _merge(folder: PersonaFolder, base: BaseModel, new: Path, dtype: Precision, report: Report) -> Agreement:
    """Merge into `new`, then load what was written and ask it what base model and adapter were asked."""
    before, prompts, end = _written_merged(folder, base, new, dtype, report)
    report(Event("export", "asking what was written the same", 2, 3))
    return merging.compare(before, merging.answers(merging.load_exported(new, dtype), prompts, end))


def _to_gguf(
    folder: PersonaFolder, base: BaseModel, new: Path, dtype: Precision, tool: Path, report: Report
) -> Agreement:
    """The same by way of a merged folder, which does not stay."""
    name = f"{folder.slug}-{llamacpp.TYPES[dtype]}.gguf"
    with _beside(new) as merged:
        before, prompts, end = _written_merged(folder, base, merged, dtype, report)
        report(Event("export", "converting to GGUF", 2, 3))
        llamacpp.convert(merged, new / name, dtype, folder.slug, tool)
    return merging.compare(before, merging.answers(merging.load_exported(new, dtype, name), prompts, end))


def _written_merged(
    folder: PersonaFolder, base: BaseModel, new: Path, dtype: Precision, report: Report
) -> tuple[merging.Answers, list[list[int]], int]:
    """Write a merged folder; the answers of base and adapter before the merge, the prompts, the end of a turn."""
    tokenizer = load_tokenizer(base)
    prompts, end = merging.held_out_prompts(folder, tokenizer), int(tokenizer.eos_token_id)
    report(Event("export", f"asking base and adapter {len(prompts)} held-out prompts", 0, 3))
    model = merging.clone_of(base, folder.adapter, dtype)
    before = merging.answers(model, prompts, end)
    report(Event("export", "merging", 1, 3))
    model.merge_and_unload().save_pretrained(new)
    tokenizer.save_pretrained(new)
    return before, prompts, end


def _describe(
    folder: PersonaFolder,
    base: BaseModel,
    run: Mapping[str, Any],
    new: Path,
    form: WeightsForm,
    dtype: Precision,
    agreement: Agreement | None,
) -> tuple[tuple[str, ...], int, Precision | None, Agreement | None]:
    """Lay card, prompt, figures and the note of an export beside the weights."""
    persona = Persona.load(folder)
    write_json(
        new / PROMPT_FILE, {"system_prompt": persona.prompt.system, "sampling": asdict(persona.effective_sampling)}
    )
    write_json(new / "run.json", {key: run[key] for key in PORTABLE if key in run})
    card = model_card(
        run,
        author_slug=folder.slug,
        leaks=run.get("leaks"),
        scorecard=read_json(folder.scorecard) if is_measured(folder) else None,
        license=license_of(base),
        form=form,
        verified=agreement.said(dtype) if agreement else "",
    )
    (new / "README.md").write_text(card, encoding="utf-8")
    written = sorted(path for path in new.rglob("*") if path.is_file())
    files = (*(path.relative_to(new).as_posix() for path in written), NOTE)
    size = sum(path.stat().st_size for path in written)
    kept = dtype if agreement else None
    note = {"made_by": f"style-clone {__version__}", "form": form, "files": list(files), "dtype": kept}
    write_json(new / NOTE, {**note, "agreement": asdict(agreement) if agreement else None})
    return files, size, kept, agreement


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder for what does not stay, on the same disk as `path`; hidden, and gone afterwards."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".style-clone-") as scratch:
        yield Path(scratch)
