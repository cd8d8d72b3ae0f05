"""JSON that a pod made. What it says is stored in a status in the end, so it must be JSON that anybody can read."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


def parse(text: str | bytes) -> Any:
    """The value, by RFC 8259 to the letter: no NaN, no half of a surrogate pair, 200 levels. Raises ValueError.

    Python's own json takes all of these, and writes them where the API server then refuses the whole status.
    """
    return from_json(text, allow_inf_nan=False)
