"""The two tiers of tests: `make check` runs those that are not marked `slow`, `make test` all.

The mark is derived. A test is slow if it uses a fixture that trains, serves or installs something (SLOW_FIXTURES), if
its module imports a library of HEAVY, or if it lies in a folder of CLUSTERS. Modules of the last two kinds are not even
imported when slow tests are left out: importing TensorFlow alone takes seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.imports import reached

SLOW_FIXTURES = {"published", "zoo", "handlers", "pod"}
"""A trained version; a server of many models; both handlers of the server over them; the volumes of a training run."""
HEAVY = ("tensorflow", "tensorflow_serving", "keras", "tf2onnx", "ropewalk_trainer.lazy_imports")
CLUSTERS = {"cluster", "api_server"}
TOLD = pytest.StashKey[bool]()
HERE = Path(__file__).parent


def slow_module(path: Path) -> bool:
    """Whether all tests of a module are slow."""
    return path.relative_to(HERE).parts[0] in CLUSTERS or any(
        name == heavy or name.startswith(f"{heavy}.") for name in reached(path) for heavy in HEAVY
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave slow modules out when only fast tests run."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return True if collection_path.name.startswith("test_") and slow_module(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow."""
    for item in items:
        if slow_module(item.path) or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail the first fast test that loads TensorFlow after all, in a run without slow tests."""
    if (
        item.config.option.markexpr == "not slow"
        and "tensorflow" in sys.modules
        and not item.session.stash.get(TOLD, False)
    ):
        item.session.stash[TOLD] = True
        pytest.fail("this test is not marked slow and loads TensorFlow: see tests/conftest.py")
