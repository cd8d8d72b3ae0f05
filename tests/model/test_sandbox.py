"""Each limit of a child process, met by a real one."""

from __future__ import annotations

import errno
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ropewalk_model import sandbox
from ropewalk_model.sandbox import Ended, Limits

LIMITS: dict[str, Any] = {
    "memory_bytes": 256 << 20,
    "cpu_seconds": 60,
    "wall_seconds": 60,
    "output_bytes": 65536,
    "file_bytes": 1 << 20,
}


def ended(*arguments: str, **changed: Any) -> Ended:
    """A child of these limits."""
    return sandbox.run("tests.model.sandbox_child", arguments, Limits(**{**LIMITS, **changed}))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child finds the tests' modules, wherever it starts."""
    import os

    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))))


def test_a_child_answers_and_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arguments come through, its prints do not mix with the answer, and its environment is a chosen one."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = ended("answer", "one", "two")
    assert (found.code, found.timed_out, found.overflowed) == (0, False, False)
    words = found.output.decode().split(" ")
    assert words[:2] == ["one", "two"]
    assert "AWS_SECRET_ACCESS_KEY" not in words
    assert "PYTHONPATH" in words


def test_memory() -> None:
    """Beyond what it had when it was confined."""
    assert ended("memory").output == b"refused"
    assert ended("memory").code == 0


def test_cpu_seconds() -> None:
    """A loop without an end gets a signal."""
    found = ended("spin", cpu_seconds=1)
    assert found.code in (-signal.SIGXCPU, -signal.SIGKILL)
    assert not found.timed_out


def test_wall_clock() -> None:
    """A child that waits is killed."""
    began = time.monotonic()
    found = ended("wait", wall_seconds=2)
    assert (found.code, found.timed_out) == (-signal.SIGKILL, True)
    assert time.monotonic() - began < 30


def test_output_bytes() -> None:
    """No more is read than the limit and a byte, and the child ends."""
    found = ended("talk", output_bytes=10_000)
    assert (found.code, found.overflowed, len(found.output)) == (-signal.SIGKILL, True, 10_001)


def test_file_bytes(tmp_path: Path) -> None:
    """A file that grows beyond the limit is an error of the write."""
    found = ended("file", str(tmp_path / "large"))
    assert found.output == str(errno.EFBIG).encode()
    assert (tmp_path / "large").stat().st_size <= LIMITS["file_bytes"]


def test_open_files() -> None:
    assert ended("open", open_files=32).output == str(errno.EMFILE).encode()


def test_a_crash_is_told_by_its_signal() -> None:
    assert ended("die").code == -signal.SIGABRT
