"""The verifier: does this read like the author, or like other people? And the gate: can it tell at all, on this corpus?

It is fitted on people only. Model outputs are never among its negatives: that would make it a detector of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from style_clone.evaluate.area import Rated, area, area_draws
from style_clone.evaluate.protocol import GATE_AUC, GATE_LOW, LEAST_IMPOSTORS
from style_clone.evaluate.statistics import Array, Interval, interval
from style_clone.evaluate.texts import BUNDLE

SHUFFLES = 50
LEAST_BUNDLES = 3
"""Bundles of either side under which an area says nothing: of two and two there are six orders."""


@dataclass(frozen=True, eq=False)
class Features:
    """Texts as weights of their runs of 2 to 4 characters: TF-IDF with sublinear counts, rows of length 1.

    Runs cross the ends of words, where the habits of punctuation are; case is kept, being style.
    """

    vectorizer: Any

    @classmethod
    def of(cls, texts: Iterable[str]) -> Features:
        """With the runs that two of `texts` have. Raises ValueError where there are none."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        made = TfidfVectorizer(
            analyzer="char", ngram_range=(2, 4), lowercase=False, sublinear_tf=True, min_df=2, dtype=np.float32
        )
        return cls(made.fit(texts))

    def __call__(self, texts: Sequence[str]) -> Any:
        """One sparse row a text, (N, V). A text without any known run is all zeros."""
        return self.vectorizer.transform(texts)


def fair_weights(people: Sequence[str] | NDArray[Any], author: str) -> Array:
    """Weights (N,) by who wrote each text: half of the whole the author's, of the rest an equal share each other person's.

    So nobody weighs more for having written more. They sum to N.
    """
    names, places, counts = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    shares = np.where(names == author, 0.5, 0.5 / max(1, len(names) - 1))
    weights: Array = (shares / counts)[places] * len(people)
    return weights


def fitted(rows: Any, is_author: NDArray[np.bool_], weights: Array) -> Any:
    """Logistic regression on sparse rows (N, V), with scikit-learn's own penalty.

    In its dual form, as there are more runs than texts (Yu and others 2011).
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="liblinear", dual=True, max_iter=10_000, tol=1e-3, random_state=0)
    return model.fit(rows, is_author, sample_weight=weights)


@dataclass(frozen=True, eq=False)
class Verifier:
    """Fitted on the author's JUDGE replies against other people's. Texts are masked and of one length distribution."""

    features: Features
    rows: Any
    is_author: NDArray[np.bool_]
    weights: Array
    model: Any

    @classmethod
    def fit(cls, author: Sequence[str], impostors: Mapping[str, Sequence[str]]) -> Verifier:
        """Fit on the author's texts against each impostor's. Raises ValueError where either have none."""
        texts, people = list(author), [""] * len(author)
        for name, said in impostors.items():
            texts += said
            people += [f"/{name}"] * len(said)
        is_author = np.array([not name for name in people])
        if not texts or is_author.all() or not is_author.any():
            raise ValueError("a verifier needs texts of the author and of others")
        features, weights = Features.of(texts), fair_weights(people, "")
        rows = features(texts)
        return cls(features, rows, is_author, weights, fitted(rows, is_author, weights))

    def logits(self, texts: Sequence[str]) -> Array:
        """The log-odds that the author wrote each text, (N,); higher is more like them."""
        return self._scores(self.features(texts)) if texts else np.empty(0)

    def shuffled(self, seed: int = 0) -> Verifier:
        """The same fit with labels dealt out at random, each with its weight; texts keep their places."""
        dealt = np.random.default_rng(seed).permutation(len(self.weights))
        is_author, weights = self.is_author[dealt], self.weights[dealt]
        return Verifier(self.features, self.rows, is_author, weights, fitted(self.rows, is_author, weights))

    def _scores(self, rows: Any) -> Array:
        scores: Array = self.model.decision_function(rows).astype(np.float64)
        return scores


@dataclass(frozen=True)
class Gate:
    """Whether the verifier can measure. `failed` says in words why not; `auc` and `null_high` are None where there was
    nothing to compute them from. `bundles` is how many of the author's it was tried on."""

    auc: Interval | None
    null_high: float | None
    failed: tuple[str, ...]
    bundles: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    def to_json(self) -> dict[str, Any]:
        """As scorecard.json has it."""
        return {"passed": self.passed, **asdict(self), "failed": list(self.failed)}


@dataclass(frozen=True, eq=False)
class Group:
    """One person's texts as the verifier reads them, and the conversation each is from."""

    texts: Sequence[str]
    conversations: Sequence[str]

    @property
    def num_bundles(self) -> int:
        """Bundles they fill."""
        return len(self.texts) // BUNDLE


def gate(verifier: Verifier, author: Group, others: Sequence[Group], *, impostors: int, seed: int = 0) -> Gate:
    """Test the verifier on bundles of the author's TEST texts against bundles of unseen impostors', a group each.

    `impostors` is how many there are in all, fitted and unseen. Refits with shuffled labels are fitted on the same texts and
    tested on the same bundles, so that only what the labels say is gone.
    """
    mine, theirs = author.num_bundles, sum(each.num_bundles for each in others)
    failed = _too_few(mine, theirs, impostors)
    if min(mine, theirs) < LEAST_BUNDLES:
        return Gate(None, None, tuple(failed), mine)
    groups = [author, *others]
    rows = [verifier.features(each.texts) for each in groups]

    def rated(fit: Verifier) -> list[Rated]:
        return [Rated(fit._scores(row), each.conversations) for row, each in zip(rows, groups, strict=True)]

    def area_of(fit: Verifier) -> float:
        own, *rest = (each.bundled() for each in rated(fit))
        return area(own, np.concatenate(rest))

    own, *rest = rated(verifier)
    found = interval(area_draws(own, rest, seed=seed))
    null_high = float(np.quantile([area_of(verifier.shuffled(seed * SHUFFLES + n)) for n in range(SHUFFLES)], 0.975))
    return Gate(found, null_high, (*failed, *_too_low(found, null_high)), mine)


def _too_few(author: int, others: int, impostors: int) -> list[str]:
    found, needed = [], f"of the {LEAST_BUNDLES} groups of ten that are needed"
    if author < LEAST_BUNDLES:
        found.append(f"the author's test replies fill {author} {needed}")
    if others < LEAST_BUNDLES:
        found.append(f"the replies of unseen impostors fill {others} {needed}")
    if impostors < LEAST_IMPOSTORS:
        found.append(f"there are {impostors} other writers to compare with; {LEAST_IMPOSTORS} are needed")
    return found


def _too_low(area: Interval, null_high: float) -> list[str]:
    """The area is a chance: how often a bundle of the author's scores above a bundle of somebody else's."""
    value, low = area["value"], area["low"]
    told = f"the judge puts ten replies of the author above ten of somebody else {_in_100(value)} times in 100"
    found = []
    if value < GATE_AUC:
        found.append(f"{told}; {_in_100(GATE_AUC)} are needed")
    if low <= GATE_LOW:
        found.append(f"with other replies it may be {_in_100(low)} times (95%); it must be over {_in_100(GATE_LOW)}")
    if value <= null_high:
        found.append(f"{told}, and a judge that was told wrong who is who reaches {_in_100(null_high)}")
    return found


def _in_100(chance: float) -> str:
    return f"{100 * chance:.3g}"
