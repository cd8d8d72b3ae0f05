"""GET /progress: answers of version 1 are read, what is written is read again, and a wrong field is left out alone."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk_contract.documents.progress import Epochs, Progress
from ropewalk_trainer.progress import Progress as TrainerProgress
from tests.contract.samples_of import sample

ROWS = (("Source", "Succeeded", 1000.5, 1001.5), ("Train", "Running", 1002.0, None))


@pytest.mark.parametrize(
    "progress", [Progress(), Progress("Train", ROWS), Progress("Train", ROWS, Epochs(12, 30, 0.0912, 4.2))]
)
def test_progress_is_read_as_it_was_written(progress: Progress) -> None:
    assert Progress.read(progress.document()) == progress


def test_progress_of_version_1_is_read() -> None:
    found = Progress.read(sample("progress"))
    assert found.document() == {"formatVersion": 1, **sample("progress")}
    assert (found.stage, found.epochs, len(found.stages)) == ("Train", Epochs(12, 30, 0.0912, 4.2), 6)


def test_the_trainer_answers_what_the_operator_reads() -> None:
    times = iter(range(1000, 1010))
    told = TrainerProgress(("Source", "Train"), lambda: float(next(times)))
    told.begin("Source")
    told.end("Source", "Succeeded")
    told.begin("Train")
    told.epoch(1, 2, 0.25, 3.0)
    rows = (("Source", "Succeeded", 1000.0, 1001.0), ("Train", "Running", 1002.0, None))
    assert Progress.read(told.document()) == Progress("Train", rows, Epochs(1, 2, 0.25, 3.0))


@pytest.mark.parametrize(
    ("document", "epochs"),
    [
        ({"epoch": 3}, None),
        ({"epoch": 3, "epochs": 2}, None),
        ({"epoch": -1, "epochs": 2}, None),
        ({"epoch": "1", "epochs": 2}, None),
        ({"epoch": 0, "epochs": 2}, Epochs(0, 2)),
        ({"epoch": 1, "epochs": 2, "loss": {"a": 1}, "etaSeconds": "soon"}, Epochs(1, 2)),
        ({"epoch": 1, "epochs": 2, "loss": 0.5, "etaSeconds": 1e9}, Epochs(1, 2, 0.5)),
    ],
)
def test_a_wrong_field_is_left_out_alone(document: dict[str, Any], epochs: Epochs | None) -> None:
    assert Progress.read({"stage": "Train", **document}) == Progress("Train", epochs=epochs)


@pytest.mark.parametrize("document", [None, [], "Train", 3, {"formatVersion": 2, "stage": "Train"}])
def test_what_is_no_object_is_no_progress(document: Any) -> None:
    assert Progress.read(document) == Progress()
