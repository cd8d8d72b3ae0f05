"""Feature types and tasks are objects: no code outside their folders compares with one, or looks one up by its name.

A table that is keyed by the objects themselves is fine: it is read when a model is loaded, or by one look-up.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk_model.features import FEATURE_TYPES
from ropewalk_model.tasks import TASKS

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "contract/ropewalk_contract",
    "model/ropewalk_model",
    "operator/ropewalk",
    "trainer_image/ropewalk_trainer",
    "server_image/ropewalk_server",
)
HOMES = (
    "contract/ropewalk_contract/api/",
    "model/ropewalk_model/features/",
    "model/ropewalk_model/tasks/",
    "trainer_image/ropewalk_trainer/tf_encoding/",
    "trainer_image/ropewalk_trainer/tf_head/",
)
"""Where types and tasks are declared and defined."""
OTHER_NAMES = {
    "trainer_image/ropewalk_trainer/templates/__init__.py": {"Text", "Image"},
}
"""Words that name something else there: templates."""
NAMES = {*FEATURE_TYPES, *TASKS}
OBJECTS = {
    *("NUMBER", "INTEGER", "BOOLEAN", "CATEGORY", "TEXT", "TIMESTAMP", "IMAGE", "TENSOR"),
    *("CLASSIFICATION", "REGRESSION", "SINGLE_TENSOR", "NAMED_TENSORS"),
}
PACKAGES = ("ropewalk_model.features", "ropewalk_model.tasks")


def dispatches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each comparison, case and key of a dictionary with a type's or a task's name."""
    objects = imported(tree)
    for node in ast.walk(tree):
        told: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            told = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            told = [node.value]
        elif isinstance(node, ast.Dict):
            yield from ((key.lineno, one) for key in node.keys if key for one in words(key, frozenset()))
        yield from ((part.lineno, one) for part in told for one in words(part, objects))


def imported(tree: ast.AST) -> frozenset[str]:
    """Names of the objects that come from the packages of types and tasks."""
    names = {"features." + one for one in OBJECTS} | {"tasks." + one for one in OBJECTS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGES):
            names |= {one.asname or one.name for one in node.names if one.name in OBJECTS}
    return frozenset(names)


def words(node: ast.expr, objects: frozenset[str]) -> Iterator[str]:
    """Names in an expression, those in a tuple, list or set among them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES:
        yield node.value
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        for one in node.elts:
            yield from words(one, objects)
    elif isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) in objects:
        yield ast.unparse(node)


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_code_outside_their_folders_tells_types_or_tasks_apart(program: str) -> None:
    """A new type or task would have to be added there too."""
    found = []
    for path in sorted((ROOT / program).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name.startswith(HOMES) or name.endswith("_pb2.py"):
            continue
        other = OTHER_NAMES.get(name, set())
        found += [f"{name}:{line}: {one}" for line, one in dispatches(ast.parse(path.read_text())) if one not in other]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'spec.type == "Image"',
        'spec.type in ("Number", "Integer")',
        'signature.task != "Tensors"',
        'match task:\n    case "Regression":\n        pass',
        'sizes = {"Text": 1}',
        "spec.kind is features.IMAGE",
    ],
)
def test_the_finder_finds(code: str) -> None:
    """Each form of a switch."""
    assert len(list(dispatches(ast.parse(code)))) in (1, 2)


def test_tables_by_object_are_no_switches() -> None:
    """The halves that other programs register."""
    assert list(dispatches(ast.parse("TABLE = {features.IMAGE: 1, CLASSIFICATION: 2}"))) == []
