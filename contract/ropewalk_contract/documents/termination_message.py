"""Termination message: the JSON that a container of a Job leaves in its pod's status when it ends, at most 2,048 bytes.

Trainer, helper jobs and smoke test write it in the same way; `results.py` and `helper_job_result.py` have
its forms. Version 1 is `"v": 1`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ropewalk_contract import wire

VERSION = 1
MAX_BYTES = wire.MAX_TERMINATION_BYTES
Shorten = Callable[[dict[str, Any]], dict[str, Any]]


def read(text: str, parse: Callable[[str], Any]) -> Mapping[str, Any] | None:
    """The object in a termination message; None for a text that is longer, broken or of another version.

    `parse` is a parser of JSON that raises ValueError: text of a pod needs a strict one.
    """
    if not text or len(text.encode(errors="replace")) > MAX_BYTES:
        return None
    try:
        found = parse(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("v") == VERSION else None


def encoded(document: Mapping[str, Any]) -> bytes:
    """The document as it is written: UTF-8 (half the bytes of escapes for Chinese), what is no text as `?`."""
    text = json.dumps({"v": VERSION, **document}, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


def fits(document: Mapping[str, Any]) -> bool:
    """The document is within the limit."""
    return len(encoded(document)) <= MAX_BYTES


def fitted(document: Mapping[str, Any], steps: Sequence[Shorten] = ()) -> dict[str, Any]:
    """The document within the limit: `steps` in turn while it is not, and at last its message is cut."""
    found = dict(document)
    for shorten in steps:
        if not fits(found):
            found = shorten(found)
    while not fits(found) and found.get("message"):
        found["message"] = found["message"][: len(found["message"]) * 3 // 4]
    return found


def no_log(document: dict[str, Any]) -> dict[str, Any]:
    """A step: two short lines of the log."""
    return {**document, "log": [line[:100] for line in document.get("log", [])[-2:]]}


def write(document: Mapping[str, Any]) -> None:
    """Write the document, which has to fit, to the file that kubelet reads. Raises OSError."""
    Path(os.environ.get(wire.TERMINATION_LOG_VARIABLE, wire.TERMINATION_LOG)).write_bytes(encoded(document))
