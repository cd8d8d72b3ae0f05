"""Decisions about serving: what pods, which version, how it changes, and what the traffic says."""

from .plan import plan
from .reads import peers, related, scrapes

__all__ = ["peers", "plan", "related", "scrapes"]
