"""Reading of errand.json, the task of a helper job: what is wrong with it is an InvalidSpec of its field."""

from __future__ import annotations

import json
from pathlib import Path

from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.helper_job import HelperJobTask as Task
from ropewalk_contract.documents.helper_job import Retention, moment
from ropewalk_trainer.errors import InvalidSpec

__all__ = ["Retention", "Task", "load", "moment"]
_REMEDY = "the operator writes this file; are operator and trainer image of the same release?"


def load(path: Path) -> Task:
    """The task in that file. InvalidSpec names what is wrong with it."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidSpec(path.name, str(error)[:100], "is the errand's ConfigMap mounted?") from error
    try:
        return Task.read(document)
    except Refused as error:
        raise InvalidSpec(error.field, error.value, f"{error.remedy}; {_REMEDY}") from None
