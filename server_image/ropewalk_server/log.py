"""Logs: one JSON object a line on stderr, constant messages, values in fields, never a request's values."""

from __future__ import annotations

import json
import sys
import time
import traceback


def log(level: str, message: str, **fields: object) -> None:
    """Write one line. `message` is constant text; what varies goes into `fields`."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line = {"time": stamp, "level": level, "message": message, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()


def place(error: BaseException) -> str:
    """An error's type and where it comes from, the innermost places last. Its words may quote what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    return " ".join([type(error).__name__, *places])
