"""An adapter folder is plain PEFT, says how it came to be, and is replaced whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftConfig, PeftModel
from safetensors import SafetensorError

from style_clone import precision
from style_clone.conversation import Turn, read_pairs, write_lines
from style_clone.errors import MissingStage, StorageError, TooFewPairs, TrainingError, UsageError
from style_clone.models import BaseModel, load_model, resolve, trained_on
from style_clone.pairs.run import build
from style_clone.persona import USUAL_TOKENS, Persona
from style_clone.progress import Event
from style_clone.train import artifact
from style_clone.train.run import train
from style_clone.workspace import PersonaFolder, Workspace, file_hash, read_json
from tests.pairs_chats import persona
from tests.tiny_base import one_undated_chat, save_tiny_base

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"epochs": "1", "batch_tokens": "1024"}
RUN_FIELDS = {
    "adapter_sha256",
    "base",
    "best_dev_nats",
    "best_epoch",
    "best_step",
    "curve",
    "cut_replies",
    "dropped_turns",
    "leaks",
    "num_target_tokens",
    "num_train_tokens",
    "pairs_sha256",
    "peak_memory_bytes",
    "predicted",
    "recipe",
    "registers",
    "resumed",
    "seconds",
    "steps",
    "stopped",
    "tokens_per_second",
    "precision",
    "versions",
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    return fail


def test_an_adapter_folder_holds_its_files_and_no_trace_of_this_machine(
    folder: PersonaFolder, base: BaseModel, workspace: Workspace
) -> None:
    train(folder, base, overrides=QUICK)
    assert set(os.listdir(folder.adapter)) == artifact.FILES
    config = read_json(folder.adapter / "adapter_config.json")
    assert config["base_model_name_or_path"] == "tiny"
    for name in ("adapter_config.json", "run.json", "README.md"):
        text = (folder.adapter / name).read_text()
        assert str(workspace.home) not in text
        assert str(Path.home()) + os.sep not in text
    assert not (folder.runs / "checkpoints").exists()


def test_run_json_says_how_it_came_to_be(folder: PersonaFolder, base: BaseModel) -> None:
    run = train(folder, base, overrides={**QUICK, "rank": "4", "alpha": "8"})
    assert run == read_json(folder.adapter / "run.json")
    assert set(run) == RUN_FIELDS
    assert run["base"] == {"name": "tiny", "revision": "local", "sha256": base.sha256}
    assert (run["recipe"]["epochs"], run["recipe"]["rank"]) == (1, 4)
    assert run["pairs_sha256"] == artifact.pairs_hash(folder)
    assert run["adapter_sha256"] == file_hash(folder.adapter / artifact.WEIGHTS)
    assert (run["best_epoch"], run["best_step"], run["stopped"], run["resumed"]) == (1, run["steps"], "finished", 0)
    assert run["predicted"]["seconds"] > 0
    assert run["predicted"]["peak_memory_bytes"] > 0
    assert run["peak_memory_bytes"] > 0
    assert run["leaks"]["sentence"]
    assert {"torch", "transformers", "peft", "python", "style-clone"} <= set(run["versions"])
    replies = sum(len(pair.reply.encode()) + 1 for pair in read_pairs(folder.split("train")))
    assert run["num_target_tokens"] == replies  # one token a byte, and the end of each turn


def test_the_held_out_loss_falls_under_the_kernels_of_a_real_run(folder: PersonaFolder, base: BaseModel) -> None:
    """The loop's own tests have a base in float32, which other code computes."""
    run = train(folder, base, overrides={"epochs": "2", "learning_rate": "0.01"})
    dev = [point["dev_nats"] for point in run["curve"] if "dev_nats" in point]
    assert dev[-1] < dev[0] - 0.1


def test_run_json_says_which_registers_were_trained(folder: PersonaFolder, base: BaseModel) -> None:
    assert train(folder, base, overrides=QUICK)["registers"] == {}, "everything is written to Ann"
    pairs = read_pairs(folder.split("train"))
    to_two = [replace(pair, recipient="Tam Reed" if at % 2 else "Ann Lee") for at, pair in enumerate(pairs * 3)]
    with folder.split("train").open("w") as file:
        write_lines(file, (pair.to_json() for pair in to_two))
    assert train(folder, base, overrides=QUICK)["registers"] == {"Ann Lee": "Ann", "Tam Reed": "Tam"}
    assert train(folder, base, overrides={**QUICK, "registers": "false"})["registers"] == {}


def test_bare_peft_loads_it(folder: PersonaFolder, base: BaseModel) -> None:
    train(folder, base, overrides={**QUICK, "rank": "4"})
    assert PeftConfig.from_pretrained(str(folder.adapter)).r == 4
    model = PeftModel.from_pretrained(load_model(base), folder.adapter)
    learned = [value for name, value in model.named_parameters() if "lora_B" in name]
    assert len(learned) == 2 * 7  # seven linear layers in each of two blocks, the output layer not among them
    assert all(torch.count_nonzero(value) for value in learned)


def test_the_persona_remembers_its_base_model(folder: PersonaFolder, base: BaseModel, workspace: Workspace) -> None:
    train(folder, base, overrides=QUICK)
    known = Persona.load(folder)
    assert (known.base_model, known.base_sha256, known.base_revision) == ("tiny", base.sha256, "local")
    assert trained_on(folder, workspace) == base


@pytest.mark.parametrize(
    ("letters", "tokens"), [(20, USUAL_TOKENS), (200, 252), (500, 512)], ids=["chat", "mail", "essay"]
)
def test_replies_get_the_room_their_author_takes(
    folder: PersonaFolder, base: BaseModel, letters: int, tokens: int
) -> None:
    """A token a byte and one for the end, a quarter more; never less than is usual nor more than an example has."""
    said: Turn = {"role": "assistant", "content": "x" * letters}
    pairs = [replace(pair, turns=(*pair.context, said)) for pair in read_pairs(folder.split("train"))]
    with folder.split("train").open("w") as file:
        write_lines(file, (pair.to_json() for pair in pairs))
    train(folder, base, overrides=QUICK)
    assert Persona.load(folder).effective_sampling.max_tokens == tokens


def test_an_adapter_is_stale_once_the_pairs_are_others(folder: PersonaFolder, base: BaseModel) -> None:
    assert not artifact.is_fresh(folder)
    train(folder, base, overrides=QUICK)
    assert artifact.is_fresh(folder)
    pairs = folder.split("train").read_text()
    folder.split("train").write_text("".join(pairs.splitlines(keepends=True)[1:]))
    assert not artifact.is_fresh(folder)
    shutil.rmtree(folder.pairs)
    assert not artifact.is_fresh(folder)


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error: No space left on device")],
    ids=["system", "safetensors"],
)
def test_a_full_disk_while_saving_leaves_the_old_adapter(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    train(folder, base, overrides=QUICK)
    before, remembered = contents(folder.adapter), folder.persona.read_text()
    monkeypatch.setattr(PeftModel, "save_pretrained", raising(error))
    with pytest.raises(StorageError, match="the disk is full.*what was there is unchanged") as caught:
        artifact.save(PeftModel.from_pretrained(load_model(base), folder.adapter), folder, {"base": {"name": "x"}})
    assert "Free some space" in caught.value.mend
    assert contents(folder.adapter) == before
    assert folder.persona.read_text() == remembered
    assert not list(folder.root.glob(".adapter*"))


def test_a_full_disk_at_a_checkpoint_is_told_too(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch says only that a position was not as expected; how much room is left tells why."""
    monkeypatch.setattr(torch, "save", raising(RuntimeError("[enforce fail at inline_container.cc:672]")))
    with pytest.raises(RuntimeError, match="enforce fail"):
        train(folder, base, overrides=QUICK)
    usage = shutil.disk_usage(folder.root)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="the disk is full"):
        train(folder, base, overrides=QUICK)
    assert not folder.adapter.exists()


def test_training_twice_at_once_is_refused(folder: PersonaFolder, base: BaseModel) -> None:
    folder.runs.mkdir()
    with (folder.runs / "train.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="nell is being trained already"):
            train(folder, base, overrides=QUICK)
    train(folder, base, overrides=QUICK)


def test_no_pairs_is_a_missing_stage(workspace: Workspace, base: BaseModel) -> None:
    with pytest.raises(MissingStage, match="nell has no pairs yet") as caught:
        train(persona(workspace, []), base)
    assert "style-clone pairs nell" in caught.value.mend


def test_a_single_undated_chat_leaves_nothing_held_out_and_training_says_so(
    workspace: Workspace, base: BaseModel
) -> None:
    folder = persona(workspace, one_undated_chat())
    assert "nothing is held back for dev, judge, test" in " ".join(build(folder).notes)
    with pytest.raises(TrainingError, match="nell has no dev pairs: conversations and documents stay whole") as caught:
        train(folder, base, overrides=QUICK)
    assert "Add more writing" in caught.value.mend
    assert not folder.adapter.exists()


def test_fewer_than_twenty_pairs_never_get_as_far(workspace: Workspace) -> None:
    with pytest.raises(TooFewPairs, match=r"\d+ usable pairs"):
        build(persona(workspace, one_undated_chat()[:20]))


def test_a_wrong_setting_is_refused_before_anything_is_touched(folder: PersonaFolder, base: BaseModel) -> None:
    with pytest.raises(UsageError, match="there is no such setting"):
        train(folder, base, overrides={"lr": "1"})
    assert not folder.runs.exists()


class Interrupted(Exception):
    """What the listener raises to stop a run."""


def interrupt(folder: PersonaFolder, base: BaseModel, overrides: dict[str, str], after: float = 0.5) -> None:
    """Stop after a share of the steps; the first epoch's measurements and their checkpoints are there by the half."""

    def listen(event: Event) -> None:
        if event.stage == "train" and event.total and event.done > event.total * after:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(folder, base, overrides=overrides, report=listen)


TWO = {"epochs": "2", "batch_tokens": "512"}


def test_an_interrupted_run_is_resumed(folder: PersonaFolder, base: BaseModel) -> None:
    interrupt(folder, base, TWO)
    assert not folder.adapter.exists()
    run = train(folder, base, overrides=TWO, resume=True)
    assert [point["epoch"] for point in run["curve"] if "dev_nats" in point][::2] == [0, 1, 2]
    assert (run["resumed"], run["stopped"]) == (1, "finished")
    assert run["predicted"]["seconds"] > 0, "as it was predicted at the start"
    assert not (folder.runs / "checkpoints").exists()


def test_a_run_killed_before_its_first_checkpoint_is_simply_begun_again(folder: PersonaFolder, base: BaseModel) -> None:
    interrupt(folder, base, TWO, after=-1)
    assert train(folder, base, overrides=TWO, resume=True)["resumed"] == 0


def test_a_checkpoint_cut_short_is_not_resumed_from(folder: PersonaFolder, base: BaseModel) -> None:
    interrupt(folder, base, TWO)
    *_, whole = (folder.runs / "checkpoints").glob("checkpoint-*")
    torn = whole.with_name("checkpoint-9999")
    shutil.copytree(whole, torn)
    (torn / "complete").unlink()
    assert train(folder, base, overrides=TWO, resume=True)["steps"] < 9999


def test_a_full_disk_at_a_later_checkpoint_leaves_the_one_before_to_go_on_from(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, saves = torch.save, iter(range(5))

    def fail_in_time(*args: Any, **kwargs: Any) -> None:
        plain(*args, **kwargs)
        if next(saves, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail_in_time)
        with pytest.raises(StorageError, match="the disk is full") as caught:
            train(folder, base, overrides=TWO)
    assert "style-clone train nell --resume" in caught.value.mend
    [kept] = (folder.runs / "checkpoints").glob("checkpoint-*")
    assert (kept / "complete").exists(), "what was cut short no longer takes room"
    assert train(folder, base, overrides=TWO, resume=True)["resumed"] == 1


def test_one_that_was_killed_while_its_adapter_was_saved_is_resumed_to_it(
    folder: PersonaFolder, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(artifact, "save", raising(Interrupted()))
        with pytest.raises(Interrupted):
            train(folder, base, overrides=TWO)
    run = train(folder, base, overrides=TWO, resume=True)
    assert (run["stopped"], run["tokens_per_second"]) == ("finished", 0)


def test_only_the_same_run_is_resumed(folder: PersonaFolder, base: BaseModel, workspace: Workspace) -> None:
    with pytest.raises(TrainingError, match="no run to resume"):
        train(folder, base, overrides=TWO, resume=True)
    interrupt(folder, base, TWO)
    other = resolve(str(save_tiny_base(workspace.home / "bases" / "other", seed=1)), workspace)
    for model, overrides in ((base, {**TWO, "seed": "1"}), (other, TWO)):
        with pytest.raises(TrainingError, match="with this recipe, base model and pairs"):
            train(folder, model, overrides=overrides, resume=True)
    assert json.loads((folder.runs / "checkpoints" / "identity.json").read_text())["base"]["name"] == "tiny"


@pytest.mark.parametrize("computed", ["bfloat16", "float32"])
def test_the_weights_are_what_the_machine_computes_in_and_the_adapter_is_float32(
    folder: PersonaFolder, base: BaseModel, computed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "on_the_cpu", lambda: computed)
    train(folder, base, overrides=QUICK)
    assert {value.dtype for value in load_model(base).parameters()} == {getattr(torch, computed)}
    model = PeftModel.from_pretrained(load_model(base), folder.adapter)
    assert {value.dtype for name, value in model.named_parameters() if "lora_" in name} == {torch.float32}
    assert "vllm" not in sys.modules
