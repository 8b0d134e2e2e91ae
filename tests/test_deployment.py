"""What serve/ and the Dockerfile promise: who is published, who may do what, and that every name in them is one there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml

from style_clone.cli import cli
from style_clone.doctor import VARIABLES
from style_clone.serving.alone import check_key
from style_clone.serving.engine import free_port
from style_clone.serving.limits import BODY_BYTES
from tests.fake_endpoint import fake_endpoint
from tests.fake_engine import fake_engine
from tests.serving_fakes import BASE, make_persona
from tests.test_serving_remote import serving, wait_for

ROOT = Path(__file__).resolve().parent.parent
SERVE = ROOT / "serve"
PAGE = (SERVE / "README.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXAMPLES = sorted(SERVE.glob("*.env.example"))
UNITS = sorted((SERVE / "systemd").glob("*.service"))
SCRIPTS = sorted(SERVE.glob("*.sh"))
OURS = {"model", "engine", "gateway", "ui"}
PUBLISHED = {"gateway": "8000", "ui": "7860", "grafana": "3000"}
READ_BY_OTHERS = {"VLLM_CPU_KVCACHE_SPACE", "VLLM_CPU_OMP_THREADS_BIND"}
"""Variables of vLLM's that style_clone/serving/tuning.py reads."""
UID = "10001"


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    loaded = yaml.safe_load((SERVE / name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


SERVICES: dict[str, dict[str, Any]] = compose()["services"]
RUNNING = sorted(set(SERVICES) - {"model"})


def by_default(text: str) -> str:
    """With compose's variables at what they are when nobody sets them."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def variables(example: Path) -> dict[str, str]:
    """The variables of an example, those that are commented out too."""
    rows = re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", example.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


def check_arguments(arguments: list[str]) -> None:
    """Raise where `style-clone` would refuse these arguments."""
    name, *rest = arguments
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    command.make_context(name, list(rest))


def instructions() -> Iterator[tuple[str, str, str]]:
    """The Dockerfile's instructions: stage, name, arguments."""
    stage = ""
    lines = [line for line in DOCKERFILE.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stage = rest.rpartition(" ")[2]
        yield stage, name, " ".join(rest.split())


def test_the_services_are_those_promised() -> None:
    assert set(SERVICES) == {"model", "engine", "gateway", "ui", "prometheus", "grafana"}


def test_only_three_are_published_and_on_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {name: [by_default(port) for port in ports] for name, ports in published.items()} == {
        name: [f"127.0.0.1:{port}:{port}"] for name, port in PUBLISHED.items()
    }
    assert not any("expose" in service or "network_mode" in service for service in SERVICES.values())


def test_engine_and_prometheus_are_on_a_network_that_leads_nowhere() -> None:
    networks = compose()["networks"]
    assert networks["inside"]["internal"] is True
    for name in ("engine", "prometheus"):
        assert SERVICES[name]["networks"] == ["inside"]
    assert all("inside" in SERVICES[name]["networks"] for name in RUNNING)


@pytest.mark.parametrize("name", RUNNING)
def test_services_are_watched_restarted_and_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "memory" in str(service["deploy"]["resources"])
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")


def test_whoever_needs_another_waits_until_it_is_well() -> None:
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert waits["engine"] == {"model": {"condition": "service_completed_successfully"}}
    for name, needed in {
        "gateway": "engine",
        "ui": "gateway",
        "prometheus": "gateway",
        "grafana": "prometheus",
    }.items():
        assert waits[name] == {needed: {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_have_a_tag_that_means_something(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert tag != "latest"
    assert name in OURS or re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


def test_the_home_volume_is_at_the_same_path_everywhere() -> None:
    for name in sorted(OURS):
        assert SERVICES[name]["volumes"] == ["home:/data"]
        assert SERVICES[name]["environment"]["STYLE_CLONE_HOME"] == "/data"
    assert ("runtime", "VOLUME", "/data") in list(instructions())


def test_the_services_find_each_other() -> None:
    port = SERVICES["engine"]["command"][-1]
    assert SERVICES["gateway"]["environment"]["STYLE_CLONE_ENGINE_URL"] == f"http://engine:{port}"
    assert SERVICES["ui"]["environment"]["STYLE_CLONE_URL"] == "http://gateway:8000"
    for name in ("engine", "gateway", "ui"):
        command, check = SERVICES[name]["command"], SERVICES[name]["healthcheck"]["test"]
        assert command[command.index("--port") + 1] in check
        assert (ROOT / check[2]).is_file()


def test_secrets_come_from_files_only() -> None:
    assert "engine.env" in SERVICES["engine"]["env_file"]
    assert "engine.env" in SERVICES["gateway"]["env_file"]
    assert "engine.env" not in SERVICES["ui"]["env_file"]
    for name, service in SERVICES.items():
        assert {f"{file}.example" for file in service.get("env_file", ())} <= {path.name for path in EXAMPLES}
        words = json.dumps([service.get("environment"), service.get("command")])
        assert not re.search(r"KEY|PASSWORD|TOKEN|SECRET", words), name


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    files = [source for source in mounted if source.startswith("./")]
    assert files
    assert [source for source in files if not (SERVE / source).exists()] == []
    assert {source for source in mounted if not source.startswith("./")} == set(compose()["volumes"])
    [secret] = SERVICES["prometheus"]["secrets"]
    assert f"credentials_file: {secret['target']}\n" in (SERVE / "prometheus" / "prometheus.yml").read_text()


def test_a_gpu_changes_images_and_devices_and_nothing_else() -> None:
    changed = compose("compose.cuda.yaml")["services"]
    assert set(changed) == OURS
    for service in changed.values():
        assert service["image"] == "style-clone:cuda"
        assert service["build"] == {"target": "cuda"}
        assert set(service) <= {"image", "build", "deploy"}
    assert {name for name, service in changed.items() if "deploy" in service} == {"engine", "ui"}


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.cuda.yaml")])
def test_compose_itself_understands_the_files(files: tuple[str, ...], tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed; the files were read as YAML")
    shutil.copytree(SERVE, tmp_path / "serve", ignore=shutil.ignore_patterns("*.env"))
    subprocess.run([str(tmp_path / "serve" / "prepare.sh")], check=True, capture_output=True)
    options = [option for file in files for option in ("-f", str(tmp_path / "serve" / file))]
    done = subprocess.run(
        ["docker", "compose", *options, "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_of_compose_is_one_there_is(name: str) -> None:
    check_arguments(SERVICES[name]["command"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_variable_of_an_example_is_read_explained_and_documented(example: Path) -> None:
    names = variables(example)
    assert names
    lines = example.read_text(encoding="utf-8").splitlines()
    known = {f"STYLE_CLONE_{name}" for name in VARIABLES} | READ_BY_OTHERS
    if example.name == "grafana.env.example":
        known = {"GF_SECURITY_ADMIN_USER", "GF_SECURITY_ADMIN_PASSWORD"}
    assert set(names) <= known
    for name, value in names.items():
        assert f"`{name}`" in PAGE
        assert not value or not re.search(r"KEY|PASSWORD", name), "no secret has a value that everybody knows"
        place = next(number for number, line in enumerate(lines) if line.removeprefix("#").startswith(f"{name}="))
        paragraph = "\n".join(lines[:place]).rpartition("\n\n")[2]
        assert paragraph.startswith("# "), name
    assert f"`{example.name.removesuffix('.example')}`" in PAGE


def test_real_environment_files_are_in_no_commit_and_no_image() -> None:
    files = [secret["file"].removeprefix("./") for secret in compose()["secrets"].values()]
    for name in [
        *(f"serve/{path.name.removesuffix('.example')}" for path in EXAMPLES),
        *(f"serve/{file}" for file in files),
    ]:
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode
        assert ignored in (0, 128), f"{name} is not in .gitignore"
        assert not in_image(name)
    tuning = (ROOT / "style_clone" / "serving" / "tuning.py").read_text(encoding="utf-8")
    assert all(name in tuning for name in READ_BY_OTHERS)


def in_image(path: str) -> bool:
    """Whether .dockerignore lets a path into the build: the last line that matches it, or a folder above it, decides."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").rstrip("/")
        if not line or line.startswith("#"):
            continue
        above = [path, *map(str, Path(path).parents)][:-1]
        if any(fnmatch(each, pattern) or fnmatch(f"/{each}", pattern.replace("**", "*")) for each in above):
            inside = line.startswith("!")
    return inside


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    copied = [
        part
        for _, name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for part in rest.split()[:-1]
    ]
    assert {"requirements/", "style_clone/", "pyproject.toml"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert in_image(path.rstrip("/")), path
    for path in ("corpus/nell", "tests/conftest.py", ".git/config", ".cache/x", "serve/engine.env", "CHANGELOG.md"):
        assert not in_image(path), path
    assert not in_image("style_clone/__pycache__/x.pyc")


def test_both_targets_are_there_and_the_default_needs_no_gpu() -> None:
    stages = list(dict.fromkeys(stage for stage, _, _ in instructions() if stage))
    assert {"cpu", "cuda"} <= set(stages)
    assert stages[-1] == "cpu"
    for device in ("cpu", "cuda"):
        assert any(
            stage == f"{device}-packages" and f"STYLE_CLONE_DEVICE={device} scripts/setup.sh" in rest
            for stage, name, rest in instructions()
            if name == "RUN"
        )


def test_the_image_runs_as_nobody_and_is_watched() -> None:
    runtime = {name: rest for stage, name, rest in instructions() if stage == "runtime"}
    assert runtime["USER"] == f"{UID}:{UID}"
    assert not [stage for stage, name, _ in instructions() if name == "USER" and stage != "runtime"]
    assert "healthy.py" in runtime["HEALTHCHECK"]
    assert all(
        rest.startswith("runtime ")
        for stage, name, rest in instructions()
        if name == "FROM" and stage in ("cpu", "cuda")
    )
    check_arguments(json.loads(runtime["CMD"]))
    assert json.loads(runtime["ENTRYPOINT"]) == ["style-clone"]


def test_no_layer_holds_a_secret_or_names_a_host() -> None:
    for _, name, rest in instructions():
        assert name != "ADD"
        if name in ("ARG", "ENV"):
            assert not re.search(r"KEY|PASSWORD|TOKEN|SECRET|INDEX", rest)
    assert "://" not in DOCKERFILE
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11[\w.-]*$", DOCKERFILE, re.MULTILINE)


def test_hadolint_finds_nothing() -> None:
    tool = Path(sys.executable).with_name("hadolint")
    if not tool.exists():
        pytest.skip("hadolint is not installed: scripts/setup.sh --dev installs it")
    done = subprocess.run(
        [tool, "--failure-threshold", "style", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_call_commands_there_are_and_are_shut_in(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    program, *arguments = settings["ExecStart"].split()
    assert program == "/opt/style-clone/.venv/bin/style-clone"
    check_arguments(arguments)
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    promised = {
        "User": "style-clone",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "StateDirectory": "style-clone",
        "Restart": "on-failure",
        "CapabilityBoundingSet": "",
    }
    assert promised.items() <= settings.items()
    files = re.findall(r"^EnvironmentFile=-?/etc/style-clone/(.+)$", text, re.MULTILINE)
    assert files
    assert {f"{file}.example" for file in files} <= {path.name for path in EXAMPLES}
    assert not re.search(r"_KEY=", text)
    assert unit.stem in PAGE


def test_the_gateway_s_unit_finds_the_engine_s() -> None:
    port = re.search(r"engine .*--port (\d+)", (SERVE / "systemd" / "style-clone-engine.service").read_text())
    assert port is not None
    assert variables(SERVE / "engine.env.example")["STYLE_CLONE_ENGINE_URL"] == f"http://127.0.0.1:{port[1]}"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_itself_understands_the_units(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed; the units were read as text")
    for each in UNITS:
        text = each.read_text().replace("/opt/style-clone/.venv/bin/style-clone", "/bin/true")
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True, check=False
    )
    told = [line for line in (done.stdout + done.stderr).splitlines() if "style-clone" in line]
    assert (done.returncode, told) == (0, [])
    options = ["--offline=yes", "--threshold=30", "--no-pager"]
    rated = subprocess.run(
        ["systemd-analyze", "security", *options, tmp_path / unit.name], capture_output=True, text=True, check=False
    )
    assert rated.returncode == 0, rated.stdout[-300:]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_executable_valid_and_stop_at_the_first_error(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_environment_files_are_made_with_fresh_secrets_and_kept(tmp_path: Path) -> None:
    def prepare() -> dict[str, str]:
        subprocess.run([SERVE / "prepare.sh", tmp_path / "env"], check=True, capture_output=True)
        files = sorted((tmp_path / "env").iterdir())
        assert [file.name for file in files] == [path.name.removesuffix(".example") for path in EXAMPLES]
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)
        return {name: value for file in files for name, value in variables(file).items()}

    made = prepare()
    assert check_key(made["STYLE_CLONE_ENGINE_KEY"])
    assert len(made["GF_SECURITY_ADMIN_PASSWORD"]) >= 32
    assert made["GF_SECURITY_ADMIN_PASSWORD"] != made["STYLE_CLONE_ENGINE_KEY"]
    assert made["STYLE_CLONE_API_KEY"] == ""
    assert prepare() == made


def test_bare_processes_need_their_files(tmp_path: Path) -> None:
    done = subprocess.run([SERVE / "bare.sh", tmp_path], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "common.env is missing: serve/prepare.sh makes it" in done.stderr


def smoke(url: str, key: str = "", *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STYLE_CLONE_URL": url, "STYLE_CLONE_API_KEY": key}
    command = [sys.executable, SERVE / "smoke.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


def test_the_smoke_test_passes_a_good_endpoint_and_no_other(workspace: Any) -> None:
    make_persona(workspace)
    with fake_engine() as engine, serving(engine.url) as (client, _):
        url, key = str(client.base_url).rstrip("/"), client.headers["Authorization"].removeprefix("Bearer ")
        good = smoke(url, key, "ann")
        assert (good.returncode, good.stderr) == (0, "")
        assert [line.split()[:2] for line in good.stdout.splitlines()] == [
            ["ok", name] for name in ("health", "ready", "models", "chat", "stream", "refusal")
        ]
        assert "hi there" not in good.stdout
        assert smoke(f"{url}/v1", key, BASE.name).returncode == 0
        assert smoke(url, key, "bob").returncode == 1
        wrong = smoke(url, "sc-wrong", "ann")
        assert wrong.returncode == 1
        assert "FAILED  models" in wrong.stdout
        assert "ok      health" in wrong.stdout
        engine.ready = False
        ill = smoke(url, key, "ann")
        assert ill.returncode == 1
        assert "FAILED  chat" in ill.stdout


def test_the_smoke_test_tells_where_nothing_answers() -> None:
    done = smoke("http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stdout.count("FAILED") >= 5
    assert smoke("").returncode == 2


def proxied(folder: Path, gateway: int, port: int) -> Path:
    """nginx's whole configuration with ours in it, on ports of its own and with a certificate made for the test."""
    text = (SERVE / "nginx" / "style-clone.conf").read_text(encoding="utf-8")
    for old, new in {
        "listen [::]:80;": "",
        "listen [::]:443 ssl;": "",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/style-clone/": f"{folder}/",
        "127.0.0.1:8000": f"127.0.0.1:{gateway}",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "ours.conf").write_text(text)
    names = ["-subj", "/CN=clone.example.org", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files], check=True, capture_output=True
    )
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    whole.write_text(
        f"pid {folder}/pid; error_log {folder}/error.log; daemon off; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/ours.conf; }}\n"
    )
    return whole


def test_the_proxy_hides_what_clients_do_not_need_and_buffers_nothing() -> None:
    text = (SERVE / "nginx" / "style-clone.conf").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    assert re.findall(r"location (?:= )?(\S+) \{", text) == ["/v1/", "/health", "/"]
    assert "proxy_buffering off;" in text
    assert "return 404;" in text
    read = re.search(r"proxy_read_timeout (\d+)s;", text)
    assert read is not None
    assert int(read[1]) >= 600
    size = re.search(r"client_max_body_size (\d+)m;", text)
    assert size is not None
    assert int(size[1]) << 20 == BODY_BYTES


def test_words_pass_nginx_one_by_one(tmp_path: Path) -> None:
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed; the configuration was read as text")
    port = free_port()
    with fake_endpoint() as gateway:
        gateway.word_seconds = 0.3
        conf = proxied(tmp_path, int(gateway.url.rpartition(":")[2]), port)
        tested = subprocess.run(["nginx", "-t", "-c", conf], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr
        assert "warn" not in tested.stderr
        nginx = subprocess.Popen(["nginx", "-c", conf])
        try:
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, trust_env=False) as client:
                wait_for(lambda: _answers(client))
                headers = {"Authorization": f"Bearer {gateway.key}"}
                body = {"model": "me", "messages": [{"role": "user", "content": "hi"}], "stream": True}
                began, times = time.monotonic(), []
                with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
                    assert answer.status_code == 200
                    times = [time.monotonic() - began for line in answer.iter_lines() if line.startswith("data: ")]
                assert len(times) > 3
                assert times[0] < times[-1] / 2
                for path in ("/", "/metrics", "/ready", "/docs"):
                    assert client.get(path, headers=headers).status_code == 404
                large = client.post("/v1/chat/completions", content=b"x" * (BODY_BYTES + 1), headers=headers)
                assert large.status_code == 413
                assert "strict-transport-security" in client.get("/v1/models", headers=headers).headers
        finally:
            nginx.terminate()
            nginx.wait(20)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/v1/models").status_code < 500
    except httpx.TransportError:
        return False


def test_a_health_check_tells_well_from_ill() -> None:
    def healthy(*arguments: str) -> int:
        return subprocess.run([sys.executable, SERVE / "healthy.py", *arguments], check=False, timeout=30).returncode

    with fake_engine() as engine:
        assert healthy(str(engine.port)) == 0
        assert healthy(str(engine.port), "/nowhere") == 1
        engine.ready = False
        assert healthy(str(engine.port)) == 1
    assert healthy("9") == 1
