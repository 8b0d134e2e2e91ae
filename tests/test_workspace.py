"""Writes are all or nothing, whatever goes wrong in the middle."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from style_clone.errors import PersonaNotFound, StorageError, UsageError
from style_clone.persona import Persona
from style_clone.workspace import Workspace, atomic_file, atomic_folder, file_hash, own_prefix, read_json, write_json


def make_persona(workspace: Workspace, slug: str = "nell") -> Persona:
    persona = Persona(slug=slug, author="Nell Quayle", aliases=("Nell Quayle",))
    persona.save(workspace.folder(slug))
    return persona


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert read_json(path) == {"a": 2}
    assert os.listdir(path.parent) == ["x.json"]


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_a_failing_folder_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "adapter"
    with atomic_folder(path) as new:
        (new / "weights").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(path) as new:
        (new / "weights").write_text("new")
        raise RuntimeError
    assert (path / "weights").read_text() == "old"
    assert os.listdir(tmp_path) == ["adapter"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "adapter"
    for text in ("old", "new"):
        with atomic_folder(path) as new:
            (new / text).write_text(text)
    assert os.listdir(path) == ["new"]


def test_a_real_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """/dev/full answers every write with "no space left"."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("old")
    with pytest.raises(StorageError, match="disk is full") as caught, atomic_file(path) as file:
        file.write("new")
        with Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)
    assert "Free some space" in caught.value.mend
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["pairs.jsonl"]


def test_other_errors_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="input/output"), atomic_file(tmp_path / "x"):
        raise OSError(errno.EIO, "input/output")


def test_a_damaged_file_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "persona.json"
    path.write_text('{"name": ')
    with pytest.raises(StorageError, match=str(path)):
        read_json(path)


@pytest.mark.parametrize("name", ["", "Me", "../x", "a/b", "me@memory", "-x", "x" * 80])
def test_names_that_could_leave_the_folder_or_clash_are_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a persona's name"):
        workspace.folder(name)


def test_an_unknown_persona_lists_those_there_are(workspace: Workspace) -> None:
    make_persona(workspace, "anna")
    make_persona(workspace, "bert")
    with pytest.raises(PersonaNotFound, match="anna, bert"):
        workspace.existing("ann")


def test_a_persona_comes_back_as_it_was_saved(workspace: Workspace) -> None:
    persona = make_persona(workspace).with_base("smollm2-135m", "smollm2-135m", "r1", "abc")
    persona.save(workspace.folder("nell"))
    assert Persona.load(workspace.folder("nell")) == persona


@pytest.mark.parametrize("text", ["[]", "{}", '{"slug": "nell", "aliases": ["Nell"], "colour": "green"}'])
def test_a_persona_file_of_another_shape_is_told(workspace: Workspace, text: str) -> None:
    make_persona(workspace)
    workspace.folder("nell").persona.write_text(text)
    with pytest.raises(StorageError, match=r"persona\.json is not as this version writes it"):
        Persona.load(workspace.folder("nell"))


def test_delete_purges_the_folder(workspace: Workspace, home: Path) -> None:
    make_persona(workspace)
    (workspace.folder("nell").root / "raw").mkdir()
    workspace.delete("nell")
    assert os.listdir(home / "personas") == []
    with pytest.raises(PersonaNotFound):
        workspace.delete("nell")


def test_the_hash_is_of_the_bytes_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    one, two = tmp_path / "a", tmp_path / "b"
    assert file_hash(one, two) != file_hash(two, one)
    assert file_hash(one) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"


def test_passing_folders_of_killed_processes_go_and_others_stay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    gone, other, ours = (
        tmp_path / name for name in (".work-999999999-a", ".else-999999999-a", f".work-{os.getpid()}-a")
    )
    for folder in (elsewhere, gone, other, ours):
        folder.mkdir()
        (folder / "chat.txt").touch()
    (gone / "persona").symlink_to(elsewhere)
    prefix = own_prefix(tmp_path, "work")
    assert ours.name.startswith(prefix)
    assert not gone.exists()
    assert [(folder / "chat.txt").exists() for folder in (elsewhere, other, ours)] == [True] * 3
