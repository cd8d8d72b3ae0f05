"""What a container says when it ends: an exit code, and a termination message of at most 2,048 bytes (C2, D11).

All of it is input from a stranger. What is no such message is none; nothing here raises.
"""

from __future__ import annotations

from typing import Any

from ..strangers import parse

MAX_BYTES = 2048
USER_ERROR, DATA_ERROR, TRY_AGAIN = 64, 65, 75
"""Exit codes of our containers; any other is a crash."""
PERMANENT = frozenset({USER_ERROR, DATA_ERROR})
"""Those after which another attempt would end the same."""


def document(text: str) -> dict[str, Any] | None:
    """The JSON object in a termination message; None for anything longer, broken or of another kind."""
    if not text or len(text.encode(errors="replace")) > MAX_BYTES:
        return None
    try:
        found = parse(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("v") == 1 else None


def word(value: object) -> str:
    """A CamelCase reason; anything else is not one and is empty, since conditions would be rejected for it."""
    found = value if isinstance(value, str) and len(value) <= 64 else ""
    return found if found.isascii() and found.isalnum() and found[:1].isalpha() else ""
