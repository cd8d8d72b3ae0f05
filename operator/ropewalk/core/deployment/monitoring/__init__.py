"""Verdicts about live traffic: rates, drift, quality by labels."""
