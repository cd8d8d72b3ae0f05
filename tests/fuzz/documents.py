"""JSON documents with a few values that nobody expects there."""

from __future__ import annotations

import copy
import math
from typing import Any

from hypothesis import strategies as st

STRANGE: list[Any] = [
    None, True, False, 0, 1, -1, 0.5, 1e308, -0.0, math.nan, math.inf, 2**31, 2**63, 10**400, "", "x", "NaN", "1",
    "\x00", "\ud800", "é" * 3000, "9" * 400, "../..", "ropewalk.dev/x", [], [None], [[]], [1] * 3000, {}, {"": {}},
    {"version": 1}, {"start": "now"},
]  # fmt: skip


def places(document: Any) -> list[list[Any]]:
    """Ways from the root to every value in it."""
    found: list[list[Any]] = [[]]
    if isinstance(document, dict):
        found += [[key, *rest] for key, value in document.items() for rest in places(value)]
    elif isinstance(document, list):
        found += [[index, *rest] for index, value in enumerate(document[:8]) for rest in places(value)]
    return found


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with one to four values replaced, left out or doubled."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        way = draw(st.sampled_from(places(found)))
        if not way:
            if draw(st.integers(0, 20)) == 0:
                return draw(st.sampled_from(STRANGE))
            continue
        holder = found
        for key in way[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "double"])):
            case "remove":
                del holder[way[-1]]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[way[-1]]))
            case _:
                holder[way[-1]] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
    return found
