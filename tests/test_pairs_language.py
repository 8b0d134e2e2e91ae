"""The filter for one language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from style_clone.errors import UsageError
from style_clone.pairs.cleaning.language import LanguageFilter

TEXTS = {
    "de": "ich komme heute etwas später, fangt schon mal ohne mich an",
    "en": "I'll be a bit late tonight, start without me please",
    "es": "nos vemos mañana en la estación a las ocho",
    "fr": "on se retrouve devant le cinéma vers huit heures",
    "it": "ci vediamo domani sera davanti al cinema",
    "nl": "ik ben wat later vanavond, begin maar vast",
    "ru": "я сегодня немного опоздаю, начинайте без меня",
}


@pytest.fixture(scope="module")
def english() -> LanguageFilter:
    return LanguageFilter("en")


def test_one_language_is_kept_and_the_others_are_not(english: LanguageFilter) -> None:
    assert {code for code, text in TEXTS.items() if english.keeps(text)} == {"en"}


@pytest.mark.parametrize(
    "text", ["", "ok", "ja genau", "https://example.org/ein/langer/pfad/auf/deutsch", "12:30 " * 30]
)
def test_too_short_to_tell(english: LanguageFilter, text: str) -> None:
    assert english.keeps(text) is None


def test_a_code_may_be_in_capitals() -> None:
    assert LanguageFilter(" DE ").keeps(TEXTS["de"]) is True


def test_an_unknown_code_is_told_with_some_that_are_known() -> None:
    with pytest.raises(UsageError) as caught:
        LanguageFilter("english")
    assert "'english'" in caught.value.problem
    assert "de, en, es" in caught.value.mend


def test_real_chat_in_english_is_kept(corpora: Path, english: LanguageFilter) -> None:
    with (corpora / "authors/chat/duraspace-irc/messages.jsonl").open(encoding="utf-8") as file:
        told = [english.keeps(json.loads(line)["text"]) for line, _ in zip(file, range(1000), strict=False)]
    assert told.count(False) <= 0.01 * len(told)
