"""Decisions about serving: what pods, which version, how it changes, and what the traffic says."""

from .plan import plan
from .reads import related, scrapes

__all__ = ["plan", "related", "scrapes"]
