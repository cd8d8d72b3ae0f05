"""Decisions about runs: when one starts, what becomes of its attempts, which version is the champion."""

from .case import Case

__all__ = ["Case"]
