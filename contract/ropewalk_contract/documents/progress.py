"""Progress: the answer of a training container to GET /progress: its stages, and the progress of the one that runs.

Input from a pod. It is shown and decides nothing, so each field that is wrong is left out alone. An answer without
`formatVersion` is of version 1: trainers of earlier releases do not write it. Of another version nothing is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ropewalk_contract.documents.fields import any_text
from ropewalk_contract.documents.results import StageRow, stage_rows

FORMAT_VERSION = 1
MAX_SECONDS = 1e7
MAX_EPOCHS = 10**9


@dataclass(frozen=True, slots=True)
class Epochs:
    """Progress of a training in epochs; `loss` and the seconds that are left are None where they are not known."""

    done: int
    planned: int
    loss: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The stage that runs, empty between two, and the rows of all stages."""

    stage: str = ""
    stages: tuple[StageRow, ...] = ()
    epochs: Epochs | None = None

    def document(self) -> dict[str, Any]:
        """As it is written."""
        document: dict[str, Any] = {
            "formatVersion": FORMAT_VERSION,
            "stage": self.stage or None,
            "stages": [list(row) for row in self.stages],
        }
        if self.epochs is not None:
            document |= {"epoch": self.epochs.done, "epochs": self.epochs.planned}
            if self.epochs.loss is not None:
                document["loss"] = f"{self.epochs.loss:.6g}"
            if self.epochs.seconds_left is not None:
                document["etaSeconds"] = round(self.epochs.seconds_left, 1)
        return document

    @staticmethod
    def read(document: object) -> Progress:
        """Inverse of `document`."""
        found = document if isinstance(document, dict) else {}
        if found.get("formatVersion", FORMAT_VERSION) != FORMAT_VERSION:
            return Progress()
        return Progress(any_text(found.get("stage"), 32), stage_rows(found.get("stages")), _epochs(found))


def _epochs(found: dict[str, Any]) -> Epochs | None:
    done, planned = found.get("epoch"), found.get("epochs")
    if (
        not isinstance(done, int)
        or not isinstance(planned, int)
        or not 0 <= done <= planned <= MAX_EPOCHS
        or planned < 1
    ):
        return None
    try:
        loss: float | None = float(any_text(found.get("loss"), 32))
    except ValueError:
        loss = None
    left = found.get("etaSeconds")
    is_left = isinstance(left, (int, float)) and not isinstance(left, bool) and 0 <= left < MAX_SECONDS
    return Epochs(done, planned, loss, left if is_left else None)
