"""The documentation says what there is: every command, option, format, setting and exit code, and nothing of this machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import click
import pytest

from style_clone import __version__
from style_clone.cli import COMMANDS, cli
from style_clone.doctor import VARIABLES
from style_clone.ingest.registry import IMPORTERS
from style_clone.ingest.report import total_authors
from style_clone.ingest.run import inspect
from style_clone.serving.catalogue import Kind
from style_clone.train.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODEL_IDS: dict[Kind, str] = {
    "clone": "<persona>",
    "memory": "<persona>@memory",
    "prompted": "<persona>@prompted",
    "base": "<base>",
}
HOSTS = re.compile(r"https?://[\w.-]*(?:pypi|pythonhosted|pytorch|huggingface|anaconda|github)[\w.-]*[^\s\"')]*")
PYTORCH_CPU = "https://download.pytorch.org/whl/cpu"


def commands(group: click.Command = cli, name: str = "style-clone") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups left out."""
    context = click.Context(group)
    if not isinstance(group, click.Group):
        yield name, group
        return
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None
        yield from commands(command, f"{name} {each}")


NAMED = dict(commands())


@cache
def tracked() -> dict[str, str]:
    """The repository's text files."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, so its files cannot be told from what was built in it")
    texts = {}
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content:
            texts[name] = content.decode("utf-8", errors="replace")
    return texts


def links(text: str) -> Iterator[str]:
    """Targets of Markdown links and images that lie in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("#"):
            yield target.partition("#")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"`style-clone {name}`" in README


@pytest.mark.parametrize("name", NAMED)
def test_every_option_explains_itself(name: str) -> None:
    command = NAMED[name]
    text = command.get_help(click.Context(command, info_name=name))
    for option in (each for each in command.params if isinstance(each, click.Option)):
        assert option.help, option.opts
        assert all(spelling in text for spelling in option.opts)
    arguments = [each.human_readable_name for each in command.params if isinstance(each, click.Argument)]
    assert all(argument in text for argument in arguments)


@pytest.mark.parametrize("name", NAMED)
def test_every_command_has_a_text_and_json(name: str) -> None:
    assert NAMED[name].help
    assert "--json" in [spelling for each in NAMED[name].params for spelling in each.opts]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_shows_an_example(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert f"style-clone {name}" in (command.help or "")


def code(text: str) -> str:
    """What stands in code blocks and between backticks, one piece a line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


def test_what_the_readme_calls_is_there() -> None:
    lines = re.findall(r"\bstyle-clone ([a-z]+)([^\n#]*)", code(README))
    assert len(lines) > 20
    for name, rest in lines:
        assert name in COMMANDS, name
        parts = [command for full, command in NAMED.items() if full.split()[1] == name]
        known = {spelling for command in parts for each in command.params for spelling in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, name


def test_make_targets_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)(?= +#|`)", README)) <= targets
    assert {"demo", "test", "check", "setup"} <= targets


def test_the_corpora_are_as_their_page_says() -> None:
    """Every corpus has its section, with the messages there are and every person's name and number of them."""
    page = (ROOT / "corpus" / "README.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    folders = {path.name for path in (ROOT / "corpus").iterdir() if path.is_dir()} - {"formats"}
    assert sections.keys() == folders
    for name, section in sections.items():
        reports = inspect([ROOT / "corpus" / name])
        assert f"| messages | {sum(report.messages + report.other for report in reports):,} " in section
        assert not any(report.unparsed or report.undated or report.skipped for report in reports)
    written = total_authors(inspect([ROOT / "corpus" / "others"]))
    assert len(written) == 7
    assert all(f"| {person} | {number} | " in sections["others"] for person, number in written.items())


def test_every_importer_has_its_page_and_every_page_its_importer() -> None:
    pages = {path.stem for path in (ROOT / "corpus" / "formats").glob("*.md")}
    assert pages == {importer.name for importer in IMPORTERS}
    for name in pages:
        assert f"corpus/formats/{name}.md" in README
        page = (ROOT / "corpus" / "formats" / f"{name}.md").read_text(encoding="utf-8")
        assert f"`--format {name}`" in page
        assert "## Known limits" in page
        assert "## Example" in page


@pytest.mark.parametrize("field", fields(Recipe), ids=lambda field: field.name)
def test_every_setting_of_the_recipe_is_in_the_readme_with_its_default(field: object) -> None:
    name = getattr(field, "name")  # noqa: B009
    assert f"| `{name}` | {getattr(Recipe(), name)} |" in README


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_is_in_the_readme(name: str) -> None:
    assert f"| `STYLE_CLONE_{name}` |" in README


def test_the_readme_knows_no_other_variable_and_doctor_knows_all_that_are_read() -> None:
    known = {f"STYLE_CLONE_{name}" for name in VARIABLES}
    assert set(re.findall(r"STYLE_CLONE_[A-Z_]+", README)) == known
    read = {
        name
        for path, text in tracked().items()
        if path.startswith(("style_clone/", "scripts/"))
        for name in re.findall(r"\bSTYLE_CLONE_[A-Z_]+\b", text)
    }
    assert {name for name in read if not name.endswith("_")} <= known


@pytest.mark.parametrize("kind", MODEL_IDS)
def test_every_kind_of_model_id_is_in_the_readme(kind: Kind) -> None:
    assert f"| `{MODEL_IDS[kind]}` |" in README


def test_no_kind_of_model_id_is_forgotten() -> None:
    assert set(MODEL_IDS) == set(Kind.__args__)  # type: ignore[attr-defined]


def test_exit_codes_are_in_the_readme() -> None:
    assert all(f"\n| {code} | " in README for code in (0, 1, 2, 130))


def test_the_changelog_names_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_is_finished() -> None:
    """Strict on purpose: fails until every number of "Measured" stands there."""
    assert README.count("TODO") == 0, (
        "fill the table under Measured: style-clone demo --check --json prints its numbers"
    )


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "corpus/README.md", "serve/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    broken = [target for target in links(text) if not ((ROOT / page).parent / target).exists()]
    assert broken == []


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    here = re.compile("|".join([re.escape(f"{ROOT}/"), re.escape(f"{Path.home()}/"), r"/wor" r"k/(?:main|shared)"]))
    assert [name for name, text in tracked().items() if here.search(text)] == []


def test_the_only_package_index_named_is_pytorch_s_for_cpus() -> None:
    found = {
        (name, host)
        for name, text in tracked().items()
        if name.endswith((".sh", ".toml", ".txt", ".cfg", "Makefile", "run", ".py", ".yml", ".yaml"))
        and name != "tests/test_docs.py"
        for host in HOSTS.findall(text)
    }
    assert found <= {("scripts/setup.sh", PYTORCH_CPU)}


def test_the_sample_corpora_hold_writing_and_nothing_else() -> None:
    """A page of ours beside the posts would be read as one of them."""
    others = [name for name in tracked() if name.startswith("corpus/others/")]
    assert len(others) == 5
    assert all(
        re.match(r"corpus/others/(?:whatsapp/WhatsApp Chat with .+\.txt|jsonl/.+\.jsonl)$", name) for name in others
    )
    nell = [name for name in tracked() if name.startswith("corpus/nell/")]
    assert len(nell) >= 18
    assert all(
        re.match(r"corpus/nell/(?:whatsapp/WhatsApp Chat with .+\.txt|posts/2025-\d\d-\d\d-.+\.md)$", name)
        for name in nell
    )
