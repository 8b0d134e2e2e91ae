"""What pairs cost as the corpus grows: `python benchmarks/pairs.py [--json] [--most N] [--keep-all]`.

Synthetic chats of a thousand people are written, then made into pairs, each size in a process of its own on one core. Figures
are seconds, messages a second, and peak memory in MB. Ratios: the cost of a message at each size over that at the smallest
(1 is linear), and the whole stage over merely reading the file with Python's own json, which no tool can do without.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any

from printing import tell

from style_clone.conversation import Message, write_lines
from style_clone.pairs.options import DEFAULTS, Options
from style_clone.pairs.run import build
from style_clone.persona import Persona
from style_clone.workspace import PersonaFolder, Workspace

SIZES = (10_000, 100_000, 1_000_000)
AUTHOR = "Nell Quayle"
WORDS = 20_000
CONTACTS = 1_000


def messages(count: int, seed: int = 0) -> Iterator[Message]:
    """Chats that look like chats to a counter: words by Zipf's law, log-normal lengths, bursts, nights, stock replies."""
    rng = random.Random(seed)
    vocabulary = ["".join(letters) for letters in islice(product("aeinorst", repeat=5), WORDS)]
    frequencies = [1 / (rank + 3) for rank in range(WORDS)]
    pool = rng.choices(vocabulary, frequencies, k=1 << 20)
    now, number = datetime(2015, 1, 1), 0
    while number < count:
        contact = min(int(rng.expovariate(1 / 60)), CONTACTS - 1)
        now += timedelta(seconds=rng.lognormvariate(9, 1))
        for _ in range(min(rng.randint(2, 40), count - number)):
            now += timedelta(seconds=rng.lognormvariate(3.5, 1))
            author = AUTHOR if rng.random() < 0.45 else f"Friend{contact} Brown"
            if rng.random() < 0.05:
                text = rng.choice(["ok", "lol", "haha yes", "on my way", "see you tomorrow then, usual place and time"])
            else:
                start, length = rng.randrange(len(pool) - 200), 1 + int(rng.lognormvariate(2, 0.8))
                text = " ".join(pool[start : start + min(length, 150)])
            yield Message(str(number), author, text, f"chat-{contact}", "synthetic.txt", "chat", now)
            number += 1


def prepared(home: Path, count: int) -> PersonaFolder:
    """A persona with that many messages."""
    folder = Workspace(home).folder(f"n{count}")
    folder.root.mkdir(parents=True)
    Persona(slug=folder.slug, author=AUTHOR, aliases=(AUTHOR,)).save(folder)
    with folder.messages.open("w", encoding="utf-8") as file:
        write_lines(file, (message.to_json() for message in messages(count)))
    return folder


def measured(folder: PersonaFolder, *, keep_all: bool) -> dict[str, float]:
    """Build the pairs in a new process on one core: its seconds and peak memory, and what it made."""
    command = [sys.executable, __file__, "--child", str(folder.root), *(["--keep-all"] if keep_all else [])]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def child(root: Path, options: Options) -> dict[str, float]:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = PersonaFolder(root)
    begun = time.perf_counter()
    with folder.messages.open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
    read = time.perf_counter()
    summary = build(folder, options=options)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"reading": read - begun, "seconds": done - read, "peak_mb": peak, "pairs": summary.pairs}


def measure(sizes: list[int], *, keep_all: bool) -> dict[str, dict[str, float]]:
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="style-clone-") as home:
        for size in sizes:
            found = measured(prepared(Path(home), size), keep_all=keep_all)
            figures |= {f"{name}_{size}": round(value, 3) for name, value in found.items()}
            figures[f"messages_per_second_{size}"] = round(size / found["seconds"])
            ratios[f"ours_{size}/reading_{size}"] = round(found["seconds"] / found["reading"], 2)
            per_message = found["seconds"] / size * sizes[0] / figures[f"seconds_{sizes[0]}"]
            ratios[f"message_at_{size}/message_at_{sizes[0]}"] = round(per_message, 2)
    return {"figures": figures, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="the largest corpus, in messages")
    parser.add_argument("--keep-all", action="store_true", help="write every pair, not a subset of them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    options = Options(keep=None) if given.keep_all else DEFAULTS
    if given.child:
        print(json.dumps(child(given.child, options)))
        return
    result: dict[str, Any] = measure([size for size in SIZES if size <= given.most], keep_all=given.keep_all)
    tell(result, as_json=given.json)


if __name__ == "__main__":
    main()
