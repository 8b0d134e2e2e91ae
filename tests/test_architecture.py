"""The shape of the package: who may import whom, read from the source itself."""

from __future__ import annotations

import ast
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "style_clone"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}
HEAVY = {"torch", "transformers", "peft", "accelerate", "safetensors", "gguf", "vllm", "gradio"}
Graph = dict[str, set[str]]


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def statements(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that run, those under `if TYPE_CHECKING` left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from statements(child, inside_functions=inside_functions)


def named(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules a statement imports: of `from a import b`, a.b where that is a module of ours, else a."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    assert statement.level == 0, "imports are absolute"
    for alias in statement.names:
        submodule = f"{statement.module}.{alias.name}"
        yield submodule if submodule in FILES else str(statement.module)


def imports(name: str, *, inside_functions: bool = True) -> set[str]:
    return {
        module for statement in statements(tree(name), inside_functions=inside_functions) for module in named(statement)
    }


def ours(*, inside_functions: bool = True) -> Graph:
    return {name: imports(name, inside_functions=inside_functions) & set(FILES) for name in FILES}


def foreign(name: str) -> set[str]:
    """Top-level packages from outside that a module imports, wherever it does so."""
    return {module.partition(".")[0] for module in imports(name)} - {PACKAGE, "__future__"}


def reached(graph: Graph, starts: set[str]) -> set[str]:
    found, left = set(starts), list(starts)
    while left:
        for module in graph[left.pop()] - found:
            found.add(module)
            left.append(module)
    return found


def under(*rooms: str) -> set[str]:
    prefixes = tuple(f"{PACKAGE}.{room}" for room in rooms)
    return {name for name in FILES if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)}


def cycle(graph: Graph) -> list[str]:
    """One cycle, as the modules along it; empty where there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for module in sorted(graph[name]):
            if found := visit(module, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in graph if (found := visit(name, []))), [])


def test_a_cycle_would_be_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_source_was_read() -> None:
    assert len(FILES) > 80
    assert "style_clone.errors" in ours()["style_clone.workspace"]
    assert "torch" in foreign("style_clone.train.loop")


def test_no_module_imports_itself_by_any_way_round() -> None:
    assert cycle(ours()) == []


def test_packages_form_no_cycle_either() -> None:
    """Rooms as wholes: ingest, pairs, train and so on; a module of the top level is a room of its own."""
    graph: Graph = {}
    for name, modules in ours().items():
        room = ".".join(name.split(".")[:2])
        graph.setdefault(room, set()).update({".".join(module.split(".")[:2]) for module in modules} - {room, PACKAGE})
    assert cycle(graph) == []


def test_training_and_serving_do_not_know_each_other() -> None:
    graph = ours()
    assert not reached(graph, under("train")) & under("serving")
    assert not reached(graph, under("serving")) & under("train")


def test_stages_before_training_load_no_model_library() -> None:
    stages = under("ingest", "pairs", "memory", "styleguide", "baseline", "persona", "workspace", "conversation")
    for name in reached(ours(), stages):
        assert not foreign(name) & HEAVY, name


def test_nothing_but_the_command_line_imports_the_command_line() -> None:
    allowed = under("cli") | {"style_clone.__main__"}
    assert [name for name in FILES if name not in allowed and imports(name) & under("cli")] == []


def test_gradio_stays_in_the_page() -> None:
    assert {name for name in FILES if "gradio" in foreign(name)} <= under("ui")
    assert not {name for name in under("ui.handlers") if "gradio" in foreign(name)}


def test_vllm_is_a_process_and_never_imported() -> None:
    assert [name for name in FILES if "vllm" in foreign(name)] == []


def test_the_nouns_stand_on_the_standard_library() -> None:
    assert ours()["style_clone.conversation"] == {"style_clone.errors"}
    assert foreign("style_clone.conversation") <= sys.stdlib_module_names
    assert imports("style_clone.errors") <= {"__future__"}


def test_formats_do_not_import_each_other() -> None:
    formats = under("ingest.formats") - {"style_clone.ingest.formats"}
    assert len(formats) >= 4
    for name in formats:
        assert not imports(name) & formats, name


def test_stages_meet_in_files_and_do_not_call_each_other() -> None:
    stages = ("ingest", "pairs", "train", "serving")
    for stage in stages:
        others = set().union(*(under(other) for other in stages if other != stage))
        for name in under(stage):
            assert not imports(name) & others, name


def loaded_by(*arguments: str) -> list[str]:
    """Top-level modules that a command has loaded when it ends."""
    script = (
        "import atexit, json, sys\n"
        "tops = lambda: sorted({name.partition('.')[0] for name in sys.modules})\n"
        "atexit.register(lambda: print(json.dumps(tops()), file=sys.stderr))\n"
        f"sys.argv[1:] = {list(arguments)!r}\n"
        "from style_clone.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout
    modules = json.loads(done.stderr.splitlines()[-1])
    assert isinstance(modules, list)
    return modules


@pytest.mark.parametrize(
    "arguments", [["--help"], *([name, "--help"] for name in ("ingest", "train", "serve", "ui", "demo", "doctor"))]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not HEAVY & set(loaded_by(*arguments))


def functions() -> Iterator[tuple[str, int]]:
    """Every function with its length in lines, decorators and docstring included."""
    for name in FILES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_files_and_functions_stay_small() -> None:
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES.values()]
    assert statistics.median(lengths) <= 150
    assert max(lengths) <= 400
    assert statistics.quantiles([length for _, length in functions()], n=10)[-1] <= 35
    assert [name for name, length in functions() if length > 80] == []


def test_nothing_is_left_for_later_in_the_source() -> None:
    marks = ("TODO", "FIXME", "XXX", "HACK")
    assert [
        name for name, path in FILES.items() if any(mark in path.read_text(encoding="utf-8") for mark in marks)
    ] == []
