"""The page of conditions and reasons: each with its docstring, which states the meaning and the remedy."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from ropewalk_contract import reasons
from ropewalk_contract.api import conditions
from tools.reference.markdown import HEADER, table

MODULES: tuple[ModuleType, ...] = (conditions, reasons)
STATES = ("TRUE", "FALSE", "UNKNOWN")


class Word(NamedTuple):
    """A constant with a CamelCase value, and the text about it."""

    constant: str
    value: str
    group: str
    about: str


def words() -> list[Word]:
    """Every condition type and reason in the order of the source. ValueError if one has no docstring."""
    found = [word for module in MODULES for word in _words(module)]
    bare = [word.constant for word in found if not word.about]
    if bare:
        raise ValueError(f"{bare[0]} has no docstring: state its meaning and the remedy in the line below it")
    return found


def _words(module: ModuleType) -> Iterator[Word]:
    source = inspect.getsource(module)
    lines, body = source.splitlines(), ast.parse(source).body
    for index, statement in enumerate(body):
        target, value = getattr(statement, "target", None), getattr(statement, "value", None)
        if not isinstance(statement, ast.AnnAssign) or not isinstance(target, ast.Name):
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and target.id not in STATES:
            yield Word(target.id, value.value, _group(lines, statement.lineno), _about(body[index + 1 : index + 2]))


def _about(following: list[ast.stmt]) -> str:
    """The docstring of a constant: a string that stands alone below it."""
    for statement in following:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return str(statement.value.value)
    return ""


def _group(lines: list[str], line: int) -> str:
    """The nearest comment above that stands alone in its line."""
    above = (one for one in reversed(lines[: line - 1]) if one.startswith("# "))
    return next(above, "#").removeprefix("#").strip().rstrip(".")


def page() -> str:
    """The whole page."""
    parts = [
        f"{HEADER}# Conditions and reasons\n",
        "A condition has a type, a status (`True`, `False` or `Unknown`), a reason and a message. Types and reasons "
        "are part of the API. The message names the object, the value and the remedy. The same reasons stand in "
        "Events, in `status.lastFailure`, in `status.history` and in `status.anomalies`.\n",
    ]
    groups: dict[str, list[Word]] = {}
    for word in words():
        groups.setdefault(word.group, []).append(word)
    for group, members in groups.items():
        parts += [f"## {group}\n", table(("name", "meaning and remedy"), [(f"`{m.value}`", m.about) for m in members])]
    return "\n".join(parts)
