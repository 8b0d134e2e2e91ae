"""The running page over HTTP: it asks for nothing from outside, answers nobody else, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from style_clone.errors import PortTaken, UsageError
from style_clone.settings import Settings
from style_clone.ui.run import launch
from tests.page import page_process

LOADED = re.compile(r"""(?:src|href|data|action)=["']([^"']+)["']|url\(([^)]+)\)|@import\s+["']([^"']+)""")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("home") / "home"
    with page_process("http://127.0.0.1:9", "none", home) as url:
        yield url, home


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False)


def test_the_page_loads_nothing_from_outside(served: tuple[str, Path]) -> None:
    html = get(served[0]).text
    loaded = ["".join(found) for found in LOADED.findall(html)]
    assert loaded
    assert [address for address in loaded if "//" in address and not address.startswith(served[0])] == []
    for word in ("googleapis", "gstatic", "cdn.", "gtag", "analytics.js", "huggingface.co"):
        assert word not in html
    config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", html, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert config["analytics_enabled"] is False
    assert config["stylesheets"] == []


def test_the_page_says_where_the_writing_goes(served: tuple[str, Path], tmp_path: Path) -> None:
    assert "It never leaves this machine." in get(served[0]).text
    with page_process("http://gpu.example.com:8000", "none", tmp_path / "home") as url:
        html = get(url).text
    assert "go to gpu.example.com." in html
    assert "never leaves" not in html


def test_the_browser_is_told_to_load_nothing_from_outside(served: tuple[str, Path]) -> None:
    policy = get(served[0]).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


def test_another_sites_name_is_turned_away(served: tuple[str, Path]) -> None:
    assert get(served[0], Host="evil.example").status_code == 400


def test_a_page_on_every_address_answers_to_the_names_it_was_given_only(tmp_path: Path) -> None:
    options = ["--host", "0.0.0.0", "--name", "127.0.0.1", "--name", "localhost"]
    with page_process("http://127.0.0.1:9", "none", tmp_path / "home", options=options) as url:
        here = f"http://127.0.0.1:{urlsplit(url).port}/"
        assert get(here).status_code == 200
        assert get(here, Host="localhost").status_code == 200
        assert get(here, Host="evil.example").status_code == 400


def test_the_api_is_not_offered(served: tuple[str, Path]) -> None:
    info = get(f"{served[0]}gradio_api/info").json()
    assert info["named_endpoints"] == {}
    assert info["unnamed_endpoints"] == {}
    for path in ("docs", "redoc", "openapi.json"):
        assert get(served[0] + path).status_code == 404


def test_files_of_the_workspace_are_not_served(served: tuple[str, Path]) -> None:
    url, home = served
    secret = home / "personas" / "me" / "messages.jsonl"
    secret.parent.mkdir(parents=True)
    secret.write_text("private")
    for path in (secret, Path("/etc/hostname")):
        assert get(f"{url}gradio_api/file={path}").status_code in (403, 404)


def test_a_taken_port_is_told_before_anything_is_made(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} on 127.0.0.1 is in use"):
            launch(Settings.from_environment(os.environ), None, port=port)  # type: ignore[arg-type]
    assert not home.exists()


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        launch(Settings.from_environment(os.environ), None, host="192.0.2.1")  # type: ignore[arg-type]


# Both times the port is chosen, to see what is wrong with the request and to listen, it was still free.
TOO_LATE = """
import os, sys
from style_clone.serving.endpoint import Endpoint
from style_clone.settings import Settings
from style_clone.ui import run
taken, choose = int(sys.argv[1]), run.choose_port
chosen = iter([taken, taken])
run.choose_port = lambda host, wanted: next(chosen, None) or choose(host, wanted)
page = run.launch(Settings.from_environment(os.environ), Endpoint("http://127.0.0.1:9", None))
print(page.url)
page.close()
"""


def test_a_port_that_is_taken_in_the_meantime_is_not_insisted_on(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        done = subprocess.run([sys.executable, "-c", TOO_LATE, str(taken)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert urlsplit(done.stdout.strip()).port not in (None, taken)
