"""The model card: README.md of an adapter or of what is exported from it, in figures and plain words, never in messages.

Its header is what a model hub reads. Only numbers, settings and the persona's slug are taken from a run: names of
contacts, which run.json has as registers, are counted and not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from style_clone.models import DEFAULT_BASE, DEFAULT_LICENSE, LOCAL

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Where the bundled base model comes from, before it was packed in 4 bits."""
HUB_LICENSES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "unlicense"),
    *("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "gpl-3.0", "agpl-3.0", "lgpl-3.0", "mpl-2.0", "gemma", "openrail", "unknown"),
    *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"),
}
"""Licences a hub knows by these words (its list of licences for model cards); any other is "other" with a name."""
MOST_ROWS = 12
"""Rows of the curve's table."""

Form = Literal["home", "adapter", "merged", "gguf"]
"""What the card lies beside: the persona's own adapter/, or one form of export."""


def model_card(
    run: Mapping[str, Any],
    *,
    author_slug: str,
    leaks: Mapping[str, Any] | None,
    scorecard: Mapping[str, Any] | None = None,
    license: str = "",
    form: Form = "home",
    verified: str = "",
) -> str:
    """README.md for the adapter of `run` (run.json), a header in YAML and sections in Markdown.

    What `run`, `leaks` or `scorecard` do not say is left out. `license` is the base model's, where the caller knows it;
    `verified` is a sentence on how an export was checked.
    """
    sections = (
        ("How to use it", _use(run, author_slug, form)),
        ("How it was checked", verified),
        ("Training data", _table(_data(run))),
        ("Recipe", _table(dict(run.get("recipe", {})))),
        ("Curve", _curve(run.get("curve", []), run.get("best_epoch"))),
        ("Results on held-out writing", _results(run, scorecard)),
        ("Leak check", _leaks(leaks)),
        ("Limits", _limits(run)),
        ("Versions", _table(dict(run.get("versions", {})))),
    )
    header = _header(run, license, form)
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections if text)
    return f"---\n{header}\n---\n\n# {author_slug}: a style clone\n\n{_what(author_slug, form)}\n\n{body}\n"


def hub_base(run: Mapping[str, Any]) -> tuple[str, str | None]:
    """The base model's hub id and revision, as far as they are known; "" for a folder, which nobody else has."""
    base = run.get("base", {})
    name, revision = base.get("name", ""), base.get("revision", LOCAL)
    if name == DEFAULT_BASE:
        return HUB_ID, None
    return ("", None) if revision == LOCAL else (name, revision)


def _header(run: Mapping[str, Any], license: str, form: Form) -> str:
    from huggingface_hub import ModelCardData

    base, _ = hub_base(run)
    license = (license or (DEFAULT_LICENSE if base == HUB_ID else "")).lower()
    known = license in HUB_LICENSES
    data = ModelCardData(
        base_model=base or None,
        base_model_relation=_RELATION[form] if base else None,
        library_name=_LIBRARY[form],
        license=license if known else "other" if license else None,
        license_name=None if known else license or None,
        pipeline_tag="text-generation",
        tags=["style-clone", "lora", *(["gguf"] if form == "gguf" else [])],
    )
    return str(data.to_yaml()).strip()


_RELATION: Mapping[Form, str] = {
    "home": "adapter",
    "adapter": "adapter",
    "merged": "finetune",
    "gguf": "finetune",
}
_LIBRARY: Mapping[Form, str | None] = {"home": "peft", "adapter": "peft", "merged": "transformers", "gguf": None}


def _what(slug: str, form: Form) -> str:
    people = (
        f"`run.json` beside this file names contacts. To share the adapter, share `style-clone export {slug} --adapter`,"
        " which leaves them out."
        if form == "home"
        else "No message and no name of anybody else is written in these files. `clone.json` names the author."
    )
    return f"{_WHAT}\n\n{people}"


_WHAT = """\
**An AI's imitation of how one person writes. They did not say what it says**: wherever it is shown, show that too.

It learned from that person's own messages. Whether they agreed is recorded as `consent` in the persona's
`persona.json`, which stays with whoever trained this: ask there before you use or share it. The licence above is the base
model's; it gives nobody a right to a person's voice."""


def _use(run: Mapping[str, Any], slug: str, form: Form) -> str:
    base, revision = hub_base(run)
    pinned = f', revision="{revision}"' if revision else ""
    folder = "PATH/TO/THE/BASE/MODEL"
    code = _GGUF if form == "gguf" else _MERGED if form == "merged" else _ADAPTER
    code = code.replace("BASE", base or folder).replace("PINNED", pinned)
    code = code.replace("PROMPT_FILE", "../persona.json" if form == "home" else "clone.json").replace("SLUG", slug)
    # persona.json has 0 where nobody has chosen a length; an export has what that comes to.
    code = code.replace("ROOM", 'sampling["max_tokens"]' + (' or clone["reply_tokens"]' if form == "home" else ""))
    tokenizer = "base" if form == "home" else '"."'
    where = "the persona's `persona.json`" if form == "home" else "`clone.json`"
    prompt = f"It was trained below a system prompt, which names the author; it stands in {where} as `system_prompt`."
    return "\n\n".join(filter(None, [prompt, code.replace("TOKENIZER", tokenizer), _about_base(run, form)]))


_CHAT = """\
clone = json.loads(Path("PROMPT_FILE").read_text(encoding="utf-8"))
sampling = clone["sampling"]
drawn = {name: sampling[name] for name in ("temperature", "top_p", "min_p", "repetition_penalty")}
chat = [{"role": "system", "content": clone["system_prompt"]}, {"role": "user", "content": "are you coming later?"}]
given = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
reply = model.generate(**given, do_sample=sampling["temperature"] > 0, **drawn, max_new_tokens=ROOM)
print(tokenizer.decode(reply[0, given["input_ids"].shape[1] :], skip_special_tokens=True))
```"""

_ADAPTER = f"""\
```python
import json
from pathlib import Path

from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "BASE"
tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(basePINNED), ".")
{_CHAT}"""

_MERGED = f"""\
```python
import json
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
{_CHAT}"""

_GGUF = """\
```sh
llama-cli -m SLUG-*.gguf --jinja -sys "$(python3 -c 'import json; print(json.load(open("PROMPT_FILE"))["system_prompt"])')"
```"""


def _about_base(run: Mapping[str, Any], form: Form) -> str:
    base, _ = hub_base(run)
    if form in ("merged", "gguf"):
        return ""
    if base == HUB_ID:
        return (
            f"The base model was read from a 4-bit copy ({run['base']['revision'].partition(' ')[0]}) and unpacked to "
            f"bfloat16, so its weights differ a little from those at {HUB_ID}. The adapter fits both, but its answers on the "
            "hub's are not the same word for word, and how far they differ was not measured. A merged export holds the very "
            "weights it was trained on."
        )
    if not base:
        return "The base model was a folder on the machine it was trained on: without that folder, only a merged export runs."
    return ""


def _data(run: Mapping[str, Any]) -> dict[str, Any]:
    """What it was trained on, in figures."""
    named = {
        "num_train_tokens": "tokens read, over all passes",
        "num_target_tokens": "of these the author's, which alone carry loss",
        "dropped_turns": "older turns dropped to fit the window",
        "cut_replies": "replies cut to fit the window",
        "steps": "steps",
        "stopped": "how it ended",
        "precision": "computed in",
    }
    figures = {label: run[key] for key, label in named.items() if key in run}
    if "registers" in run:
        figures["contacts named in half of their chats' prompts"] = len(run["registers"])
    if "seconds" in run:
        figures["minutes of training"] = round(run["seconds"] / 60, 1)
    if "peak_memory_bytes" in run:
        figures["most memory, in GB"] = round(run["peak_memory_bytes"] / 1e9, 1)
    return figures


def _curve(curve: Sequence[Mapping[str, float]], best: float | None) -> str:
    """Training loss since the last measurement, and held-out loss, in nats a token; thinned to MOST_ROWS."""
    rows: list[tuple[str, str, str]] = []
    seen: list[float] = []
    for point in curve:
        seen += [point["train_nats"]] if "train_nats" in point else []
        if "dev_nats" in point:
            mean = f"{sum(seen) / len(seen):.3f}" if seen else ""
            kept = " (kept)" if point.get("epoch") == best else ""
            rows.append((f"{point.get('epoch', 0):.2f}{kept}", mean, f"{point['dev_nats']:.3f}"))
            seen = []
    step = -(-len(rows) // MOST_ROWS)
    shown = [row for at, row in enumerate(rows) if at % step == 0 or at == len(rows) - 1 or "kept" in row[0]]
    head = ("pass", "training loss (mean since the row above)", "held-out loss")
    return _grid(head, shown) + "\n\nIn nats a token, over the author's words only." if shown else ""


def _results(run: Mapping[str, Any], scorecard: Mapping[str, Any] | None) -> str:
    said = []
    if "best_dev_nats" in run:
        said.append(f"Loss on held-out conversations: {run['best_dev_nats']:.3f} nats a token, in the adapter kept.")
    if scorecard and "bits_per_byte" in scorecard:
        bits = [(_CANDIDATES.get(name, name), f"{value:.3f}") for name, value in scorecard["bits_per_byte"].items()]
        said += [_grid(("candidate", "bits a byte of the author's real replies, lower is better"), bits)]
        said += [verdict] if (verdict := _verdict(scorecard)) else []
    return "\n\n".join(said)


def _verdict(scorecard: Mapping[str, Any]) -> str:
    """Its sentence; scorecards of earlier versions have nothing else for a verdict."""
    verdict = scorecard.get("verdict") or ""
    return str(verdict.get("headline", "") if isinstance(verdict, Mapping) else verdict)


_CANDIDATES = {"plain": "the base model", "prompted": "the base model with the best prompt", "clone": "this clone"}


def _leaks(leaks: Mapping[str, Any] | None) -> str:
    if not leaks:
        return "It was not checked whether the adapter gives away what it was trained on. Take it that it may."
    said = f"Verdict: **{leaks.get('verdict', 'unknown')}**. {leaks.get('sentence', '')}".strip()
    return f"{said}\n\nA clean result does not show that nothing was memorised."


def _limits(run: Mapping[str, Any]) -> str:
    size = "At 135 million parameters it" if run.get("base", {}).get("name") == DEFAULT_BASE else "It"
    return (
        f"{size} has the voice and not the sense: how long, how spelled and in which words this person writes, not what "
        "they know or would decide. What it states may be made up. It writes best in the languages and kinds of chat it was "
        "trained on, and whatever the author wrote, it may have learned: also what was rude, wrong or private. Do not use it "
        "to deceive anybody, nor to decide anything about its author."
    )


def _table(figures: Mapping[str, Any]) -> str:
    return _grid(("", ""), [(key, _said(value)) for key, value in figures.items()]) if figures else ""


def _said(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
