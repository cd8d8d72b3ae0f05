"""Texts of the repository that make claims: docstrings, comments and pages, each with its file and line."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "ropewalk_contract": "contract/ropewalk_contract",
    "ropewalk_model": "model/ropewalk_model",
    "ropewalk": "operator/ropewalk",
    "ropewalk_trainer": "trainer_image/ropewalk_trainer",
    "ropewalk_server": "server_image/ropewalk_server",
    "tools": "tools",
    "tests": "tests",
    "benchmarks": "benchmarks",
    "examples": "examples",
}
FOLDERS = ("contract", "model", "operator", "trainer_image", "server_image", "tools", "tests", "benchmarks", "examples",
           "designs", "docs", "manifests", "changelog.d", "locks", ".github")  # fmt: skip
COMMENTED = {".yaml": "#", ".yml": "#", ".toml": "#", ".sh": "#", ".c": "", ".h": "", ".proto": "//"}
"""Endings of files whose comments are read, and how a comment begins; empty: the whole file is read."""
NOT_OURS = re.compile(
    r"_pb2\.pyi?$|(^|/)(__pycache__|corpus|figures|peers|samples)(/|$)|^benchmarks/serving/results\.md$"
)


COMMENT = re.compile(r"(?:^\s*|\s\s)# (.*)$")
"""A comment of Python. A string that holds the same is read too, which does no harm."""


class Text(NamedTuple):
    """A piece of text: the file relative to the root, the line where it begins, the words."""

    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@functools.cache
def files() -> frozenset[str]:
    """Every file of the repository that is read here, and every folder of them (with a slash at the end)."""
    top = [path for path in ROOT.iterdir() if path.is_file()]
    found = {path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.is_file()}
    names = {str(path.relative_to(ROOT)) for path in (*top, *found)}
    names |= {
        str(path.relative_to(ROOT)) for name in ("crds", ".ci") for path in (ROOT / name).rglob("*") if path.is_file()
    }
    folders = {f"{parent}/" for name in names for parent in Path(name).parents if str(parent) != "."}
    return frozenset(names | folders)


@functools.cache
def texts() -> tuple[Text, ...]:
    """All pieces, in the order of the files' names."""
    return tuple(text for name in sorted(files()) if not name.endswith("/") for text in _texts(name))


def _texts(name: str) -> Iterator[Text]:
    path = ROOT / name
    if NOT_OURS.search(name):
        return
    if path.suffix == ".py":
        yield from _python(name, path.read_text(encoding="utf-8"))
    elif path.suffix == ".md":
        yield from _pages(name, path.read_text(encoding="utf-8"))
    elif path.suffix in COMMENTED or path.name in ("Makefile", "Dockerfile") or path.name.endswith(".Dockerfile"):
        sign = COMMENTED.get(path.suffix, "#")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if sign in line:
                yield Text(name, number, line.partition(sign)[2] if sign else line)


def _pages(name: str, page: str) -> Iterator[Text]:
    for number, line in enumerate(page.splitlines(), start=1):
        yield Text(name, number, line)


def _python(name: str, source: str) -> Iterator[Text]:
    """Comments, and strings that stand alone: docstrings of modules, classes, functions and constants."""
    yield from _standing_alone(name, tree(name))
    for number, line in enumerate(source.splitlines(), start=1):
        comment = COMMENT.search(line)
        if comment is not None:
            yield Text(name, number, comment[1])


def _standing_alone(name: str, node: ast.AST) -> Iterator[Text]:
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str):
            yield Text(name, child.lineno, child.value.value)
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _standing_alone(name, child)


def quoted(text: Text) -> Iterator[str]:
    """What stands in backticks, code blocks of pages left out."""
    for one in re.findall(r"`([^`\n]+)`", text.words):
        yield one.strip()


@functools.cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))
