"""One helper job, from errand.json to the termination message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ropewalk_contract import reasons
from ropewalk_contract.documents.helper_job import IMPORT, RECOVER, SWEEP
from ropewalk_contract.documents.helper_job_result import HelperJobResult
from ropewalk_contract.documents.results import FAILED, SUCCEEDED
from ropewalk_model.store import Damaged
from ropewalk_trainer.errors import InvalidSpec, RunFailure, UserError
from ropewalk_trainer.helper_jobs import import_model, recover, sweep, task
from ropewalk_trainer.helper_jobs.failures import of_store
from ropewalk_trainer.helper_jobs.report import Report, fitted
from ropewalk_trainer.helper_jobs.task import Task

log = logging.getLogger(__name__)

HELPER_JOBS: Mapping[str, Callable[[Task], Report]] = {
    RECOVER: recover.run,
    SWEEP: sweep.run,
    IMPORT: import_model.run,
}
"""Each takes the task and reports; RunFailure or OSError if it could do nothing."""


def run(path: Path) -> tuple[dict[str, Any], int]:
    """Do what the document at `path` says: the termination message, within its limit, and the exit code."""
    kind = ""
    try:
        found = task.load(path)
        kind = found.type
        if kind not in HELPER_JOBS:
            raise InvalidSpec("type", kind, f"this trainer knows {', '.join(HELPER_JOBS)}; use the operator's release")
        report = HELPER_JOBS[kind](found)
    except RunFailure as error:
        report = Report(error.reason, error.message, failure=error)
    except OSError as error:
        failure = of_store(error)
        report = Report(failure.reason, failure.message, failure=failure)
    except Damaged as error:
        failure = UserError(reasons.STORE_UNREADABLE, f"{error}; remove it, or restore what Ropewalk wrote")
        report = Report(failure.reason, failure.message, failure=failure)
    except Exception as error:  # A bug of ours: the user still gets its name.
        log.exception("the errand crashed")
        failure = RunFailure(reasons.CRASHED, f"{type(error).__name__}: {error}")
        report = Report(failure.reason, failure.message, failure=failure)
    return _document(kind, report), report.failure.exit_code if report.failure else 0


def _document(kind: str, report: Report) -> dict[str, Any]:
    said = report.failure or report
    outcome = FAILED if report.failure else SUCCEEDED
    log.log(logging.ERROR if report.failure else logging.INFO, "%s: %s: %s", kind, said.reason, said.message)
    return fitted(HelperJobResult(kind, outcome, said.reason, said.message[:600], report.content).document())
