"""Children of test_sandbox: each meets one limit."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from ropewalk_model import sandbox
from ropewalk_model.sandbox import Limits, Write


def work(limits: Limits, arguments: Sequence[str], write: Write) -> None:
    """What the first argument names."""
    sandbox.confine(limits)
    action = arguments[0]
    if action == "answer":
        print("noise of a library")
        write(" ".join((*arguments[1:], *sorted(os.environ))).encode())
    elif action == "memory":
        try:
            bytearray(limits.memory_bytes + (64 << 20))
        except MemoryError:
            write(b"refused")
    elif action == "spin":
        while True:
            pass
    elif action == "wait":
        write(b"begun")
        signal.pause()
    elif action == "talk":
        while True:
            write(b"x" * 4096)
    elif action == "file":
        try:
            with open(arguments[1], "wb") as file:
                file.write(b"x" * (limits.file_bytes + 1))
        except OSError as error:
            write(str(error.errno).encode())
    elif action == "open":
        kept = []
        try:
            while True:
                kept.append(open("/dev/null", "rb"))  # noqa: SIM115
        except OSError as error:
            write(str(error.errno).encode())
    elif action == "die":
        os.abort()


if __name__ == "__main__":
    sandbox.child(work)
