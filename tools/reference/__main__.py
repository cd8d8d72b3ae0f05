"""Write docs/reference/, or compare it: `python -m tools.reference [--check] [--directory docs/reference]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.reference import conditions, metrics, resources


def pages() -> dict[str, str]:
    """The content of every generated page, by file name."""
    return {**resources.pages(), "metrics.md": metrics.page(), "conditions.md": conditions.page()}


def differences(directory: Path) -> list[str]:
    """One line for each page of `directory` that is missing, differs from the code, or has no source any more."""
    made = pages()
    found = []
    for name, content in made.items():
        path = directory / name
        if not path.exists():
            found.append(f"{path} is missing")
        elif path.read_text(encoding="utf-8") != content:
            found.append(f"{path} differs from the code")
    found += [f"{path} is not generated" for path in sorted(directory.glob("*.md")) if path.name not in made]
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the existing pages, write nothing")
    parser.add_argument("--directory", type=Path, default=Path("docs/reference"), help="default: docs/reference")
    options = parser.parse_args(arguments)
    if options.check:
        found = differences(options.directory)
        for line in found:
            print(f"{line}: run `make generate` and commit the result", file=sys.stderr)
        return 1 if found else 0
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (options.directory / name).write_text(content, encoding="utf-8")
        print(options.directory / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
