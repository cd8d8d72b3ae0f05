"""Start, search and end of processes of the cluster, by process id and start time, never by name."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tools.localcluster.settings import STATE, ClusterError

PIDS = STATE / "pids"
LOGS = STATE / "logs"


def _start_time(pid: int) -> str | None:
    """The kernel's start time of a process (field 22 of stat), or None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def pid(name: str) -> int | None:
    """The id of the process started under that name, if it is that process and alive."""
    try:
        number, started = (PIDS / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(number) if _start_time(int(number)) == started else None


def start(name: str, command: Sequence[str]) -> None:
    """Start a process detached from the terminal, its output to logs/<name>.log, unless it runs already."""
    if pid(name) is not None:
        return
    PIDS.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=STATE
        )
    (PIDS / name).write_text(f"{process.pid} {_start_time(process.pid)}")
    process.returncode = 0  # it outlives this program: do not warn that it was not waited for


def stop(name: str, seconds: float = 15) -> None:
    """SIGTERM, then SIGKILL after `seconds`; returns when the process is gone."""
    number = pid(name)
    if number is not None:
        os.kill(number, signal.SIGTERM)
        end = time.monotonic() + seconds
        while pid(name) is not None:
            if time.monotonic() > end:
                os.kill(number, signal.SIGKILL)
                end += seconds
            time.sleep(0.05)
    (PIDS / name).unlink(missing_ok=True)


def wait(name: str, what: str, ready: Sequence[str], seconds: float = 60) -> None:
    """Wait until the command `ready` exits 0. ClusterError with the log's end if the process dies or is silent."""
    end = time.monotonic() + seconds
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        if pid(name) is None or time.monotonic() > end:
            log = (LOGS / f"{name}.log").read_text(errors="replace")[-1500:]
            state = "ended" if pid(name) is None else f"is not ready after {seconds:.0f} s"
            raise ClusterError(f"{name} {state} ({what}); the end of {LOGS / name}.log:\n{log}")
        time.sleep(0.1)
