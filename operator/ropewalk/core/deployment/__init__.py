"""Decisions about serving: what pods, which version, how it changes, and what the traffic says."""

from .case import Case

__all__ = ["Case"]
