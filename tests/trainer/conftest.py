"""A pod's volumes for each test, and the example's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cancer import cancer_csv
from tests.trainer.support import Pod


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """An empty pod."""
    return Pod(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def cancer() -> str:
    """The tabular example's CSV."""
    return cancer_csv()
