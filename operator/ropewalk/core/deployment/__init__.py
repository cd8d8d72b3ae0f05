"""Decisions about serving: what pods, which version, how it changes, and what the traffic says."""

from .reads import related, scrapes

__all__ = ["related", "scrapes"]
