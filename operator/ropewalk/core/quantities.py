"""Kubernetes' quantities and durations, as far as decisions need them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation

from ropewalk_contract.values import Duration, Quantity


def duration(text: str) -> timedelta:
    """`1h30m` as a timedelta. Raises ValueError for anything else."""
    return Duration.parse(text).span


def memory_bytes(amount: str | int) -> int:
    """Bytes of a memory quantity in any of Kubernetes' notations. Raises ValueError for what is none."""
    return Quantity.parse(amount).bytes


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
