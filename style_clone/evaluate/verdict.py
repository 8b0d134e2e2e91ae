"""The verdict: from the scorecard's numbers to one of five words, by rules fixed before looking.

cannot_measure      the verifier cannot tell the author from other people well enough, or there are too few conversations
rejected            the adapter fails a guardrail, whatever it wins elsewhere
worth_it            the clone beats the best prompt on voice, another agrees, none disagrees, and it keeps all guardrails
prompt_is_enough    whatever the clone gains on voice, it is surely less than LEAST_GAIN
inconclusive        else; with what would settle it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from style_clone.evaluate.protocol import CERTAIN, LEAST_CONVERSATIONS, LEAST_GAIN, VOTES
from style_clone.evaluate.settling import replies_to_agree, replies_to_answer, replies_to_settle, votes_to_settle

VOTERS = ("author", "acquaintance", "stranger")
REMEDIES = {
    "relevance": "A larger base model may answer more to the point (style-clone plan lists those that fit)",
    "copying": "Train again with fewer epochs, or on more writing",
    "shape": "Train again on more writing",
}
"""What mends a guardrail that failed, by its name."""

Numbers = Mapping[str, Any]


def verdict(scorecard: Numbers) -> dict[str, Any]:
    """`{"code", "provisional", "headline", "reasons", "next"}` for a scorecard with gate, candidates, contrasts and votes."""
    clone = _of(scorecard, "clone")
    voted = counted_votes(scorecard["votes"])
    for judge in (_cannot_measure, _rejected, _worth_it, _enough, _inconclusive):
        if found := judge(scorecard, clone, voted):
            found["reasons"] += _rival_words(scorecard)
            return {**found, "provisional": _is_provisional(found["code"], scorecard, voted)}
    raise AssertionError("the last rule always holds")


def counted_votes(votes: Numbers) -> Numbers | None:
    """The votes that count: those of the nearest kind of voter with a finished ballot of at least 40."""
    kinds = (votes[kind] for kind in VOTERS if kind in votes)
    return next((tally for tally in kinds if tally["complete"] and tally["votes"] >= VOTES), None)


def _is_provisional(code: str, card: Numbers, voted: Numbers | None) -> bool:
    if code == "worth_it" and _unasked(card):
        return True
    return code in ("worth_it", "prompt_is_enough") and voted is None


def _cannot_measure(card: Numbers, clone: Numbers, voted: Numbers | None) -> dict[str, Any] | None:
    gate = card["gate"]
    if gate["passed"]:
        return None
    if card["sizes"]["test_conversations"] < LEAST_CONVERSATIONS:
        wanted = "It takes writing from more conversations to measure it; blind votes do without."
    else:
        wanted = (
            "More of their writing, or other people's beside it (--impostors), would make it measurable; blind votes need "
            "neither."
        )
    return {
        "code": "cannot_measure",
        "headline": f"Cannot measure: {gate['failed'][0]}.",
        "reasons": [*gate["failed"][1:], *_guardrails(clone), *_fit_alone(card)],
        "next": wanted,
    }


def _rejected(card: Numbers, clone: Numbers, voted: Numbers | None) -> dict[str, Any] | None:
    if not clone["failed"]:
        return None
    first, *_ = clone["faults"].values()
    others = _guardrails(clone)[1:]
    return {
        "code": "rejected",
        "headline": f"Adapter rejected: {first}.",
        "reasons": [*others, *_own_relevance(card, clone), _voice_words(card), *_prompt_faults(card)],
        "next": f"{REMEDIES[clone['failed'][0]]}; the prompted baseline can be used meanwhile.",
    }


def _worth_it(card: Numbers, clone: Numbers, voted: Numbers | None) -> dict[str, Any] | None:
    voice = card["contrasts"]["voice"]
    agreements = _agreements(card)
    if not _wins(voice) or 1 not in agreements.values() or -1 in agreements.values() or _unsettled(clone):
        return None
    if voted is not None and voted["low"] <= 0.5:
        return None
    headline = "Fine-tuning is worth it"
    if voted is not None:
        headline += (
            f": in {voted['votes']} blind pairs the clone was preferred in {voted['preferred']:.0%} (ties count half)"
        )
    else:
        headline += f": the clone writes more like {card['author']} than the best prompt does"
    if clone["voice"]["s"]["value"] < 0:
        headline = "Better than prompting, still further from you than another person is"
    return {
        "code": "worth_it",
        "headline": f"{headline}.",
        "reasons": [_voice_words(card), *_speaking(agreements, 1, "for the clone too"), *_unasked(card)],
        "next": _asking(card, voted),
    }


def _enough(card: Numbers, clone: Numbers, voted: Numbers | None) -> dict[str, Any] | None:
    if card["contrasts"]["voice"]["high"] >= LEAST_GAIN:
        return None
    return {
        "code": "prompt_is_enough",
        "headline": "A prompt is enough: the clone's gain over it is surely too small to train for.",
        "reasons": [_voice_words(card), *_beside_voice(card), *_prompt_faults(card)],
        "next": "Chat with the prompted baseline; more writing may change this.",
    }


def _inconclusive(card: Numbers, clone: Numbers, voted: Numbers | None) -> dict[str, Any]:
    sides = _agreements(card)
    reasons = [f"{reason}." for reason in _unsettled(clone).values()]
    reasons += [*_own_relevance(card, clone), _voice_words(card)]
    reasons += _speaking(sides, -1, "against the clone")
    if card["contrasts"]["voice"]["low"] > 0 and 1 not in sides.values():
        reasons.append("Neither habits nor held-out fit agrees significantly.")
    return {
        "code": "inconclusive",
        "headline": f"Inconclusive: {_open(card, clone, sides, voted)}.",
        "reasons": [*reasons, *_votes_words(voted)],
        "next": f"{_settling(card, clone, sides, voted)} {_asking(card, voted)}".strip(),
    }


def _asking(card: Numbers, voted: Numbers | None) -> str:
    return "" if voted else f"Blind votes say what readers think: style-clone vote {card['persona']}"


def _open(card: Numbers, clone: Numbers, sides: Mapping[str, int], voted: Numbers | None) -> str:
    """What is not settled, in few words: voice, or for a clone that wins on it the first thing that stands in its way."""
    voice, author = card["contrasts"]["voice"], card["author"]
    if voice["low"] <= 0:
        return f"this writing does not settle whether the clone or the prompt is nearer to {author}"
    if not _wins(voice):
        return f"the clone is nearer to {author} than the best prompt is, but perhaps by too little to train for"
    obstacles = {
        _spoken(sides, -1, "against it"): -1 in sides.values(),
        "neither habits nor held-out fit confirms it": 1 not in sides.values(),
        "the votes prefer the prompt": voted is not None and voted["high"] < 0.5,
        "this writing does not settle whether it answers as well": bool(_unsettled(clone)),
        "the votes do not confirm it": True,
    }
    but = next(words for words, holds in obstacles.items() if holds)
    return f"the clone writes more like {author} than the best prompt does, but {but}"


def _unsettled(clone: Numbers) -> Numbers:
    """The guardrails that more replies have to settle, if any; scorecards of earlier versions have none."""
    found: Numbers = clone.get("unsettled", {})
    return found


def _settling(card: Numbers, clone: Numbers, sides: Mapping[str, int], voted: Numbers | None) -> str:
    """How many more replies or votes would settle it, as far as numbers can."""
    replies, is_large = card["sizes"]["test_replies"], card["contrasts"]["voice"]["value"] >= LEAST_GAIN
    if is_large and (-1 in sides.values() or (voted is not None and voted["preferred"] <= 0.5)):
        return "More of the same would not settle it; another recipe may: style-clone compare."
    wanted = _replies_wanted(card, clone, sides)
    if None in wanted:
        return ""
    told = []
    if needed := max(filter(None, wanted), default=None):
        told.append(
            f"about {needed:,} test replies instead of {replies:,} (more writing, or more --prompts where replies are left)"
        )
    if is_large and voted and (more := votes_to_settle(voted)):
        told.append(f"about {more:,} blind votes instead of {voted['votes']:,}")
    words = " and ".join(told)
    return f"{words[0].upper()}{words[1:]} would settle it, were all else the same." if told else ""


def _replies_wanted(card: Numbers, clone: Numbers, sides: Mapping[str, int]) -> list[int | None]:
    """The test replies that each open question takes, None for one that no number answers.

    Of a gain that is too small there is one question alone: whether it surely is.
    """
    contrasts, replies = card["contrasts"], card["sizes"]["test_replies"]
    voice = contrasts["voice"]
    wanted = [] if _wins(voice) else [replies_to_settle(voice, replies)]
    if voice["value"] < LEAST_GAIN:
        return wanted
    if 1 not in sides.values():
        wanted.append(replies_to_agree(contrasts, replies))
    if _unsettled(clone):
        wanted.append(replies_to_answer(contrasts["relevance"], replies))
    return wanted


def _wins(voice: Numbers) -> bool:
    return bool(voice["value"] >= LEAST_GAIN and voice["low"] > 0)


def _agreements(card: Numbers) -> dict[str, int]:
    return {name: _side(card["contrasts"].get(name), lower_is_better=name == "fit") for name in _NAMES}


def _side(contrast: Numbers | None, *, lower_is_better: bool) -> int:
    """1 where the metric significantly speaks for the clone, -1 against it, 0 where it says nothing or is not there."""
    if not contrast or contrast["p_holm"] is None or contrast["p_holm"] >= CERTAIN:
        return 0
    better = contrast["value"] < 0 if lower_is_better else contrast["value"] > 0
    return 1 if better else -1


def _speaking(sides: Mapping[str, int], side: int, how: str) -> list[str]:
    """What is on this side, in one sentence, if anything: "Habits and held-out fit speak against the clone."."""
    if side not in sides.values():
        return []
    words = _spoken(sides, side, how)
    return [f"{words[0].upper()}{words[1:]}."]


def _spoken(sides: Mapping[str, int], side: int, how: str) -> str:
    named = [_NAMES[name] for name, found in sides.items() if found == side]
    return f"{' and '.join(named)} {'speaks' if named == [_NAMES['fit']] else 'speak'} {how}"


def _votes_words(voted: Numbers | None) -> list[str]:
    """What the votes say where they count and do not confirm the clone."""
    if voted is None or voted["low"] > 0.5:
        return []
    said = "The votes prefer the prompt" if voted["high"] < 0.5 else "The votes do not settle it"
    share = f"{voted['preferred']:.0%} of {voted['votes']} for the clone"
    return [f"{said}: {share} ({voted['low']:.0%} to {voted['high']:.0%})."]


def _guardrails(clone: Numbers) -> list[str]:
    """Every guardrail that the clone fails and then those that are not settled, in a sentence each."""
    failed = [f"The clone fails {name}: {fault}." for name, fault in clone["faults"].items()]
    return failed + [f"{name.capitalize()} is not settled: {reason}." for name, reason in _unsettled(clone).items()]


def _unasked(card: Numbers) -> list[str]:
    """That nobody knows whether the clone answers what it is asked, where the author was asked for nothing."""
    if "relevance" in card["contrasts"]:
        return []
    return ["Relevance could not be measured: too few different messages ask for something."]


def _beside_voice(card: Numbers) -> list[str]:
    """What the verdict does not go by where voice gains too little, and yet is so."""
    sides = _agreements(card)
    return [*_speaking(sides, 1, "for the clone all the same"), *_speaking(sides, -1, "against the clone too")]


def _prompt_faults(card: Numbers) -> list[str]:
    """Guardrails bind the clone alone, but who is sent to the prompt should know what its replies are like."""
    faults = _of(card, "prompted")["faults"].values()
    return [f"The prompt has faults that a clone would be rejected for: {'; '.join(faults)}."] if faults else []


def _own_relevance(card: Numbers, clone: Numbers) -> list[str]:
    """People answer beside the question too, and a prompt that only repeats it does not: the author's own share."""
    own = (card.get("human") or {}).get("relevance")
    if not own or not ("relevance" in clone["failed"] or _unsettled(clone)):
        return []
    words = f"Of {card['author']}'s own replies {own['value']:.0%} fit their prompt by the same measure"
    if own["value"] < clone["relevance"]["value"]:
        words += ", fewer than of the clone's: the rule holds a clone against the best prompt, not against its author"
    return [f"{words}."]


def _voice_words(card: Numbers) -> str:
    voice = card["contrasts"]["voice"]
    return (
        f"On voice the clone is {voice['value']:+.2f} from the best prompt (95% interval {voice['low']:+.2f} to "
        f"{voice['high']:+.2f}), where 0 is other people, 1 is {card['author']}, and more than 1 counts as 1."
    )


def _rival_words(card: Numbers) -> list[str]:
    """The bigger model a user could take instead decides nothing: it is not the same base."""
    rival = card.get("rival")
    if not rival or not rival["voice"]:
        return []
    voice = rival["voice"]
    return [
        f"Against {rival['model']}, prompted, the clone is {voice['value']:+.2f} on voice "
        f"({voice['low']:+.2f} to {voice['high']:+.2f})."
    ]


def _fit_alone(card: Numbers) -> list[str]:
    """The held-out fit, which needs nobody to compare with."""
    fit = card["contrasts"].get("fit")
    if not fit:
        return []
    better = "clone" if fit["high"] < 0 else "prompt" if fit["low"] > 0 else None
    said = (
        f"the {better} predicts the real replies better"
        if better
        else "held-out fit does not tell clone and prompt apart"
    )
    return [f"What can be said: {said} ({fit['value']:+.2f} bits per byte, {fit['low']:+.2f} to {fit['high']:+.2f})"]


def _of(card: Numbers, role: str) -> Numbers:
    found: Numbers = next(candidate for candidate in card["candidates"] if candidate["role"] == role)
    return found


_NAMES = {"habits": "habits", "fit": "held-out fit"}
