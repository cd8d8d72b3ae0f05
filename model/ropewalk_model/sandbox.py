"""One child process with limits, for work on files of unknown origin: a crash or an endless loop ends the child alone.

The parent calls `run`, which starts `python -m MODULE LIMITS ARGUMENT...` and reads its standard output. The module
calls `child` in its `__main__` part; its work begins with trusted imports, then `confine`, then the untrusted files.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Write = Callable[[bytes], object]
INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
"""Environment names that every child gets, of those that are set: no secret is among them."""


@dataclass(frozen=True)
class Limits:
    """The limits of a child. Those of address space, CPU time and files hold from `confine` on."""

    memory_bytes: int
    """Of address space, beyond what the child has at `confine`."""
    cpu_seconds: int
    """Of CPU time, the imports before `confine` included."""
    wall_seconds: float
    """From the start to the end."""
    output_bytes: int
    """Of standard output."""
    file_bytes: int = 0
    """Of a file that it writes."""
    open_files: int = 1024
    """File descriptors at a time."""


@dataclass(frozen=True)
class Ended:
    """A child that ended: `code` is negative for a signal, as of subprocess; `output` has at most one byte too many."""

    code: int
    output: bytes
    timed_out: bool
    """It was killed after `wall_seconds`."""
    overflowed: bool
    """It was killed because it wrote more than `output_bytes`."""


def run(
    module: str,
    arguments: Sequence[str],
    limits: Limits,
    *,
    inherit: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    log: bool = False,
) -> Ended:
    """Run the module in a child until it ends or a limit ends it.

    `inherit`: further environment names that it gets, `environment`: values for it alone; `log`: its standard error is
    this process' own, else it is lost.
    """
    given = {name: os.environ[name] for name in (*INHERITED, *inherit) if name in os.environ}
    given |= {"MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
    command = [sys.executable, "-m", module, json.dumps(asdict(limits)), *arguments]
    timed_out = threading.Event()
    with subprocess.Popen(
        command,
        env=given,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if log else subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None

        def expire() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(limits.wall_seconds, expire)
        timer.start()
        try:
            output = process.stdout.read(limits.output_bytes + 1)
            overflowed = len(output) > limits.output_bytes
            if overflowed:
                process.kill()
            process.stdout.close()
            process.wait()
        finally:
            timer.cancel()
            process.kill()
    return Ended(process.returncode, output, timed_out.is_set(), overflowed)


def child(work: Callable[[Limits, Sequence[str], Write], None]) -> None:
    """The `__main__` part of a module that `run` starts: `work(limits, arguments, write)`, then the end of the process.

    `write` writes to the parent; all else that prints to standard output goes to standard error.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work(Limits(**json.loads(sys.argv[1])), sys.argv[2:], out.write)
    out.flush()
    os._exit(0)  # no thread of a library may hold the end up


def confine(limits: Limits) -> None:
    """Set the limits of this process, for good."""
    for limit, value in (
        (resource.RLIMIT_AS, _address_space() + limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def _address_space() -> int:
    found = re.search(r"^VmSize:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
