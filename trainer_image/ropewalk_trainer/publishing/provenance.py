"""What a model was made from: enough to make it again."""

from __future__ import annotations

import os
import platform
from typing import Any

from ropewalk_contract import wire
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.context import Context


def made_from(context: Context) -> dict[str, Any]:
    """Run, data, hyperparameters, versions of libraries, processor and threads."""
    return {
        "namespace": context.run.namespace,
        "pipeline": context.run.pipeline,
        "pipelineUid": context.run.uid,
        "runId": context.run.run_id,
        "attempt": context.attempt,
        "generation": context.run.generation,
        "trigger": dict(context.run.trigger),
        "dataFingerprint": context.fingerprint,
        "rows": {name: len(rows) for name, rows in context.splits.items()},
        "training": context.training,
        "tensorflow": str(lazy_imports.tensorflow().__version__),
        "python": platform.python_version(),
        "processor": processor(),
        "threads": lazy_imports.processors(),
        "image": os.environ.get(wire.IMAGE_VARIABLE, ""),
    }


def processor() -> str:
    """The processor's model name: another one may round differently."""
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
