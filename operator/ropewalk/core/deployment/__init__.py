"""Decisions about serving: pods, the version that answers, its rollout, and verdicts on the traffic."""

from .case import Case

__all__ = ["Case"]
