"""The termination message: what a container of a run says last, at most 2,048 bytes of JSON that kubelet puts into the
pod's status (D11). Trainer, helper jobs and smoke test write it the same way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ropewalk_contract import wire

MOST_BYTES = wire.MAX_TERMINATION_BYTES
Shorten = Callable[[dict[str, Any]], dict[str, Any]]


def encoded(document: Mapping[str, Any]) -> bytes:
    """The document as it is written: UTF-8 (Chinese takes half of what its escapes would), what is no text as `?`."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def fits(document: Mapping[str, Any]) -> bool:
    """Whether it is within the limit."""
    return len(encoded(document)) <= MOST_BYTES


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


def say(document: Mapping[str, Any]) -> None:
    """Write the document, which has to fit, to where kubelet looks for it. Raises OSError."""
    Path(os.environ.get(wire.TERMINATION_LOG_VARIABLE, wire.TERMINATION_LOG)).write_bytes(encoded(document))
