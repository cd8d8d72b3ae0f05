"""Logs: one JSON object a line on stderr, constant messages, values in fields, never a request's values."""

from __future__ import annotations

import json
import sys
import time


def log(level: str, message: str, **fields: object) -> None:
    """Write one line. `message` is constant text; what varies goes into `fields`."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line = {"time": stamp, "level": level, "message": message, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
