"""The whole line, nothing faked: a newcomer's file, the page in Chromium, real training, real vLLM, the official client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from openai import OpenAI

from style_clone.serving import endpoint
from style_clone.settings import Settings
from style_clone.train import artifact
from style_clone.workspace import Workspace, read_json
from tests.page import PHONE, browser_page

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
CHATS = ROOT / "corpus" / "nell" / "whatsapp"
SCREENSHOTS = ROOT / ".cache" / "screenshots"
QUESTION = "are you running tomorrow morning?"


@contextmanager
def page_of(home: Path) -> Iterator[str]:
    """`style-clone ui` as a user starts it, with an endpoint of its own; afterwards none of its processes is left."""
    environment = {**os.environ, "STYLE_CLONE_HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-m", "style_clone", "ui", "--json"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        family: list[psutil.Process] = []
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=90) == 0
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == [], "processes were left behind"


@pytest.mark.long
def test_from_upload_to_two_streamed_replies(home_with_model: Path, workspace: Workspace) -> None:
    chat = CHATS / "WhatsApp Chat with Yusuf Haddad.txt"
    with page_of(home_with_model) as url:
        with browser_page(url) as page:
            assert "whatsapp" in page.upload([chat]).inner_text().lower()
            page.choose_author("Nell Quayle")
            assert "me is ready to train" in page.read_writing()
            trained = page.train(timeout_seconds=600)
            page.screenshot(SCREENSHOTS / "trained.png")
            clone, prompted = page.chat(QUESTION)
            page.screenshot(SCREENSHOTS / "chat.png")
            assert any(clone), trained
            assert any(prompted)
            assert page.errors == []
        check_the_endpoint(Settings.from_environment({"STYLE_CLONE_HOME": str(home_with_model)}))
        with browser_page(url, PHONE) as phone:
            phone.step("Chat")
            assert phone.overflow() <= 0
            phone.screenshot(SCREENSHOTS / "phone.png")
    check_what_was_made(workspace)


def check_the_endpoint(settings: Settings) -> None:
    """Any OpenAI client hears the same persona the page talks to, streamed."""
    with (
        endpoint.start(settings) as running,
        OpenAI(base_url=f"{running.url}/v1", api_key=running.key or "none") as client,
    ):
        ids = {model.id for model in client.models.list()}
        assert {"me", "me@memory", "me@prompted", "smollm2-135m"} <= ids
        for model in sorted(ids):
            pieces = [
                chunk.choices[0].delta.content
                for chunk in client.chat.completions.create(
                    model=model,
                    messages=[{"role": "user", "content": QUESTION}],
                    stream=True,
                    max_tokens=24,
                )
                if chunk.choices and chunk.choices[0].delta.content
            ]
            assert len(pieces) > 1, f"{model} did not stream"


def check_what_was_made(workspace: Workspace) -> None:
    """The files a persona leaves say that the adapter learned something and what it was measured on."""
    folder = workspace.existing("me")
    run, scorecard = read_json(folder.adapter / "run.json"), read_json(folder.scorecard)
    dev = [point["dev_nats"] for point in run["curve"] if "dev_nats" in point]
    assert run["best_dev_nats"] == min(dev) < dev[0]
    assert set(scorecard["bits_per_byte"]) == {"plain", "prompted", "clone"}
    assert scorecard["bits_per_byte"]["clone"] < scorecard["bits_per_byte"]["plain"]
    assert scorecard["exploratory"], "a single short chat cannot certify anything"
    assert {path.name for path in folder.adapter.iterdir()} == artifact.FILES


def test_the_demo_checks_itself(home_with_model: Path, tmp_path: Path) -> None:
    """`demo --check --json` with less to learn from and a recipe cut short, as every other part of it is real."""
    environment = {**os.environ, "STYLE_CLONE_HOME": str(home_with_model)}
    brief = [f"--set={setting}" for setting in ("epochs=1", "learning_rate=2e-3", "dev_tokens=3000")]
    train = [sys.executable, "-m", "style_clone", "train", "nell", *brief]
    fewer = ["pairs", "nell", "--keep", "120"]
    for command in (["ingest", "nell", str(CHATS.parent), "--me", "Nell Quayle"], fewer):
        subprocess.run(
            [sys.executable, "-m", "style_clone", *command], env=environment, check=True, capture_output=True
        )
    subprocess.run(train, env=environment, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-m", "style_clone", "demo", "--check", "--json"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    result = json.loads(done.stdout)
    bits = result["bits_per_byte"]
    assert bits["clone"] < bits["prompted"], "the clone must be clearly the best on the sample"
    assert result["clone_minus_prompted"]["high"] < 0
    assert set(result["models"]) == {"nell", "nell@prompted", "nell@memory", "smollm2-135m"}
    for model, answer in result["models"].items():
        assert answer["reply"].strip(), model
        assert 0 < answer["first_token_seconds"] < 60
        assert answer["tokens_per_second"] > 0
    assert result["peak_memory_bytes"] > 1e9
    assert not (home_with_model / "endpoint.json").exists()
