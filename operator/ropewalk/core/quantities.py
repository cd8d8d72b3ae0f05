"""Kubernetes' quantities and durations, as far as decisions need them."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?")


def duration(text: str) -> timedelta:
    """`1h30m` as a timedelta. Raises ValueError for anything else."""
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"not a duration: {text!r}")
    return timedelta(seconds=sum(float(n) * _SECONDS[u] for n, u in parts))


def memory(text: str) -> int:
    """Bytes of a memory quantity. Raises ValueError for what is none."""
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not an amount of memory: {text!r}")
    return int(Decimal(found[1]) * _BYTES[found[2] or ""])


def raised_memory(limit: str, factor: str, maximum: str) -> str | None:
    """`limit` times `factor`, at most `maximum`, in whole Mi; None when that is no more than it was."""
    try:
        wanted = int(memory(limit) * Decimal(factor))
    except (InvalidOperation, ValueError):
        return None
    amount = min(wanted, memory(maximum))
    return f"{math.floor(amount / 2**20)}Mi" if amount > memory(limit) else None


def words(span: timedelta) -> str:
    """A span as people say it: `45s`, `3m20s`, `2h5m`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    return f"{seconds // 3600}h{seconds % 3600 // 60}m"
