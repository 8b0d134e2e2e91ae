"""`style-clone export`: a persona's clone in a form that other programs load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from style_clone.cli.options import json_option, out_option, print_json, settings
from style_clone.cli.terminal import progress
from style_clone.errors import UsageError

if TYPE_CHECKING:
    from style_clone.exporting.weights import ExportedWeights, WeightsForm
    from style_clone.precision import Precision

DTYPES = ("float32", "bfloat16")


@click.command()
@click.argument("persona")
@click.option("--adapter", is_flag=True, help="The LoRA alone, for PEFT, vLLM or a model hub.")
@click.option("--merged", is_flag=True, help="Base model and adapter in one, as transformers loads it.")
@click.option("--gguf", is_flag=True, help="The same as one file for llama.cpp.")
@out_option("FORM")
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="Of merged weights: float32 (default) answers as the adapter does, bfloat16 takes half the space.",
)
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@json_option
def command(
    persona: str,
    adapter: bool,
    merged: bool,
    gguf: bool,
    out: Path | None,
    dtype: Precision | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write PERSONA's clone to a folder that other programs load, with a model card. Nothing is uploaded.

    \b
    style-clone export me --adapter
    style-clone export me --merged --out ~/me-merged
    style-clone export me --gguf --dtype bfloat16

    A merged export is asked held-out prompts, and how many answers are the adapter's token for token is printed.
    """
    form = _form(adapter=adapter, merged=merged, gguf=gguf)
    if dtype and form == "adapter":
        raise UsageError("--dtype is of merged weights; an adapter stays as it is", mend="Leave --dtype out.")
    workspace = settings().workspace
    folder = workspace.existing(persona)
    with progress(quiet=as_json) as report:
        from style_clone.exporting.weights import export_weights

        place = out or Path(f"{persona}-{form}")
        made = export_weights(folder, workspace, form, place, dtype=dtype or "float32", force=force, report=report)
    print_json(made.to_json()) if as_json else _show(made)


def _form(**flags: bool) -> WeightsForm:
    chosen = [name for name, given in flags.items() if given]
    if len(chosen) != 1:
        problem = "only one form at a time" if chosen else "in which form?"
        raise UsageError(f"export: {problem}", mend="Give one of --adapter, --merged, --gguf.")
    return chosen[0]  # type: ignore[return-value]


def _show(made: ExportedWeights) -> None:
    click.echo(f"Exported to {made.folder}: {made.bytes / 1e6:,.0f} MB")
    click.echo("".join(f"  {name}\n" for name in made.files), nl=False)
    if made.verified:
        click.echo(made.verified)
    if made.agreement and made.agreement.same < made.agreement.prompts and made.dtype != "float32":
        click.echo("Rounding to bfloat16 changes words; --dtype float32 does not round.")
    click.echo(_USE[made.form].format(folder=made.folder))
    click.echo("It imitates a person: nothing was uploaded. README.md says what to tell whoever gets it.")


_USE: dict[WeightsForm, str] = {
    "adapter": 'Load it with peft: PeftModel.from_pretrained(base, "{folder}")',
    "merged": "Load it with transformers, or train on it: style-clone train PERSONA --base {folder}",
    "gguf": "Run it with llama.cpp, and make it smaller with llama-quantize. README.md has the command.",
}
