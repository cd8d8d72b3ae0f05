"""Literals of the product's code, for the tests that hold contracts to one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = (
    "operator/ropewalk",
    "model/ropewalk_model",
    "trainer_image/ropewalk_trainer",
    "server_image/ropewalk_server",
)


@dataclass(frozen=True)
class Constant:
    """A literal in product code outside the contract; docstrings are none."""

    file: str
    line: int
    value: object
    keyword: str
    """Name of the argument or variable that the literal is given to; empty: neither."""
    in_type: bool
    """The literal stands in `Literal[...]`, where a name cannot."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.value!r}"


@cache
def constants() -> tuple[Constant, ...]:
    """Every literal of the four packages, generated protobufs left out."""
    files = (path for package in PROGRAMS for path in sorted((REPOSITORY / package).rglob("*.py")))
    return tuple(one for path in files if not path.name.endswith("_pb2.py") for one in _of(path))


def _of(path: Path) -> Iterator[Constant]:
    file = path.relative_to(REPOSITORY).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings: set[int] = set()
    types: set[int] = set()
    keywords: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            docstrings.add(id(node.value))
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            types.update(id(inner) for inner in ast.walk(node.slice))
        elif isinstance(node, ast.keyword) and node.arg:
            keywords[id(node.value)] = node.arg
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Name, ast.Attribute)):
            target = node.targets[0]
            keywords[id(node.value)] = target.id if isinstance(target, ast.Name) else target.attr
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            value = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            yield Constant(file, node.lineno, value, keywords.get(id(node), ""), id(node) in types)
