"""Kubernetes' quantities and durations, as far as decisions need them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from ropewalk_contract.api.common import parse_quantity

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> timedelta:
    """`1h30m` as a timedelta. Raises ValueError for anything else."""
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"not a duration: {text!r}")
    return timedelta(seconds=sum(float(n) * _SECONDS[u] for n, u in parts))


def memory_bytes(amount: str | int) -> int:
    """Bytes of a memory quantity in any of Kubernetes' notations. Raises ValueError for what is none."""
    return int(parse_quantity(amount))


def raised_memory(limit: str, factor: str, maximum: str) -> str | None:
    """`limit` times `factor`, at most `maximum`, in whole Mi; None when that is no more than it was."""
    try:
        wanted = min(int(memory_bytes(limit) * Decimal(factor)), memory_bytes(maximum)) // 2**20
        return f"{wanted}Mi" if wanted * 2**20 > memory_bytes(limit) else None
    except (InvalidOperation, ValueError):
        return None


def words(span: timedelta) -> str:
    """A span as people say it: `45s`, `3m20s`, `2h5m`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    return f"{seconds // 3600}h{seconds % 3600 // 60}m"
