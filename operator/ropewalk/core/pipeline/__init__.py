"""Decisions about runs: when one starts, what becomes of its attempts, who holds the title."""

from .plan import plan
from .reads import peers, related, scrapes

__all__ = ["peers", "plan", "related", "scrapes"]
