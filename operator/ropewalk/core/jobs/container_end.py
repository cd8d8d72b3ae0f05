"""The end of a container: its exit code in words, and its termination message, parsed or None (C2, D11)."""

from __future__ import annotations

from typing import Any

from ropewalk_contract import wire
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.fields import any_word as word

from ..untrusted_json import parse

__all__ = ["DATA_ERROR", "PERMANENT", "TRY_AGAIN", "USER_ERROR", "document", "ended", "word"]

USER_ERROR, DATA_ERROR, TRY_AGAIN = wire.EXIT_USER, wire.EXIT_DATA, wire.EXIT_AGAIN
PERMANENT = wire.EXIT_PERMANENT

_KILLED = {
    126: "could not be started: its command is no program for this node",
    127: "could not be started: its image has no such command",
    132: "died of an instruction that the node's processor does not have",
    134: "gave up in native code",
    135: "died of a file or memory that was gone while it was read",
    136: "died of an impossible division in native code",
    137: "was killed: its node was out of memory, or it did not stop when it was told to",
    139: "died of a fault in native code",
    143: "was told to stop before it had ended",
}
"""What it means that a process ended with such a code where it had no word for it: from 129 on, of a signal."""


def ended(code: int | None) -> str:
    """What an exit code says of whom it is the last thing known, as the rest of a sentence about it."""
    if code is None:
        return "ended without an exit code"
    return f"{_KILLED[code]} (exit code {code})" if code in _KILLED else f"ended with exit code {code}"


def document(text: str) -> dict[str, Any] | None:
    """The JSON object in a termination message; None for anything longer, broken or of another kind."""
    found = termination_message.read(text, parse)
    return None if found is None else dict(found)
