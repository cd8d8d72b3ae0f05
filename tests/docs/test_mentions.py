"""What a docstring, a comment or a page mentions exists: paths, modules and their members, decisions, importers."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.docs.texts import PACKAGES, ROOT, Text, files, quoted, texts, tree

PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
OF_SOURCE = re.compile(r"[\w-]\.(py|md|c|h|proto|sh|toml)$|(^|/)[\w-]*\.?Dockerfile$|(^|/)Makefile$")
"""Endings of names that can only be files of a source tree; `.json` and `.yaml` are written by programs too."""
THEIRS = re.compile(r"^(api_rest|docker|TEMPLATE)\.md$")
"""Files of other projects, named where a source is cited."""
MODULE = re.compile(rf"({'|'.join(PACKAGES)})(\.\w+)+")
TOP = {name.split("/")[0] for name in files()}


def is_path(word: str) -> bool:
    """A name that claims to be a file or folder of this repository."""
    if not PATH.fullmatch(word) or THEIRS.match(word):
        return False
    return bool(OF_SOURCE.search(word)) or ("/" in word and word.split("/")[0] in TOP)


@functools.cache
def endings() -> frozenset[str]:
    """Every path and every end of it: `windows.py`, `ropewalk_model/windows.py` and so on, without a slash."""
    parts = [name.rstrip("/").split("/") for name in files()]
    return frozenset("/".join(one[start:]) for one in parts for start in range(len(one)))


def missing_module(word: str) -> bool:
    """Whether no module or member has this dotted name."""
    root, *parts = word.split(".")
    path = PACKAGES[root]
    while parts:
        if (ROOT / path / parts[0]).is_dir():
            path = f"{path}/{parts.pop(0)}"
        elif (ROOT / path / f"{parts[0]}.py").is_file():
            return bool(parts[1:]) and not _has(tree(f"{path}/{parts[0]}.py"), parts[1:])
        else:
            break
    init = f"{path}/__init__.py"
    return bool(parts) and not ((ROOT / init).is_file() and _has(tree(init), parts))


def _has(node: ast.AST, parts: list[str]) -> bool:
    """Whether a module or class defines or imports the name, and that one the next."""
    for child in getattr(node, "body", ()):
        names = {getattr(child, "name", "")}
        targets = [*getattr(child, "targets", ()), getattr(child, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
        names |= {one.asname or one.name for one in getattr(child, "names", ()) if isinstance(one, ast.alias)}
        if parts[0] in names:
            return len(parts) == 1 or not isinstance(child, ast.ClassDef) or _has(child, parts[1:])
    return False


def test_paths_in_backticks_exist() -> None:
    told = (text for text in texts() if text.file != "CHANGELOG.md")  # it tells of files as they were
    lost = [
        f"{text}: {word}"
        for text in told
        for word in quoted(text)
        if is_path(word) and word.rstrip("/") not in endings()
    ]
    assert lost == []


def test_module_names_in_backticks_exist() -> None:
    lost = [
        f"{text}: {word}"
        for text in texts()
        for word in quoted(text)
        if MODULE.fullmatch(word) and word != "ropewalk.dev" and missing_module(word)
    ]
    assert lost == []


@pytest.mark.parametrize(
    ("word", "there"),
    [("ropewalk_model.drift", True), ("ropewalk_model.drift.psi", True), ("ropewalk_model.drifts", False),
     ("ropewalk.core.plan.Plan.effects", True), ("ropewalk.core.plan.Plan.cause", False)],
)  # fmt: skip
def test_a_module_or_member_that_is_not_there_is_noticed(word: str, there: bool) -> None:
    assert missing_module(word) is not there


def test_decisions_and_contracts_that_are_cited_have_an_entry() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\*\*(D\d+)\.", page, re.MULTILINE)) | set(
        re.findall(r"^## Contract (C\d+)", page, re.MULTILINE)
    )
    assert {f"D{number}" for number in range(1, 16)} <= known
    lost = [
        f"{text}: {word}"
        for text in texts()
        for word in re.findall(r"(?<![\w`])([CDR]\d{1,2})(?![\w`-])", text.words)
        if word not in known
    ]
    assert lost == []


def test_designs_that_are_cited_exist() -> None:
    pages = {path.name[:4] for path in (ROOT / "designs").glob("[0-9]*.md")}
    cited = ((text, number) for text in texts() for number in re.findall(r"designs/(\d{4})", text.words))
    assert [f"{text}: designs/{number}" for text, number in cited if number not in pages] == []


def test_a_section_is_cited_with_its_source_only() -> None:
    """A number says nothing without the paper, the standard or the page beside it."""
    source = re.compile(r"RFC|\(\d{4}\)|Numerical Recipes|\.md")
    lost = [
        str(text) for text in texts() if re.search(r"\b[Ss]ection \d", text.words) and not source.search(text.words)
    ]
    assert lost == []


CLAIM = re.compile(r"\b(?:only file that imports|only import of) `?(\w+)`?")


def importers(library: str) -> set[str]:
    """The files of the product that import a library, at their top or inside a function."""
    product = tuple(f"{PACKAGES[name]}/" for name in PACKAGES if name.startswith("ropewalk"))
    statement = re.compile(rf"^\s*(?:import|from) {library}\b", re.MULTILINE)
    sources = [name for name in files() if name.startswith(product) and name.endswith(".py")]
    return {name for name in sources if statement.search((ROOT / name).read_text(encoding="utf-8"))}


def claimed(text: Text) -> str:
    """The file that a claim is about: a docstring's own, else the first path of the line."""
    if text.file.endswith(".py"):
        return text.file
    return next(word for word in quoted(text) if is_path(word))


def test_the_only_file_that_imports_a_library_is_the_only_one() -> None:
    claims = {(match[1], claimed(text)) for text in texts() for match in CLAIM.finditer(text.words)}
    claims = {one for one in claims if not one[1].startswith("tests/docs")}
    assert "kopf" in {library for library, _ in claims}
    for library, file in claims:
        assert [name for name in importers(library) if not name.endswith(file)] == [], library
        assert importers(library), library
