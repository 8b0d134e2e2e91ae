"""What is this machine, and what is another."""

from __future__ import annotations

import pytest

from style_clone.addresses import is_address, is_loopback, other_machine
from style_clone.errors import UsageError
from style_clone.evaluate.rival import Rival
from style_clone.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "LocalHost", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "localhost.example.com", "127.0.0.1.example.com", ""])
def test_what_others_may_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (None, None),
        ("http://127.0.0.1:8000/v1", None),
        ("http://[::1]:8000", None),
        ("http://localhost:8000", None),
        ("https://api.example.com/openai/v1", "api.example.com"),
        ("http://192.168.1.7:8000", "192.168.1.7"),
    ],
)
def test_the_other_machine_that_a_url_names(url: str | None, host: str | None) -> None:
    assert other_machine(url) == host


NONE = [
    "127.0.0.1:8000",
    "localhost:8000",
    "ftp://x",
    "http://",
    "http://user:secret@x",
    "http://x/?key=secret",
    "http://x:y",
    "http://[::1",
]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://api.example.com/openai/v1/", "http://[::1]:8000"])
def test_what_is_an_address(url: str) -> None:
    assert is_address(url)


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_address_is_refused_and_not_quoted(url: str) -> None:
    assert not is_address(url)
    with pytest.raises(UsageError, match="STYLE_CLONE_URL is no http") as caught:
        Settings.from_environment({"STYLE_CLONE_URL": url})
    with pytest.raises(UsageError, match="--rival is no http") as rival:
        Rival.find(url, "some-model", None)
    assert "secret" not in f"{caught.value} {rival.value}"


def test_an_endpoint_is_named_with_or_without_its_v1() -> None:
    for url in ("https://clone.example.com", "https://clone.example.com/v1/"):
        assert Settings.from_environment({"STYLE_CLONE_URL": url}).endpoint_url == "https://clone.example.com"
