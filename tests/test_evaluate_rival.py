"""A bigger model by URL: found, asked once before anybody waits, and told of in its own words where it fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from style_clone.cli import evaluate
from style_clone.errors import ServingError, UsageError
from style_clone.evaluate.answers import Decoding
from style_clone.evaluate.rival import KEY_VARIABLE, Rival
from style_clone.workspace import PersonaFolder
from tests.fake_endpoint import FakeEndpoint, fake_endpoint


@pytest.fixture
def server() -> Iterator[FakeEndpoint]:
    with fake_endpoint() as fake:
        fake.models = ["big"]
        yield fake


@pytest.mark.parametrize("model", [None, "big"])
def test_it_is_asked_before_anybody_waits(server: FakeEndpoint, model: str | None) -> None:
    found = Rival.find(f"{server.url}/v1", model, server.key)
    assert (found.model, [body["max_tokens"] for body in server.requests]) == ("big", [1])
    assert str(server.key) not in repr(found)


def test_of_several_one_is_chosen(server: FakeEndpoint) -> None:
    server.models = ["big", "bigger"]
    with pytest.raises(UsageError, match="has 2 models") as raised:
        Rival.find(server.url, None, server.key)
    assert "--rival-model: big, bigger" in raised.value.mend


@pytest.mark.parametrize(
    ("model", "key", "said"), [("none", "sk-test", "no model 'none'"), (None, "sk-wrong", "refused the API key")]
)
def test_what_fails_is_the_rivals(server: FakeEndpoint, model: str | None, key: str, said: str) -> None:
    with pytest.raises(ServingError, match=f"the rival: .*{said}") as raised:
        Rival.find(server.url, model, key)
    assert KEY_VARIABLE in raised.value.mend
    assert "keys create" not in str(raised.value)


def test_nobody_there() -> None:
    with pytest.raises(ServingError, match="the rival: .* does not answer"):
        Rival.find("http://127.0.0.1:9", None, None)


def test_a_model_without_its_server(folder: PersonaFolder) -> None:
    done = CliRunner().invoke(evaluate.command, [folder.slug, "--rival-model", "big"])
    assert done.exit_code == 2
    assert "--rival-model needs --rival" in done.output


def test_the_servers_own_defaults_are_not_sent() -> None:
    assert Decoding(40).request() == {"max_tokens": 40}
    asked = Decoding(40, 0.8, 1.0, 0.05, 1.0).request()
    assert asked["extra_body"] == {"min_p": 0.05, "repetition_penalty": 1.0}
    assert (asked["temperature"], asked["top_p"]) == (0.8, 1.0)
