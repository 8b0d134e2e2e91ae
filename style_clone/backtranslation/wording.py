"""What the model is asked, and what of its answer is taken.

Asking for the instruction a text may answer is instruction back-translation (Li and others 2023, "Self-Alignment with
Instruction Backtranslation"); unlike there the model is not trained for it, so it is shown examples and its answers are
checked all the harder. With the bundled model, examples make seven usable questions of what were two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from style_clone.conversation import Turn
from style_clone.words import count_words

PROMPT_WORDS = range(3, 41)

_QUESTION = (
    'Somebody was asked a question and answered:\n\n"{text}"\n\n'
    "What were they asked? Write only the question, in at most fifteen words."
)
_PARAPHRASE = (
    'Somebody wrote:\n\n"{text}"\n\n'
    "Say the same in plain, neutral words, in one sentence of your own. Write only that sentence."
)
_ANSWERED = (
    (
        "I gave up the car in March. The bus is slow, but I read on it, and by the time I am home I have forgotten the "
        "office. In the car I used to bring the office with me all the way into the kitchen.",
        "Why did you stop driving to work?",
    ),
    (
        "The council calls it a park, but it is a car park with a bench. I went there with my sister on Sunday. We sat "
        "down, looked at the lorries, and were moved on by a man in a yellow jacket.",
        "Tell me about the new park in your town.",
    ),
    (
        "Nobody says it aloud, but bread is mostly waiting. You mix for five minutes and then you are a servant of the "
        "clock for a whole day. People who have no time for it cannot sit still near a bowl.",
        "How much work is it to bake your own bread?",
    ),
)
_PARAPHRASED = (
    (
        "Cba with the bus, so I cycle, and arrive like something pulled out of the canal.",
        "I do not like to take the bus, so I ride my bicycle and get there wet.",
    ),
    (
        "There is, I maintain, no sorrow on this earth that a decent piece of cheese will not at least look in the eye.",
        "I believe that good cheese helps a little against any sadness.",
    ),
)
"""Written for this; plain on purpose, so that nothing of them is worth repeating."""
_LABEL = re.compile(
    r"^(?:(?:the|my|your|one|a)\s+)?(?:possible\s+|original\s+)?(?:question|request|prompt|sentence|paraphrase|answer|q)"
    r"(?:\s+(?:asked|they\s+(?:were\s+)?(?:asked|answered)))?(?:\s+(?:is|was|would\s+be|might\s+be|could\s+be))?\s*[:\-–]?\s+",
    re.IGNORECASE,
)
_THEY_WERE = re.compile(r"^(?:they|the person|somebody) (?:were|was) asked[:,]?\s+", re.IGNORECASE)
_MARKS = "*_#>-–— \t"
_QUOTES = "\"'“”‘’«»`"
_ENDS = re.compile(r"(?<=[.!?？。])[\"'”’)*_]*(?:\s|$)")
_ASKS = re.compile(
    r"(?:tell|write|describe|explain|give|share|talk|say|name|list|show|compare|discuss|define|recall|remember|imagine"
    r"|argue|defend|tell us|let us|please|could|can|would)\b",
    re.IGNORECASE,
)
_ABOUT_THE_TEXT = re.compile(
    r"\b(?:(?:the|this|that|your|given|following) (?:\w+ )?(?:text|passage|questions?|answer|author|narrator|speaker"
    r"|writer|paragraph|excerpt|quote|statement|sentence|user|reply|response)|asked|asking a question)\b",
    re.IGNORECASE,
)
_QUOTED_QUESTION = re.compile(r":\s*[\"“]([^\"“”]{8,}[?？])")


def ask_for_question(text: str) -> list[Turn]:
    """Chat messages that ask which question `text` answers."""
    return _shown(_QUESTION, _ANSWERED, text)


def ask_for_paraphrase(text: str) -> list[Turn]:
    """Chat messages that ask for `text` in neutral words."""
    return _shown(_PARAPHRASE, _PARAPHRASED, text)


def _shown(request: str, examples: Sequence[tuple[str, str]], text: str) -> list[Turn]:
    turns: list[Turn] = []
    for given, answer in examples:
        turns += [{"role": "user", "content": request.format(text=given)}, {"role": "assistant", "content": answer}]
    return [*turns, {"role": "user", "content": request.format(text=text)}]


def question_in(answer: str) -> str | None:
    """The question or request in what the model wrote: one sentence of 3 to 40 words, about the matter, not the text."""
    quoted = _QUOTED_QUESTION.search(answer.partition("\n")[0])
    found = sentence_in(quoted[1] if quoted else answer)
    if not (found.endswith(("?", "？")) or _ASKS.match(found)):
        return None
    return None if _ABOUT_THE_TEXT.search(found) or count_words(found) not in PROMPT_WORDS else found


def sentence_in(answer: str) -> str:
    """The first sentence of the first line that says something, without labels, quotes and Markdown."""
    lines = (_bare(line) for line in answer.splitlines())
    line = next((line for line in lines if count_words(line) > 1), "")
    end = _ENDS.search(line)
    return _bare(line[: end.start()] if end else line)


def _bare(line: str) -> str:
    line = line.replace("**", "").strip(_MARKS)
    line = _THEY_WERE.sub("", _LABEL.sub("", line.strip(_QUOTES + _MARKS), count=1), count=1).strip(_MARKS)
    if line[:1] in _QUOTES:  # a quotation begins here: what follows its end is the model talking
        line = line.strip(_QUOTES)
    return line.rstrip(_QUOTES) if line.count('"') % 2 else line
