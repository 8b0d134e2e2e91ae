"""What a base model's files say about its licence, and what its user is told to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import ModelCardData

from style_clone.licenses import caution, license_in, named


@pytest.mark.parametrize(
    ("head", "license"),
    [
        (
            "                                 Apache License\n                           Version 2.0, January 2004",
            "Apache-2.0",
        ),
        ("MIT License\n\nCopyright (c) 2025 Somebody", "MIT"),
        ("Permission is hereby granted, free of charge, to any person", "MIT"),
        ("LLAMA 3.2 COMMUNITY LICENSE AGREEMENT", "llama3.2"),
        ("Gemma Terms of Use\nLast modified", "gemma"),
        ("Qwen RESEARCH LICENSE AGREEMENT", "qwen-research"),
        ("All rights reserved.", "unknown"),
    ],
)
def test_a_licence_s_own_text_is_known_by_its_head(tmp_path: Path, head: str, license: str) -> None:
    (tmp_path / "LICENSE.txt").write_text(head)
    assert license_in(tmp_path) == license


def test_the_model_card_comes_first(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("MIT License")
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    assert license_in(tmp_path) == "Apache-2.0"


@pytest.mark.parametrize("readme", ["---\nlicense: [\n---\n", "no front matter", "---\n- a\n- b\n---\n"])
def test_a_card_that_says_nothing_readable_is_passed_over(tmp_path: Path, readme: str) -> None:
    assert license_in(tmp_path) == "unknown"
    (tmp_path / "README.md").write_text(readme)
    (tmp_path / "COPYING").write_text("MIT License")
    assert license_in(tmp_path) == "MIT"


def test_the_hub_s_card_data_is_read_as_it_comes() -> None:
    card = ModelCardData(license="other", license_name="qwen-research")
    assert named(card.to_dict()) == "qwen-research"
    assert named({"license": ["mit", "apache-2.0"]}) == "mit AND apache-2.0"
    assert named({}) == ""


def test_what_to_look_at() -> None:
    assert caution("Apache-2.0") == caution("mit") == ""
    assert "names no licence" in caution("unknown")
    assert "commercial" in caution("CC-BY-NC-4.0")
    assert "commercial" in caution("qwen-research")
    assert "terms of its own" in caution("llama3.2")
