"""What the scorecard's statistics cost: `python benchmarks/evaluate.py [--authors N] [--replies N] [--json]`.

Made authors, each with words and marks of their own. The first is measured against the others, as a candidate of theirs would
be. Figures are seconds of each part, on one thread. Ratios: our bootstrap of habits, by counts summed once for each
conversation, over counting each resample's own replies again (timed on a few, for all of them).
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice, product
from typing import TypeVar

import numpy as np
from printing import tell
from threadpoolctl import threadpool_limits

from style_clone.evaluate.habits import Habits
from style_clone.evaluate.humans import Humans
from style_clone.evaluate.markers import counts, rates
from style_clone.evaluate.replies import Reply
from style_clone.evaluate.statistics import Resamples, interval
from style_clone.evaluate.voice import Voice

AUTHORS, REPLIES = 10, 1_000
IN_A_CONVERSATION = 10
RECOUNTED = 10
Made = TypeVar("Made")


def written(author: int, count: int) -> list[Reply]:
    """Replies with word frequencies by Zipf's law, of which each author bends some, and marks of their own."""
    rng = random.Random(author)
    vocabulary = ["".join(letters) for letters in islice(product("aeinorsthl", repeat=4), 4_000)]
    vocabulary[:12] = ["the", "to", "and", "i", "you", "that", "it", "of", "so", "just", "is", "not"]
    weights = [rng.lognormvariate(0, 0.7) / (rank + 3) for rank in range(len(vocabulary))]
    ends = rng.choices([".", "!", "...", " :)", "", "?"], k=3)
    pool = rng.choices(vocabulary, weights, k=20 * count)
    replies = []
    for number in range(count):
        start, length = rng.randrange(len(pool) - 60), 2 + int(rng.lognormvariate(2, 0.8)) % 50
        text = " ".join(pool[start : start + length]) + rng.choice(ends)
        replies.append(Reply(text if author % 2 else text.capitalize(), f"{author}-{number // IN_A_CONVERSATION}"))
    return replies


def people(authors: int, count: int) -> Humans:
    """The first author's replies split in JUDGE and TEST, the others' halved into fitted and unseen ones."""
    own, *others = [written(author, count) for author in range(authors)]
    named = [(f"author {number}", replies) for number, replies in enumerate(others, start=1)]
    return Humans(own[: count * 5 // 8], own[count * 5 // 8 :], dict(named[::2]), dict(named[1::2]))


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    begun = time.perf_counter()
    made = make()
    return made, time.perf_counter() - begun


def recounted(replies: Sequence[Reply], resamples: Resamples, draws: int) -> np.ndarray:
    """Rates of the first `draws` resamples, each from its own replies."""
    held = {name: [reply.text for reply in replies if reply.conversation == name] for name in resamples.names}
    found = []
    for row in resamples.weights[1 : draws + 1]:
        texts = [text for name, count in zip(resamples.names, row, strict=True) for text in held[name] * int(count)]
        found.append(rates(counts(texts).sum(axis=0)))
    return np.stack(found)


def measure(authors: int, count: int) -> dict[str, dict[str, float]]:
    humans = people(authors, count)
    names = [reply.conversation for reply in humans.test]
    resamples = Resamples.of(names)
    voice, fitting = timed(lambda: Voice.fit(humans, resamples))
    gate, gating = timed(voice.gate)
    match, scoring = timed(lambda: voice.of(humans.test))
    habits, spreading = timed(lambda: Habits.fit(humans, resamples))
    _, comparing = timed(lambda: habits.of(humans.test))

    def bootstrap() -> np.ndarray:
        rows = counts([reply.text for reply in humans.test])
        return rates(resamples.total(resamples.sums(rows, names)))

    ours, drawing = timed(bootstrap)
    naive, recounting = timed(lambda: recounted(humans.test, resamples, RECOUNTED))
    if not np.allclose(ours[1 : RECOUNTED + 1], naive):
        raise RuntimeError("the two ways of resampling differ")
    seconds = {
        "voice_fit": fitting,
        "gate": gating,
        "voice_of_a_candidate": scoring,
        "habits_fit": spreading,
        "habits_of_a_candidate": comparing,
    }
    figures = {f"{name}_seconds": value for name, value in seconds.items()}
    figures |= {"all_seconds": sum(seconds.values()), "auc": gate.auc["value"] if gate.auc else float("nan")}
    figures |= {"s_of_the_author": interval(match.s)["value"]}
    per_draw = recounting / RECOUNTED * (len(resamples.weights) - 1)
    return {"figures": figures, "ratios": {"ours/recounting": drawing / per_draw}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=AUTHORS)
    parser.add_argument("--replies", type=int, default=REPLIES, help="of each author")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with threadpool_limits(1):
        result = measure(options.authors, options.replies)
    tell(result, as_json=options.json)


if __name__ == "__main__":
    main()
