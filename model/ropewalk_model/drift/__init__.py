"""Comparison of live traffic with the baseline: distance, significance and verdict, as pure functions of counts."""

from .psi import psi
from .significance import SIGNIFICANCE, chi2_pvalue
from .verdict import DriftVerdict, FeatureDrift, State, verdict

__all__ = ["SIGNIFICANCE", "DriftVerdict", "FeatureDrift", "State", "chi2_pvalue", "psi", "verdict"]
