"""Every error a user may meet stands in the tree, has its exit code, and is raised with a mend where there is one."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from style_clone import errors
from style_clone.errors import StyleCloneError

ROOT = Path(__file__).resolve().parent.parent
CLASSES = {
    name: each for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, StyleCloneError)
}
LINE = re.compile(r"^(?P<branch>[│├└─ ]*)(?P<name>\w+) +(?P<code>\d)  \S", re.MULTILINE)


def drawn() -> dict[str, tuple[str, int]]:
    """The tree in the docstring: each class with its parent and its exit code."""
    tree: dict[str, tuple[str, int]] = {}
    path: list[str] = []
    for match in LINE.finditer(errors.__doc__ or ""):
        depth = len(match["branch"]) // 4
        path = [*path[:depth], match["name"]]
        tree[match["name"]] = (path[depth - 1] if depth else "Exception", int(match["code"]))
    return tree


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    real = {name: (each.__bases__[0].__name__, each.exit_code) for name, each in CLASSES.items()}
    assert drawn() == real


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_is_its_problem_and_below_it_the_mend(name: str) -> None:
    error = CLASSES[name]("it broke", mend="mend it")
    assert str(error) == "it broke\nmend it"
    assert (error.problem, error.mend) == ("it broke", "mend it")
    assert str(CLASSES[name]("it broke")) == "it broke"
    assert CLASSES[name].__doc__


def test_misuse_is_two_and_failure_is_one() -> None:
    for each in CLASSES.values():
        assert each.exit_code == (2 if issubclass(each, errors.UsageError) else 1)


def raised() -> list[tuple[str, int, ast.Call]]:
    """Every `raise X(...)` or `return X(...)` in the package where X is one of the tree's."""
    found = []
    for path in sorted((ROOT / "style_clone").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = getattr(node, "exc", None) if isinstance(node, ast.Raise) else getattr(node, "value", None)
            if not isinstance(node, ast.Raise | ast.Return) or not isinstance(call, ast.Call):
                continue
            if isinstance(call.func, ast.Name) and call.func.id in CLASSES:
                found.append((str(path.relative_to(ROOT)), node.lineno, call))
    return found


def test_nearly_every_error_says_how_to_mend_it() -> None:
    calls = raised()
    assert len(calls) > 60
    without = [f"{path}:{line}" for path, line, call in calls if not any(each.arg == "mend" for each in call.keywords)]
    assert len(without) <= len(calls) / 10, without


def test_problems_are_one_line_in_plain_words() -> None:
    """The command line prints problem and mend as two lines; a page shows the first as a heading."""
    for path, line, call in raised():
        text = ast.unparse(call.args[0]) if call.args else ""
        assert "\\n" not in text, f"{path}:{line}"
        assert not re.search(r"traceback|exception", text, re.IGNORECASE), f"{path}:{line}"
