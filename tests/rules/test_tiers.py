"""The tier of a test module follows from what it imports and where it lies (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import slow_module
from tests.imports import reached

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cluster/test_crash.py", True),  # a cluster
        ("api_server/test_crds.py", True),
        ("server/test_tensorflow_engine.py", True),  # imports TensorFlow itself
        ("fuzz/test_decoders.py", True),  # by a helper
        ("server/test_http2.py", False),
        ("core/test_deployment.py", False),
    ],
)
def test_modules_that_need_tensorflow_or_a_cluster_are_slow(name: str, expected: bool) -> None:
    """In every file of the folder, or by the imports of the file and of its helpers."""
    assert slow_module(TESTS / name) is expected


def test_imports_of_helpers_count() -> None:
    """tests/fuzz/test_decoders.py reaches the libraries of tests/fuzz/seeds.py."""
    assert "tensorflow" in reached(TESTS / "fuzz" / "test_decoders.py")
