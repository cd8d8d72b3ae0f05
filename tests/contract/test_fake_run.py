"""The fake run of tests/core keeps contract C2."""

from __future__ import annotations

from tests.contract.trainer_suite import check_published, check_trained
from tests.core.pipeline_world import published, trained


def test_a_run_that_succeeded() -> None:
    check_trained(trained())
    check_trained(trained("NotBlessed"))


def test_a_version_that_was_published() -> None:
    check_published(published(7))
