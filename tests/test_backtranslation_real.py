"""Back-translation with the real base model behind real vLLM, the real embeddings and likelihoods."""

from __future__ import annotations

import json

import pytest

from style_clone.backtranslation.asking import Endpoint
from style_clone.backtranslation.likelihood import Likelihood
from style_clone.backtranslation.run import Tools, backtranslate
from style_clone.backtranslation.tasks import tasks
from style_clone.embedding import load_embedder
from style_clone.models import BaseModel, load_model, load_tokenizer
from style_clone.pairs.documents.written import load
from style_clone.prompt import prompt_ids, reply_ids
from style_clone.serving.engine import Engine, running
from style_clone.words import share_run
from style_clone.workspace import Workspace
from tests.conftest import ROOT
from tests.test_backtranslation import pair, save

CHUNKS = (
    "Of all the tunings I know the one I trust least is the one that is asked for by telephone. The piano is always "
    "fine, it is only the one key, and when I come the one key is the lid.",
    "My mother kept her recipes in a tin that had once held nails. None of them has an oven temperature. It says a hot "
    "oven, or a kind oven, and for the plum cake it says to ask Mrs. Dorn next door.",
    "I have walked to work for eleven years now, along the canal, and I could not tell you the names of three birds. "
    "But I know which of the boats is unhappy. It shows in how they leave their washing out.",
)
pytestmark = pytest.mark.slow


def test_likelihood_is_that_of_the_model_itself(base_model: BaseModel) -> None:
    """Against the plain definition, one text at a time; and a prompt about the text makes it likelier than another."""
    import torch

    model, tokenizer = load_model(base_model, "float32"), load_tokenizer(base_model)
    prompts = ["Do you walk to work along the canal?", "Write something.", "What is the boiling point of lead, please?"]
    found = Likelihood(model, tokenizer)(prompts, CHUNKS[2])
    for prompt, value in zip(prompts, found, strict=True):
        start, reply = prompt_ids(tokenizer, [{"role": "user", "content": prompt}]), reply_ids(tokenizer, CHUNKS[2])
        with torch.inference_mode():
            logs = model(torch.tensor([[*start, *reply]])).logits[0].log_softmax(-1)
        each = [float(logs[len(start) + number - 1, token]) for number, token in enumerate(reply)]
        assert value == pytest.approx(sum(each) / len(each), abs=1e-3)
    assert found[0] > found[1]
    assert found[0] > found[2]


@pytest.mark.long
def test_real_prompts_are_checked_and_put_down(workspace: Workspace, base_model: BaseModel) -> None:
    folder = workspace.folder("nell")
    folder.pairs.mkdir(parents=True)
    save(folder, train=[pair(text, "Write something.") for text in CHUNKS])
    likelihood = Likelihood(load_model(base_model), load_tokenizer(base_model))
    tools = Tools(load_embedder(Workspace(ROOT / ".cache")), likelihood, candidates=4)
    engine = Engine(base_model.path, base_model.name, workspace, ())
    with running(engine):
        endpoint = Endpoint(f"{engine.url}/v1", base_model.name, engine.key)
        account = backtranslate(folder, tasks(folder, "prompt"), endpoint, tools)
        paraphrased = backtranslate(folder, tasks(folder, "rewrite"), endpoint, tools)
    rows = [json.loads(line) for line in folder.backtranslations.read_text().splitlines()]
    assert account.asked == len(CHUNKS)
    assert len(rows) == account.asked + paraphrased.asked
    assert tasks(folder, "prompt") == []
    for row in rows:
        assert (row["prompt"] is None) == (row["reason"] != "kept")
        assert (
            row["kind"] == "rewrite" or row["prompt"] is None or (row["gain"] > 0 and 0.3 <= row["similarity"] <= 0.9)
        )
    assert not any(share_run(prompt, text, 6) for prompt in load(folder).prompts.values() for text in CHUNKS)
