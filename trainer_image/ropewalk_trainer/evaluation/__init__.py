"""Evaluation: metrics, and the paired comparison with the champion."""
