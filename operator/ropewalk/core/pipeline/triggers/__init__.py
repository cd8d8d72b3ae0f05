"""Triggers: the reasons for which a run starts."""
