"""scorecard.json as the page and the terminal read it: what is missing or null is None, or empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from style_clone.evaluate.page.figures import Interval, interval, number, sentence

Role = Literal["clone", "prompted", "a", "b", ""]
"""What a candidate is compared as: in a scorecard clone or prompted, in a comparison of two adapters a or b."""
Guardrail = Literal["pass", "fail", "unsettled", "unknown"]
"""Kept, failed, unsettled by so few replies, or not measured."""
QUICK_NAMES: Mapping[str, tuple[str, Role]] = {
    "plain": ("the plain base model", ""),
    "prompted": ("the prompted baseline", "prompted"),
    "clone": ("the clone", "clone"),
}
"""The quick scorecard's candidates, by their name in its bits_per_byte."""
GUARDRAILS = ("relevance", "copying", "shape")
BUNDLED = "smollm2-135m"


@dataclass(frozen=True)
class Candidate:
    """One candidate's measurements. `failed` and `unsettled` name guardrails, `shape` is as in the scorecard.

    `extraction` is how many of the training replies looked at come out, `extraction_unseen` of those never trained on.
    """

    id: str
    name: str
    setting: str = ""
    role: Role = ""
    voice: Interval | None = None
    capped: Interval | None = None
    attribution: float | None = None
    habits: Interval | None = None
    bits: Interval | None = None
    specificity: Interval | None = None
    relevance: Interval | None = None
    relevance_replies: float | None = None
    copied: float | None = None
    excess: float | None = None
    extraction: tuple[int, int] | None = None
    extraction_unseen: tuple[int, int] | None = None
    shape: Mapping[str, Any] | None = None
    failed: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()

    def guardrail(self, key: str) -> Guardrail:
        """How it stands with "relevance", "copying" or "shape"."""
        if key in self.failed:
            return "fail"
        if key in self.unsettled:
            return "unsettled"
        found = {"relevance": self.relevance, "copying": self.excess, "shape": self.shape}[key]
        return "unknown" if found is None else "pass"

    @property
    def title(self) -> str:
        """Its name with a capital."""
        return self.name[:1].upper() + self.name[1:]


class Card:
    """A scorecard to be shown."""

    def __init__(self, scorecard: Mapping[str, Any]) -> None:
        self.raw = scorecard
        self.candidates = _candidates(scorecard)
        self.author = str(scorecard.get("author") or "the author")
        self.persona = str(scorecard.get("persona") or "PERSONA")
        self.base = str(scorecard.get("base") or "")
        self.is_quick = scorecard.get("kind") not in ("full", "comparison")

    @property
    def code(self) -> str:
        """The verdict's code; empty where there is none."""
        return str(self._verdict.get("code") or "")

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return headline(self.raw)

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is what it is."""
        return [sentence(reason) for reason in self._verdict.get("reasons") or ()]

    @property
    def next(self) -> str:
        """What to do now."""
        return sentence(self._verdict.get("next"))

    @property
    def labels(self) -> list[str]:
        """What limits the verdict: "quick", "exploratory", "provisional"."""
        exploratory = self.sizes.get("exploratory", self.raw.get("exploratory"))
        provisional = self._verdict.get("provisional") and not self.is_quick
        said = {"quick": self.is_quick, "exploratory": exploratory, "provisional": provisional}
        return [label for label, holds in said.items() if holds]

    @property
    def gate_failed(self) -> str:
        """What the judge failed in, or what it lacks to be tested; empty where it passed."""
        return "; ".join(str(each) for each in self.part("gate").get("failed") or ())

    @property
    def sizes(self) -> Mapping[str, Any]:
        """How much was measured on."""
        return self.part("sizes")

    @property
    def replies(self) -> float | None:
        """Test replies."""
        return number(self.sizes.get("test_replies", self.raw.get("pairs")))

    @property
    def conversations(self) -> float | None:
        """Test conversations."""
        return number(self.sizes.get("test_conversations", self.raw.get("conversations")))

    @property
    def clone(self) -> Candidate | None:
        """The trained candidate the verdict is about."""
        return self.of("clone")

    @property
    def prompted(self) -> Candidate | None:
        """The best prompted candidate, chosen on DEV."""
        return self.of("prompted")

    @property
    def rivals(self) -> list[Candidate]:
        """Clone and best prompted candidate, as far as they are there."""
        return [each for each in (self.clone, self.prompted) if each is not None]

    @property
    def is_bundled(self) -> bool:
        """Whether the base model is the small bundled one."""
        return self.base == BUNDLED

    def of(self, role: Role) -> Candidate | None:
        """The candidate of that role."""
        return next((each for each in self.candidates if each.role == role), None)

    def part(self, name: str) -> Mapping[str, Any]:
        """An object of the scorecard; empty where there is none."""
        found = self.raw.get(name)
        return found if isinstance(found, Mapping) else {}

    def rows(self, name: str) -> Sequence[Mapping[str, Any]]:
        """A list of objects of the scorecard; empty where there is none."""
        found = self.raw.get(name)
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, Sequence) else []

    @property
    def _verdict(self) -> Mapping[str, Any]:
        return self.part("verdict")


def headline(scorecard: Mapping[str, Any]) -> str:
    """The verdict in one sentence. Scorecards of earlier versions have that sentence alone for a verdict."""
    verdict = scorecard.get("verdict")
    return sentence(verdict.get("headline") if isinstance(verdict, Mapping) else verdict)


def _candidates(scorecard: Mapping[str, Any]) -> list[Candidate]:
    rows = scorecard.get("candidates")
    if rows:
        return [_candidate(row) for row in rows]
    bits = scorecard.get("bits_per_byte") or {}
    return [
        Candidate(id=key, name=name, role=role, bits=interval(bits[key]))
        for key, (name, role) in QUICK_NAMES.items()
        if key in bits
    ]


def _candidate(row: Mapping[str, Any]) -> Candidate:
    voice, fit, copying = (row.get(name) or {} for name in ("voice", "fit", "copying"))
    extraction, role = row.get("extraction") or {}, row.get("role")
    return Candidate(
        id=str(row.get("id") or ""),
        name=str(row.get("name") or row.get("id") or "unnamed"),
        setting=str(row.get("setting") or ""),
        role=cast(Role, role) if role in get_args(Role) else "",
        voice=interval(voice.get("s")),
        capped=interval(voice.get("v")),
        attribution=number(voice.get("attribution")),
        habits=interval(row.get("habits")),
        bits=interval(fit.get("bits_per_byte")),
        specificity=interval(fit.get("specificity")),
        relevance=interval(row.get("relevance")),
        relevance_replies=number(row.get("relevance_replies")),
        copied=number(copying.get("share")),
        excess=number(copying.get("excess")),
        extraction=_count(extraction.get("exact"), extraction.get("of")),
        extraction_unseen=_count(extraction.get("held_out_extracted"), extraction.get("held_out")),
        shape=row.get("shape"),
        failed=tuple(str(name) for name in row.get("failed") or ()),
        unsettled=tuple(str(name) for name in row.get("unsettled") or ()),
    )


def _count(part: Any, whole: Any) -> tuple[int, int] | None:
    found = number(part), number(whole)
    return None if found[0] is None or found[1] is None else (int(found[0]), int(found[1]))
