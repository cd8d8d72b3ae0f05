"""Rules of the test files themselves, read from their syntax: no import of a test module, no sleep of a fixed time."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted(path.relative_to(ROOT) for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
POLLING = Path("tests/polling.py")
TREES = {path: ast.parse((ROOT / path).read_text()) for path in FILES}


def imported(tree: ast.Module) -> list[str]:
    """The absolute names of all imported modules and members."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def sleeps(tree: ast.Module) -> list[int]:
    """The lines of all calls named `sleep`, but for `sleep(0)`, which lets an event loop turn and takes no time."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) == "sleep"]
    return [call.lineno for call in named if not (call.args and ast.unparse(call.args[0]) == "0")]


def test_helpers_are_no_test_modules() -> None:
    """A helper that stands in a test module moves to a module of its own."""
    found = {}
    for path, tree in TREES.items():
        parts = {part for name in imported(tree) if name.startswith("tests.") for part in name.split(".")}
        if wrong := sorted(part for part in parts if part.startswith("test_")):
            found[str(path)] = wrong
    assert found == {}


def test_nothing_sleeps_for_a_fixed_time() -> None:
    """`tests.polling` waits until something holds; a clock is injected where time itself is tested."""
    found = {str(path): sleeps(tree) for path, tree in TREES.items() if path.parts[0] == "tests" and path != POLLING}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_rules_see_what_they_forbid() -> None:
    """Both, in the forms that are common."""
    tree = ast.parse("import time\nfrom tests.a.test_b import c\ntime.sleep(1)\nasyncio.sleep(0)\nsleep(x)\n")
    assert "tests.a.test_b.c" in imported(tree)
    assert sleeps(tree) == [3, 5]
