"""A server process and all that it starts: what it takes, and its end, by process id only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

GRACE_SECONDS = 20.0


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Process:
    """A command in a session of its own, its output in a file."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, folder: Path | None = None) -> None:
        self.log = log
        self.began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def ended(self) -> bool:
        """Whether the first process is gone."""
        return self._process.poll() is not None

    def tree(self) -> list[int]:
        """Ids of the process and its descendants."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (found := _stat(int(entry.name))):
                children.setdefault(int(found[1]), []).append(int(entry.name))
        tree = [self._process.pid]
        for pid in tree:
            tree += children.get(pid, [])
        return tree

    def cpu_seconds(self) -> float:
        """User and system time of all of them so far."""
        ticks = sum(int(found[11]) + int(found[12]) for pid in self.tree() if (found := _stat(pid)))
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """Resident memory, each process's own share of what several share (PSS)."""
        return sum(_pss_kib(pid) for pid in self.tree()) / 1024

    def rss_mib(self) -> float:
        """Resident memory of the first process, what it shares counted whole: its part of the libraries (PSS) grows by
        megabytes when others that have them too come to an end."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")) / 1024

    def stop(self) -> None:
        """SIGTERM, a grace period, then SIGKILL for whatever of the tree is left."""
        known = {pid: found[19] for pid in self.tree() if (found := _stat(pid))}
        if not self.ended:
            self._process.terminate()
        end = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < end and not self.ended:
            time.sleep(0.05)
        for pid in self.tree():
            if found := _stat(pid):
                known[pid] = found[19]
        for pid, started in known.items():
            found = _stat(pid)
            if found and found[19] == started:  # the id has not been given to another process meanwhile
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self._process.wait(10)


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat from the state on: [0] state, [1] parent, [11] utime, [12] stime, [19] start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    found = text.rpartition(")")[2].split()
    return None if found[0] == "Z" else found


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
