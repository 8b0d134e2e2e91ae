"""How fast the endpoint is beside what it could be: `python benchmarks/serve.py [--users 1,4,16,64] [--turns 3] [--json]`.

Everybody answers the same held-out prompts of the sample corpus with replies of the same length, drawn in the same way (as a
persona does where the caller says nothing), at each number of users in turns, and a ratio compares two turns of the same
round; figures and ratios are medians:

    vllm         vLLM alone, started as we start it for a merged clone, without adapters: the ceiling
    gateway      our gateway in front of that same vLLM, the plain base model
    adapter      `style-clone serve --serve-as adapters`, the clone as an adapter beside its base
    prompted     the same, the prompted baseline
    merged       `style-clone serve --serve-as merged`, the clone's weights merged
    NAME         what --rival NAME=URL names: another server of the same wire format, such as llama.cpp's on the same weights

A ratio is of tokens a second, `added_first_ms` milliseconds to the first token. While one answers, the others are suspended.

With --fake the engine is a clock (fake_vllm.py) on one core and the gateway a process on the other, so that the gateway's own
cost shows: what it adds to the first token and takes from the speed, the most it can pass on, and how its memory fares with
--streams replies at once for --seconds. --fake needs no model.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from printing import tell
from serve_places import Place, fake_places, home_of_a_clone, merged_place, real_places, rivals, suspended
from serve_streams import streams

from style_clone.models import DEFAULT_BASE, resolve
from style_clone.persona import Sampling
from style_clone.serving.bench import Bench, Row, Target, held_out
from style_clone.serving.catalogue import defaults
from style_clone.workspace import Workspace

Result = dict[str, dict[str, float]]
Rounds = Mapping[tuple[str, int], list[Row]]
CEILING = "vllm"


def compete(places: Sequence[Place], prompts: Path, options: argparse.Namespace) -> Rounds:
    """Every place at every number of users, round after round."""
    asked, sampling = held_out(Workspace(prompts), "bench"), sampling_of_a_persona()
    rows: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for turn in range(options.turns):
        for users in options.users:
            # Every other round backwards, so that nobody always comes after the same one.
            for place in places if turn % 2 == 0 else reversed(places):
                bench = Bench(Target(place.url, place.key, place.model, options.tokens, sampling), asked)
                with suspended([other for other in places if not other.shares(place)]):
                    asyncio.run(bench.run([users], options.requests or max(8, users)))
                rows[place.name, users].append(bench.rows[0])
                note(f"round {turn + 1}, {users} users, {place.name}: {bench.rows[0].tokens_per_second:.1f} tokens/s")
    return rows


def sampling_of_a_persona() -> dict[str, float]:
    """The gateway's defaults, so that those asked without it draw as it does: top-p alone takes a third of vLLM's speed."""
    return {name: value for name, value in defaults(Sampling()).items() if name != "max_tokens"}


def result(rows: Rounds) -> Result:
    """Medians, and ratios to the ceiling and of ours to the rivals."""
    figures: dict[str, float] = {}
    for (name, users), found in rows.items():
        figures[f"{name}_first_ms@{users}"] = median([row.first_ms_median for row in found])
        figures[f"{name}_first_ms_p95@{users}"] = median([row.first_ms_p95 for row in found])
        figures[f"{name}_tokens_per_second@{users}"] = median([row.tokens_per_second for row in found])
        figures[f"{name}_errors@{users}"] = sum(sum(row.errors.values()) for row in found)
        if name != CEILING and (ceiling := rows.get((CEILING, users))):
            added = [row.first_ms_median - least.first_ms_median for row, least in zip(found, ceiling, strict=True)]
            figures[f"{name}_added_first_ms@{users}"] = median(added)
    return {"figures": figures, "ratios": dict(ratios(rows))}


def ratios(rows: Rounds) -> Iterator[tuple[str, float]]:
    """Of tokens a second, each place to the ceiling; and the best way a clone is served here to each rival."""
    names = list(dict.fromkeys(name for name, _ in rows))
    ours = next((name for name in ("merged", "adapter") if name in names), None)
    known = {CEILING, "gateway", "clone", "adapter", "prompted", "merged"}
    for (name, users), found in rows.items():
        if name in known - {CEILING} and (CEILING, users) in rows:
            yield f"{name}/{CEILING}@{users}", compared(found, rows[CEILING, users])
        elif name not in known and ours is not None:
            yield f"ours/{name}@{users}", compared(rows[ours, users], found)


def compared(mine: Sequence[Row], theirs: Sequence[Row]) -> float:
    return median([a.tokens_per_second / b.tokens_per_second for a, b in zip(mine, theirs, strict=True)])


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)


def real(options: argparse.Namespace) -> Result:
    """The contestants with a real model."""
    base = resolve(options.base, Workspace(options.home.absolute()))
    with tempfile.TemporaryDirectory(prefix="style-clone-") as scratch, ExitStack() as started:
        home = home_of_a_clone(Path(scratch) / "home", base)
        note("starting the servers")
        places = [*started.enter_context(real_places(home, base)), *rivals(options.rival)]
        places.append(started.enter_context(merged_place(home, base)))
        if not options.rival:
            note("llamacpp: left out; start its server on the same weights and give --rival llamacpp=URL")
        return result(compete(places, home, options))


def fake(options: argparse.Namespace) -> Result:
    """The gateway's own cost."""
    with tempfile.TemporaryDirectory(prefix="style-clone-") as scratch:
        home = Path(scratch) / "home"
        with fake_places(home, gap_ms=10, first_ms=20) as places:
            found = result(compete(places, home, options))
        with fake_places(home, gap_ms=0, first_ms=0) as places:
            most = result(compete(places, home, argparse.Namespace(**{**vars(options), "users": [16]})))
            found["figures"] |= {
                f"most_{name}": value for name, value in most["figures"].items() if "tokens_per_second" in name
            }
        if options.streams:
            with fake_places(home, gap_ms=options.gap, first_ms=20) as places:
                found["figures"] |= asyncio.run(streams(places, options.streams, options.seconds, options.gap))
    return found


def note(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".cache"), help="where the base model is kept")
    parser.add_argument("--base", default=DEFAULT_BASE, help="base model: a folder, a hub id, or the bundled one")
    parser.add_argument("--users", type=numbers, default=[1, 4, 16, 64], help="numbers of users, such as 1,4,16")
    parser.add_argument("--tokens", type=int, default=100, help="tokens of a reply")
    parser.add_argument("--requests", type=int, help="requests of a turn; one a user, at least 8, if not given")
    parser.add_argument("--turns", type=int, default=3, help="how often each contestant is measured")
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=URL", help="another server; repeatable")
    parser.add_argument("--fake", action="store_true", help="measure the gateway alone")
    parser.add_argument("--streams", type=int, default=1000, help="replies at once, with --fake; 0 for none")
    parser.add_argument("--seconds", type=float, default=600, help="for how long, with --fake")
    parser.add_argument("--gap", type=float, default=400, help="milliseconds between their tokens, with --fake")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    options = parse()
    tell(fake(options) if options.fake else real(options), as_json=options.json)


if __name__ == "__main__":
    main()
