"""The audit counts what it audited, and fails where it found something or could not look."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import pytest

from tools import audit
from tools.audit import Package, audit_vulnerabilities, forbidden, locked, main, vulnerabilities

ANSWERS = {
    "/pypi/clean/1.0/json": {"vulnerabilities": []},
    "/pypi/holed/1.0/json": {
        "vulnerabilities": [
            {"id": "PYSEC-1", "fixed_in": ["1.1"], "withdrawn": None},
            {"id": "PYSEC-2", "fixed_in": [], "withdrawn": "2026-01-01T00:00:00Z"},
        ]
    },
    "/pypi/silent/1.0/json": {"info": {}},
}


class Index(BaseHTTPRequestHandler):
    """An index with the JSON interface of PyPI."""

    def do_GET(self) -> None:
        body = json.dumps(ANSWERS.get(self.path)).encode()
        self.send_response(200 if self.path in ANSWERS else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def base() -> Iterator[str]:
    """The index's address."""
    with HTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_pins_are_read_once_each() -> None:
    """Names in their normal form; hashes, markers and extras do not count."""
    text = (
        "Py_YAML==6.0 \\\n    --hash=sha256:ab\npy-yaml==6.0 ; python_version > '3'\n# x==1\nuvicorn[standard]==0.1\n"
    )
    assert locked([text, text]) == [Package("py-yaml", "6.0"), Package("uvicorn", "0.1")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL-3.0-only", True), ("AGPL-3.0", True), ("GNU General Public License v3 (GPLv3)", True),
        ("MIT", False), ("LGPL-2.1", False), ("MIT OR GPL-2.0", False), ("MPL-2.0 AND (Apache-2.0 OR MIT)", False),
        ("GNU Lesser General Public License v3", False), ("BSD-3-Clause AND GPL-3.0-with-GCC-exception", False),
    ],
)  # fmt: skip
def test_licenses_that_oblige_to_more_than_notices_are_forbidden(text: str, expected: bool) -> None:
    """A choice of licenses is as good as its best one."""
    assert forbidden(text) is expected


def test_open_vulnerabilities_are_named_with_their_fix(base: str) -> None:
    """Withdrawn ones are left out."""
    assert vulnerabilities(base, Package("clean", "1.0")) == []
    assert vulnerabilities(base, Package("holed", "1.0")) == ["PYSEC-1 (fixed in 1.1)"]


@pytest.mark.parametrize("name", ["silent", "unknown"])
def test_an_index_that_does_not_tell_ends_the_audit(base: str, name: str) -> None:
    """The first package without an answer is named, and how to go on without."""
    packages = [Package("clean", "1.0"), Package(name, "1.0"), Package("holed", "1.0")]
    asked, problems = audit_vulnerabilities(packages, lambda package: vulnerabilities(base, package))
    assert (asked, len(problems)) == (1, 1)
    assert name in problems[0]
    assert "VULNERABILITIES=skip" in problems[0]


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, *options: str) -> int:
    """The exit code of the program over one lock file."""
    (tmp_path / "lock.txt").write_text(text)
    monkeypatch.setattr(sys, "argv", ["audit", str(tmp_path / "lock.txt"), *options])
    return main()


def test_an_audit_of_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an empty lock, and of packages that are not installed."""
    for text in ("", "nowhere-to-be-found==1.0\n"):
        assert run(monkeypatch, tmp_path, text, "--skip-vulnerabilities") == 1
        assert "no license was audited" in capsys.readouterr().err


def test_both_parts_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An installed package with a known license passes; the message counts."""
    version = metadata.version("pytest")
    ANSWERS[f"/pypi/pytest/{version}/json"] = {"vulnerabilities": []}
    monkeypatch.setattr(audit, "index_base", lambda: base)
    assert run(monkeypatch, tmp_path, f"pytest=={version}\n") == 0
    said = capsys.readouterr().out
    assert "licenses: 1 of 1 packages audited" in said
    assert "vulnerabilities: 1 of 1 packages audited" in said
    assert run(monkeypatch, tmp_path, f"pytest=={version}\nholed==1.0\n") == 1
