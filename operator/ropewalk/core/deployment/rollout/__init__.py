"""The rollout of a version: its steps from Pending to Live, or to RolledBack."""
