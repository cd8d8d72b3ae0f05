"""The modules that a test module imports, read from its syntax and from that of the test helpers it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def direct(path: Path) -> frozenset[str]:
    """Absolute names of the modules and members that one file imports, also those inside functions."""
    return frozenset(_names(ast.parse(path.read_text())))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def reached(path: Path) -> frozenset[str]:
    """The same, over all modules of `tests` that are reached by imports."""
    seen, waiting = {path}, [path]
    names: set[str] = set()
    while waiting:
        for name in direct(waiting.pop()):
            names.add(name)
            for one in (name, name.rpartition(".")[0]):
                file = ROOT / f"{one.replace('.', '/')}.py"
                if one.startswith("tests.") and file.is_file() and file not in seen:
                    seen.add(file)
                    waiting.append(file)
    return frozenset(names)
