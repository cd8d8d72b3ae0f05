"""Observations of the server pods: their state, their windows of traffic, and the totals of these."""
