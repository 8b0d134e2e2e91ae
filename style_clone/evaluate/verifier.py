"""The verifier: does this read like the author, or like other people? And the gate: can it tell at all, on this corpus?

It is fitted on people only. Model outputs are never among its negatives: that would make it a detector of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from style_clone.evaluate.protocol import GATE_AUC, GATE_LOW, LEAST_IMPOSTORS
from style_clone.evaluate.statistics import Array, Interval, auc_draws, interval

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
    nothing to compute them from."""

    auc: Interval | None
    null_high: float | None
    failed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    def to_json(self) -> dict[str, Any]:
        """As scorecard.json has it."""
        return {"passed": self.passed, "auc": self.auc, "null_high": self.null_high, "failed": list(self.failed)}


def bundle_scores(logits: Array, bundled: NDArray[np.int64]) -> Array:
    """The score of each bundle (B,): the mean of its replies' logits (N,).

    Log-odds of independent replies add up; the mean is their sum over the size, which all bundles share.
    """
    scores: Array = logits[bundled].mean(axis=1)
    return scores


def gate(
    verifier: Verifier,
    author: Sequence[str],
    author_bundles: NDArray[np.int64],
    others: Sequence[str],
    other_bundles: NDArray[np.int64],
    *,
    impostors: int,
    seed: int = 0,
) -> Gate:
    """Test the verifier on bundles of the author's TEST texts against bundles of unseen impostors'.

    Bundles are places in those texts, (A, 10) and (B, 10), of one person each. `impostors` is how many there are in all,
    fitted and unseen. Each side's bundles are drawn by themselves for the interval; refits with shuffled labels are fitted on
    the same texts and tested on the same bundles, so that only what the labels say is gone.
    """
    failed = _too_few(len(author_bundles), len(other_bundles), impostors)
    if min(len(author_bundles), len(other_bundles)) < LEAST_BUNDLES:
        return Gate(None, None, tuple(failed))
    rows = [verifier.features(texts) for texts in (author, others)]

    def scores(fit: Verifier) -> tuple[Array, Array]:
        mine, theirs = (fit._scores(each) for each in rows)
        return bundle_scores(mine, author_bundles), bundle_scores(theirs, other_bundles)

    area = interval(auc_draws(*scores(verifier), seed=seed))
    null = [_area(*scores(verifier.shuffled(seed * SHUFFLES + number))) for number in range(SHUFFLES)]
    null_high = float(np.quantile(null, 0.975))
    return Gate(area, null_high, (*failed, *_too_low(area, null_high)))


def _area(positive: Array, negative: Array) -> float:
    from sklearn.metrics import roc_auc_score

    labels = np.repeat([1, 0], [len(positive), len(negative)])
    return float(roc_auc_score(labels, np.concatenate([positive, negative])))


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
