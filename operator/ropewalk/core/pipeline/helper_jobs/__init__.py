"""Helper jobs of a Pipeline: work on its store outside a run (Recover, Sweep)."""
