"""Writes docs/reference/ from the code: both resources, all metrics, all conditions and reasons."""
