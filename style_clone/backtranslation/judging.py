"""Which of the model's candidates are kept: related to the text, no copy of it, and making it likelier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from style_clone.backtranslation.wording import question_in, sentence_in
from style_clone.pairs.documents.monologue import GIVEN_AWAY_RUN_WORDS
from style_clone.words import count_words, share_run

LEAST_SIMILARITY = 0.3
MOST_SIMILARITY = 0.9
"""Cosine similarity of prompt and text. In essays of five authors, 95 of 100 titles and sentences are less than 0.3 like a
text of another essay by the same author, and 99 of 100 sentences are less than 0.9 like the text they stand in."""
LEAST_PARAPHRASE_SIMILARITY = 0.7
PARAPHRASE_LENGTH_RATIO = (0.5, 2.0)

NO_QUESTION = "no question in the model's answer"
GIVES_AWAY = f"has {GIVEN_AWAY_RUN_WORDS} words of the text in a row"
UNRELATED = "unrelated to the text"
COPIES = "a copy of the text"
NO_LIKELIER = "does not make the text likelier than the template"
NO_PARAPHRASE = "no sentence in the model's answer"
WRONG_LENGTH = "less than half or more than twice as long"
OTHER_MEANING = "means something else"


@dataclass(frozen=True)
class Verdict:
    """What became of a text: the prompt to keep, or why there is none. `similarity` is a cosine, `gain` nats a token."""

    prompt: str | None
    reason: str = "kept"
    similarity: float | None = None
    gain: float | None = None


def questions(answers: Sequence[str], text: str) -> tuple[list[str], str]:
    """The usable questions among the model's answers, each once; and why there are none, where that is so."""
    found = list(dict.fromkeys(question for answer in answers if (question := question_in(answer))))
    kept = [question for question in found if not share_run(question, text, GIVEN_AWAY_RUN_WORDS)]
    return kept, "" if kept else GIVES_AWAY if found else NO_QUESTION


def paraphrases(answers: Sequence[str], text: str) -> tuple[list[str], str]:
    """The usable paraphrases among the model's answers; and why there are none."""
    found = list(dict.fromkeys(sentence for answer in answers if (sentence := sentence_in(answer))))
    own = [sentence for sentence in found if not share_run(sentence, text, GIVEN_AWAY_RUN_WORDS)]
    low, high = (ratio * count_words(text) for ratio in PARAPHRASE_LENGTH_RATIO)
    kept = [sentence for sentence in own if low <= count_words(sentence) <= high]
    return kept, "" if kept else WRONG_LENGTH if own else GIVES_AWAY if found else NO_PARAPHRASE


def related(similarities: Sequence[float]) -> tuple[list[int], str]:
    """Which candidates lie in the band, by index; and why none does."""
    kept = [index for index, value in enumerate(similarities) if LEAST_SIMILARITY <= value <= MOST_SIMILARITY]
    return kept, "" if kept else UNRELATED if max(similarities) < LEAST_SIMILARITY else COPIES
