"""Exports of an adapter trained on the real base model, as other programs load them.

That vLLM serves an adapter folder is held by test_serving_real.py; here its files are compared with an export's.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from style_clone import precision
from style_clone.conversation import Pair
from style_clone.exporting import merging
from style_clone.exporting.weights import ExportedWeights, WeightsForm, export_weights
from style_clone.models import BaseModel, load_model, load_tokenizer, resolve
from style_clone.train import artifact
from style_clone.train.run import train
from style_clone.workspace import PersonaFolder, Workspace
from tests.conftest import ROOT
from tests.ready_pairs import pair, ready

pytestmark = pytest.mark.slow

PROMPTS = 20
THINGS = ("bus", "plot", "kettle", "dog", "rota", "shed", "choir", "tea", "van", "ladder")


def chats(count: int) -> list[Pair]:
    """Short exchanges, each a conversation of its own, answered in one voice."""
    return [
        pair(
            f"what about the {THINGS[at % 10]} on day {at}?",
            f"nah the {THINGS[at % 10]} can wait lol x",
            conversation=f"{count}-{at}",
        )
        for at in range(count)
    ]


@pytest.fixture(scope="module")
def nell(tmp_path_factory: pytest.TempPathFactory, base_model: BaseModel) -> PersonaFolder:
    """A persona with an adapter trained for one pass."""
    home = tmp_path_factory.mktemp("export") / "home"
    home.mkdir()
    (home / "models").symlink_to(base_model.path.parent)
    (ROOT / ".cache" / "tools").mkdir(exist_ok=True)
    (home / "tools").symlink_to(ROOT / ".cache" / "tools")
    folder = ready(Workspace(home), {"train": chats(40), "dev": chats(4), "test": chats(PROMPTS)})
    train(folder, base_model, overrides={"epochs": "1", "learning_rate": "3e-3"})
    return folder


@pytest.fixture(scope="module")
def merged(nell: PersonaFolder, tmp_path_factory: pytest.TempPathFactory) -> ExportedWeights:
    return export(nell, "merged", tmp_path_factory.mktemp("merged") / "out")


@pytest.fixture(scope="module")
def adapter(nell: PersonaFolder, tmp_path_factory: pytest.TempPathFactory) -> ExportedWeights:
    return export(nell, "adapter", tmp_path_factory.mktemp("adapter") / "out")


@pytest.fixture(scope="module")
def prompts(nell: PersonaFolder, base_model: BaseModel) -> list[list[int]]:
    found = merging.held_out_prompts(nell, load_tokenizer(base_model), PROMPTS)
    assert len(found) == PROMPTS
    return found


def export(folder: PersonaFolder, form: WeightsForm, out: Path) -> ExportedWeights:
    return export_weights(folder, Workspace(folder.root.parent.parent), form, out)


def greedy(model: Any, prompts: list[list[int]]) -> Iterator[list[int]]:
    """Plain transformers at temperature 0, one prompt at a time."""
    for prompt in prompts:
        given = torch.tensor([prompt])
        out = model.generate(given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=16)
        yield out[0, len(prompt) :].tolist()


def bare(base: BaseModel) -> Any:
    """The base model by transformers alone."""
    return AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.float32).eval()


def test_the_merged_folder_answers_token_for_token_as_base_and_adapter(
    merged: ExportedWeights, adapter: ExportedWeights, base_model: BaseModel, prompts: list[list[int]]
) -> None:
    assert merged.agreement == merging.Agreement(PROMPTS, PROMPTS)
    plain = bare(base_model)
    said_by_base = list(greedy(plain, prompts[:3]))
    clone = list(greedy(PeftModel.from_pretrained(plain, adapter.folder).eval(), prompts))
    assert list(greedy(AutoModelForCausalLM.from_pretrained(merged.folder).eval(), prompts)) == clone
    assert said_by_base != clone[:3]


def test_peft_and_transformers_load_the_same_adapter(
    adapter: ExportedWeights, base_model: BaseModel, prompts: list[list[int]]
) -> None:
    by_peft = PeftModel.from_pretrained(bare(base_model), adapter.folder).eval()
    by_transformers = bare(base_model)
    by_transformers.load_adapter(str(adapter.folder))
    with torch.inference_mode():
        for prompt in prompts[:3]:
            ids = torch.tensor([prompt])
            assert torch.equal(by_peft(ids).logits, by_transformers(ids).logits)
            with by_peft.disable_adapter():
                assert not torch.equal(by_peft(ids).logits, by_transformers(ids).logits)


def test_the_exported_adapter_is_what_vllm_is_given(adapter: ExportedWeights, nell: PersonaFolder) -> None:
    exported, kept = adapter.folder / artifact.WEIGHTS, nell.adapter / artifact.WEIGHTS
    assert exported.read_bytes() == kept.read_bytes()


@pytest.mark.parametrize("form", ["home", "adapter", "merged"])
def test_the_card_s_program_runs(
    form: str, base_model: BaseModel, nell: PersonaFolder, request: pytest.FixtureRequest
) -> None:
    folder = nell.adapter if form == "home" else request.getfixturevalue(form).folder
    card = (folder / "README.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert program
    code = re.sub(r'^base = ".*"$', f"base = {str(base_model.path)!r}", program[1], flags=re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_one_can_train_on_a_merged_folder(merged: ExportedWeights, nell: PersonaFolder, tmp_path: Path) -> None:
    base = resolve(str(merged.folder), Workspace(tmp_path / "other"))
    assert load_tokenizer(base).chat_template == AutoTokenizer.from_pretrained(merged.folder).chat_template
    assert load_model(base).dtype == getattr(torch, precision.here())


@pytest.mark.long
def test_the_gguf_answers_as_base_and_adapter(
    nell: PersonaFolder, base_model: BaseModel, prompts: list[list[int]], tmp_path: Path
) -> None:
    made = export(nell, "gguf", tmp_path / "out")
    assert made.agreement == merging.Agreement(PROMPTS, PROMPTS)
    (file,) = [name for name in made.files if name.endswith(".gguf")]
    tokenizer, ours = AutoTokenizer.from_pretrained(made.folder, gguf_file=file), load_tokenizer(base_model)
    text = ours.decode(prompts[0])
    assert tokenizer(text)["input_ids"] == ours(text)["input_ids"]
    assert tokenizer.chat_template == ours.chat_template
    assert tokenizer.eos_token_id == ours.eos_token_id
