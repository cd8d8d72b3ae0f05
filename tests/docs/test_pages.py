"""Pages hold together: links lead somewhere, the index of designs is whole, generated pages are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.texts import ROOT, files
from tools.reference.__main__ import differences

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PAGES = sorted(ROOT / name for name in files() if name.endswith(".md") and "/corpus/" not in name)
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.md")


def prose(page: Path) -> str:
    """A page without its code, in which brackets are no links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!\[)`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    found: dict[str, int] = {}
    made = set()
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        made.add(f"{slug}-{found[slug]}" if found[slug] else slug)
    return made


def test_links_resolve() -> None:
    lost = []
    for page in PAGES:
        for target in LINK.findall(prose(page)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
                lost.append(f"{page.relative_to(ROOT)}: {target}")
    assert lost == []


def test_every_design_has_a_status_and_stands_in_the_index() -> None:
    index = (ROOT / "designs/README.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "designs").glob("[0-9]*.md")):
        title, _, status, *_ = page.read_text(encoding="utf-8").splitlines()
        found = re.fullmatch(r"Status: (accepted|replaced by \[?\d{4}.*|withdrawn), (\d{4}-\d\d-\d\d.*)\.", status)
        assert found, f"{page.name}: the third line is `Status: accepted, 2026-01-31.`"
        number, name = page.name[:4], title.removeprefix(f"# {page.name[:4]} ")
        assert f"| [{number}]({page.name}) | {name} |" in index, page.name
        assert f"| {found[1]} | {found[2]} |" in index, page.name


def test_changelog_fragments_have_one_line() -> None:
    for page in (ROOT / "changelog.d").glob("*.md"):
        if page.name != "README.md":
            assert FRAGMENT.fullmatch(page.name), page.name
            assert len(page.read_text(encoding="utf-8").splitlines()) == 1, page.name


def test_the_reference_is_that_of_the_code() -> None:
    assert differences(ROOT / "docs/reference") == []


def test_every_guide_is_listed() -> None:
    index = (ROOT / "docs/guides/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs/guides").glob("*.md") if page.name != "README.md"]
    assert [name for name in pages if f"({name})" not in index] == []
