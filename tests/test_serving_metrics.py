"""What Prometheus is told, and that dashboard and alerts ask for nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from style_clone.serving.gateway import Gateway
from style_clone.serving.metrics import Metrics
from style_clone.workspace import Workspace
from tests.serving_fakes import BASE, FakeVllm, make_persona
from tests.test_serving_gateway import CHAT, chat, run

SERVE = Path(__file__).resolve().parent.parent / "serve"
DASHBOARD = json.loads((SERVE / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((SERVE / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
NAME = re.compile(r"\bstyle_clone_\w+")
MATCHED = re.compile(r"\b(style_clone_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
Samples = dict[str, list[dict[str, str]]]


def samples(text: str) -> Samples:
    """The labels of every sample there is, by the sample's name."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def value(text: str, name: str, **labels: str) -> float:
    """One sample's value; 0 where there is none."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def exported(workspace: Workspace, vllm: FakeVllm) -> str:
    """The figures of an endpoint to which everything has happened once."""
    make_persona(workspace)
    make_persona(workspace, "bob")
    vllm.context, vllm.room, vllm.damaged = 1000, 1, {"bob"}
    found: list[str] = []

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for model in ("ann", "ann@prompted", BASE.name, "bob", "nobody"):
            for stream in (False, True):
                await client.post(CHAT, json=chat(model, stream=stream))
        await client.post(CHAT, json=chat("ann", "x" * 5000))
        make_persona(workspace, "cy")
        await client.post(CHAT, json=chat("cy"))
        gateway.engine_ended()
        found.append((await client.get("/metrics")).text)

    run(workspace, vllm, talk)
    return found[0]


def test_requests_tokens_and_adapters_are_counted_by_persona_and_kind(workspace: Workspace, vllm: FakeVllm) -> None:
    text = exported(workspace, vllm)
    assert value(text, "style_clone_requests_total", persona="ann", kind="clone", status="200") == 3
    assert value(text, "style_clone_requests_total", persona="none", kind="base", status="200") == 2
    assert value(text, "style_clone_requests_total", persona="bob", kind="clone", status="503") == 2
    assert value(text, "style_clone_requests_total", persona="unknown", kind="unknown", status="404") == 2
    for name in ("first_token_seconds", "reply_tokens_per_second"):
        assert value(text, f"style_clone_{name}_count", persona="ann", kind="clone") == 1, name
    assert value(text, "style_clone_request_seconds_count", persona="ann", kind="clone") == 3
    assert value(text, "style_clone_tokens_total", persona="ann", kind="clone", type="completion") == 6
    assert value(text, "style_clone_tokens_total", persona="ann", kind="clone", type="prompt") > 900
    assert value(text, "style_clone_trimmed_chats_total", persona="ann", kind="clone") == 1
    assert value(text, "style_clone_adapter_loads_total", persona="bob", result="refused") == 1
    assert value(text, "style_clone_adapter_evictions_total", persona="ann", reason="full") == 1
    assert value(text, "style_clone_engine_restarts_total") == 1
    assert value(text, "style_clone_engine_up") == 1
    assert value(text, "style_clone_requests_in_flight") == 1, "the one that asks for the figures"
    assert value(text, "style_clone_requests_waiting") == 0


def test_an_engine_that_is_down_is_seen_at_once(workspace: Workspace, vllm: FakeVllm) -> None:
    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for down in (False, True, False):
            vllm.down = down
            assert value((await client.get("/metrics")).text, "style_clone_engine_up") == (not down)

    run(workspace, vllm, talk)


def test_no_client_makes_labels_and_no_contact_or_word_is_one(workspace: Workspace, vllm: FakeVllm) -> None:
    make_persona(workspace)

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        before = len((await client.get("/metrics")).text.splitlines())
        for number in range(50):
            await client.post(CHAT, json=chat(f"made-up-{number}"))
            await client.post(CHAT, json=chat(f"ann@made-up-{number}"))
        named = {"role": "user", "content": "my private words", "name": "Zoë Quayle"}
        await client.post(CHAT, json={"model": "ann", "messages": [named], "user": "customer-7"})
        text = (await client.get("/metrics")).text
        assert {labels.get("persona") for rows in samples(text).values() for labels in rows} == {None, "ann", "unknown"}
        for private in ("made-up", "private", "Quayle", "customer", "--"):
            assert private not in text
        assert len(text.splitlines()) < before + 60

    run(workspace, vllm, talk)


def test_a_deleted_persona_takes_its_figures_along(workspace: Workspace, vllm: FakeVllm) -> None:
    make_persona(workspace)
    make_persona(workspace, "bob")

    async def talk(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for model in ("ann", "bob", BASE.name, "nobody"):
            await client.post(CHAT, json=chat(model, stream=True))
        workspace.delete("bob")
        await gateway.tidy({folder.slug for folder in workspace.personas()})
        text = (await client.get("/metrics")).text
        assert "bob" not in text
        for persona in ("ann", "none", "unknown"):
            assert f'persona="{persona}"' in text

    run(workspace, vllm, talk)


def panels(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        yield from panels(row.get("panels", []))


def expressions() -> dict[str, str]:
    """Every query of the dashboard and the alerts, by where it stands."""
    found = {
        f"dashboard: {panel['title']} {target['refId']}": target["expr"]
        for panel in panels(DASHBOARD["panels"])
        for target in panel.get("targets", ())
    }
    variables = {
        f"dashboard: ${each['name']}": each["query"]["query"]
        for each in DASHBOARD["templating"]["list"]
        if each["type"] == "query"
    }
    alerts = {
        f"alert: {rule['alert']}": rule["expr"]
        for group in ALERTS["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    return {**found, **variables, **alerts}


def test_dashboard_and_alerts_ask_only_for_what_is_told(workspace: Workspace, vllm: FakeVllm) -> None:
    told = samples(exported(workspace, vllm))
    asked = expressions()
    assert len(asked) > 30
    for place, query in asked.items():
        names = NAME.findall(query)
        assert names or "up{" in query, place
        assert set(names) <= set(told), place
        for name, matchers in MATCHED.findall(query):
            for label in re.findall(r"(\w+)\s*[=!]~?", matchers):
                assert label in told[name][0], f"{place}: {name} has no label {label}"
        labels = {label for name in names for label in told[name][0]}
        for group in GROUPED.findall(query):
            assert {each.strip() for each in group.split(",")} <= labels, place


def test_dashboard_and_alerts_ask_for_values_that_there_are(workspace: Workspace, vllm: FakeVllm) -> None:
    """A filter on a label's value that is never given would be a panel for ever empty."""
    told = samples(exported(workspace, vllm))
    values = {name: {pair for labels in rows for pair in labels.items()} for name, rows in told.items()}
    for place, query in expressions().items():
        for name, matchers in MATCHED.findall(query):
            for label, chosen in re.findall(r'(\w+)="([^"$]+)"', matchers):
                assert (label, chosen) in values[name], f"{place}: {label}={chosen}"


def test_everything_told_is_shown(workspace: Workspace, vllm: FakeVllm) -> None:
    shown = " ".join(query for place, query in expressions().items() if place.startswith("dashboard"))
    families = {
        re.sub(r"_(?:bucket|count|sum|created|total)$", "", name) for name in samples(exported(workspace, vllm))
    }
    assert [name for name in families if name not in shown] == []


def test_the_dashboard_fits_together() -> None:
    every = list(panels(DASHBOARD["panels"]))
    assert len({panel["id"] for panel in every}) == len(every)
    assert [panel["title"] for panel in every if panel["type"] == "row"] == ["Traffic", "Latency", "Tokens", "Engine"]
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"]))) - {"__rate_interval"}
    assert used <= variables
    assert {"persona", "kind", "datasource"} <= used


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        labels = {each.strip() for group in GROUPED.findall(rule["expr"]) for each in group.split(",")}
        assert set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))) <= labels, rule["alert"]


def test_prometheus_reads_the_gateway_with_a_key() -> None:
    config = yaml.safe_load((SERVE / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"]["credentials_file"]
    assert config["rule_files"] == ["alerts.yml"]
    jobs = re.findall(r'job="([\w-]+)"', json.dumps(ALERTS).replace("\\", ""))
    assert set(jobs) == {job["job_name"]}


def test_a_request_is_counted_once_however_often_it_ends() -> None:
    metrics = Metrics()
    watch = metrics.watch()
    watch.is_for("ann", "clone")
    watch.status = 200
    for _ in range(3):
        watch.end()
    text = metrics.text().decode()
    assert value(text, "style_clone_requests_total", persona="ann", kind="clone", status="200") == 1
    assert value(text, "style_clone_requests_in_flight") == 0
