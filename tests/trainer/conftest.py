"""A pod's volumes for each test, and the example's data."""

from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from tests.trainer.support import Pod


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """An empty pod."""
    return Pod(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def cancer() -> str:
    """The tabular example's CSV."""
    frame = load_breast_cancer(as_frame=True).frame.sample(frac=1.0, random_state=7)
    frame["diagnosis"] = frame.pop("target").map({0: "malignant", 1: "benign"})
    return str(frame.to_csv(index=False))
