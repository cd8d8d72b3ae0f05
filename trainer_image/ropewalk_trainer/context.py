"""What passes from stage to stage within one process: each stage fills in its part and reads those before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model.features import Encoder
from ropewalk_model.store import ArtifactStore
from ropewalk_trainer.data.table import Table
from ropewalk_trainer.errors import Anomaly
from ropewalk_trainer.progress import Progress
from ropewalk_trainer.run_document import RunDocument, Spec
from ropewalk_trainer.store.layout import RUNS, Store
from ropewalk_trainer.training.trained_model import Trained


@dataclass
class Context:
    """One run in one process."""

    run: RunDocument
    store: Store
    attempt: int
    work: Path
    """The pod's scratch directory, which the smoke test sees too."""
    progress: Progress
    splits: dict[str, Table] = field(default_factory=dict)
    fingerprint: str = ""
    source_rows: int = 0
    found: list[Anomaly] = field(default_factory=list)
    """What Source noticed; Validate judges it."""
    anomalies: list[Anomaly] = field(default_factory=list)
    """What is tolerated and reported."""
    classes: tuple[str, ...] = ()
    encoder: Encoder | None = None
    encoded: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    trained: Trained | None = None
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    blessing: str = reasons.NOT_EVALUATED
    reasons: list[str] = field(default_factory=list)
    candidate: Path | None = None
    skip: tuple[str, str] | None = None
    """Reason and message why nothing more is to be done; the run ends well without a version."""

    @property
    def spec(self) -> Spec:
        """The frozen spec."""
        return self.run.spec

    @property
    def examples(self) -> int:
        """How many rows every engine has to answer as training did."""
        return int((self.run.raw["spec"].get("smokeTest") or {}).get("examples") or 10)

    @property
    def files(self) -> ArtifactStore:
        """All that the store has of this Pipeline."""
        return self.store.files

    def path(self, name: str) -> str:
        """The path in `files` of what this run keeps under the name."""
        return f"{RUNS}/{self.run.run_id}/{name}"

    def targets(self, split: str) -> NDArray[Any]:
        """Labels of a split as the network takes them: class indices, or float32 values."""
        return self.spec.label.task.targets(self.splits[split].labels, self.classes)
