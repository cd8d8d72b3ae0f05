"""Tasks, by their names in stored documents. A task is one file and one line in the table below."""

from collections.abc import Mapping

from ropewalk_model.tasks.base import Judged, Task, TrainedTask
from ropewalk_model.tasks.classification import CLASSIFICATION
from ropewalk_model.tasks.named_tensors import NAMED_TENSORS
from ropewalk_model.tasks.regression import REGRESSION
from ropewalk_model.tasks.single_tensor import SINGLE_TENSOR

TRAINED_TASKS: tuple[TrainedTask, ...] = (CLASSIFICATION, REGRESSION)
"""In the order in which messages list their label types."""
TASKS: Mapping[str, Task] = {one.name: one for one in (*TRAINED_TASKS, SINGLE_TENSOR, NAMED_TENSORS)}

__all__ = [
    "CLASSIFICATION",
    "NAMED_TENSORS",
    "REGRESSION",
    "SINGLE_TENSOR",
    "TASKS",
    "TRAINED_TASKS",
    "Judged",
    "Task",
    "TrainedTask",
    "of",
    "of_label",
]


def of(name: str) -> Task:
    """The task of this name. ValueError for a name that is not in the table."""
    found = TASKS.get(name)
    if found is None:
        raise ValueError(f"task {name!r} is none of {', '.join(TASKS)}")
    return found


def of_label(name: str) -> TrainedTask:
    """The task that labels of this feature type belong to. ValueError where there is none."""
    for one in TRAINED_TASKS:
        if one.label_type.name == name:
            return one
    raise ValueError(f"no task has labels of type {name!r}")
