"""python -m tools.audit LOCK...: licenses and known vulnerabilities of the locked packages.

Licenses come from the metadata of installed packages, vulnerabilities from the JSON interface of the index that pip is
configured to use. The program fails where a package has a forbidden license or a known vulnerability, where it could
not ask about one, and where it audited no package at all. `--skip-vulnerabilities` audits licenses alone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

FORBIDDEN = re.compile(
    r"\b(AGPL|SSPL|BUSL|Commons Clause)|(?<!L)(?<!Lesser )(?<!A)\b(GPL|General Public License)", re.I
)
EXCEPTION = re.compile(r"with[- ]\S*exception|lesser|library", re.I)
NONE = "no license stated"
UNSTATED = {"namex": "Apache-2.0"}
"""Licenses of packages whose metadata state none, as the license file of their source has them."""
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
ASK_PIP = (
    "import os\n"
    "from pip._internal.configuration import Configuration\n"
    "from pip._internal.models.index import PyPI\n"
    "found = Configuration(isolated=False); found.load(); options = dict(found.items())\n"
    "flat = {k: v for value in options.values() for k, v in (value.items() if isinstance(value, dict) else ())}\n"
    "flat |= {k: v for k, v in options.items() if isinstance(v, str)}\n"
    "print(flat.get(':env:.index-url') or flat.get('global.index-url') or PyPI.simple_url)\n"
)


class Package(NamedTuple):
    """A locked package."""

    name: str
    version: str


def locked(texts: Iterable[str]) -> list[Package]:
    """All packages that lock files of pip's format pin, once each, sorted."""
    pins = [found for text in texts for found in PINNED.findall(text)]
    return sorted({Package(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in pins})


def license_of(package: Package) -> str | None:
    """The license as its metadata state it, shortened to one line; None where that version is not installed."""
    try:
        found = metadata.distribution(package.name)
    except metadata.PackageNotFoundError:
        return None
    if found.version != package.version:
        return None
    told: list[str] = found.metadata.get_all("License-Expression") or []
    classifiers = found.metadata.get_all("Classifier") or []
    told += [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    told += found.metadata.get_all("License") or []
    texts = [one.strip().splitlines()[0] for one in told if one.strip()]
    return texts[0] if texts else UNSTATED.get(package.name, NONE)


def forbidden(text: str) -> bool:
    """Whether a license obliges those who distribute Ropewalk to more than notices (GPL, AGPL, SSPL and the like)."""
    alternatives = re.split(r"\s+OR\s+", text)
    return all(FORBIDDEN.search(one) is not None and EXCEPTION.search(one) is None for one in alternatives)


def index_base() -> str:
    """The address of pip's index without `/simple`."""
    done = subprocess.run([sys.executable, "-c", ASK_PIP], capture_output=True, text=True, check=True)
    return done.stdout.strip().rstrip("/").removesuffix("/simple")


def vulnerabilities(base: str, package: Package) -> list[str]:
    """Identifiers of known, not withdrawn vulnerabilities. Raises OSError or ValueError where the index gives none."""
    url = f"{base}/pypi/{package.name}/{package.version}/json"
    with urllib.request.urlopen(url, timeout=20) as answer:
        document: dict[str, Any] = json.loads(answer.read())
    if not isinstance(document.get("vulnerabilities"), list):
        raise ValueError("the index names no vulnerabilities")
    open_ones = [one for one in document["vulnerabilities"] if not one.get("withdrawn")]
    return sorted(str(one.get("id")) + _fix(one) for one in open_ones)


def _fix(found: dict[str, Any]) -> str:
    fixed = ", ".join(map(str, found.get("fixed_in") or []))
    return f" (fixed in {fixed})" if fixed else " (no fixed version)"


def audit_licenses(packages: list[Package]) -> tuple[int, list[str]]:
    """The number of packages whose license is known, and one line for each problem."""
    problems, known, absent = [], 0, []
    for package in packages:
        text = license_of(package)
        if text is None:
            absent.append(f"{package.name} {package.version}")
            continue
        known += 1
        if text == NONE or forbidden(text):
            problems.append(f"license of {package.name} {package.version}: {text}")
    print(f"licenses: {known} of {len(packages)} packages audited")
    if absent:
        print(f"licenses: NOT audited, since not installed here: {', '.join(absent)}")
    return known, problems


def audit_vulnerabilities(packages: list[Package], ask: Callable[[Package], list[str]]) -> tuple[int, list[str]]:
    """The number of packages that the index was asked about, and one line for each problem.

    The first package without an answer ends the audit, so that an index that cannot be reached is asked once.
    """
    problems: list[str] = []
    for asked, package in enumerate(packages):
        try:
            problems += [f"vulnerability of {package.name} {package.version}: {one}" for one in ask(package)]
        except (OSError, ValueError) as error:
            print(f"vulnerabilities: {asked} of {len(packages)} packages audited")
            return asked, [
                *problems,
                f"vulnerabilities NOT audited from {package.name} on: {error}; "
                "`make audit VULNERABILITIES=skip` audits licenses alone",
            ]
    print(f"vulnerabilities: {len(packages)} of {len(packages)} packages audited")
    return len(packages), problems


def main() -> int:
    """Audit the lock files; 0 if nothing was found and something was audited."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("locks", nargs="+", type=Path)
    parser.add_argument("--skip-vulnerabilities", action="store_true")
    arguments = parser.parse_args()
    packages = locked(path.read_text() for path in arguments.locks)
    known, problems = audit_licenses(packages)
    if known == 0:
        problems.append("no license was audited: run it in the environment that the locks describe")
    if arguments.skip_vulnerabilities:
        print("vulnerabilities: NOT audited, as asked")
    else:
        base = index_base()
        asked, more = audit_vulnerabilities(packages, lambda package: vulnerabilities(base, package))
        problems += more if asked or more else ["no vulnerability was audited"]
    for line in problems:
        print(f"audit: {line}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
