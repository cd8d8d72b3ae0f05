"""Types of conditions, and with them every reason (ropewalk_contract.reasons): both are API."""

from __future__ import annotations

from typing import Final

from ropewalk_contract.reasons import *  # noqa: F403

# Types of both resources.
READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"

# Types of a Pipeline.
SUCCEEDED: Final = "Succeeded"
DATA_VALID: Final = "DataValid"
BLESSED: Final = "Blessed"
HALTED: Final = "Halted"
PIPELINE_CONDITIONS: Final = (READY, RECONCILING, STALLED, SUCCEEDED, DATA_VALID, BLESSED, HALTED)

# Types of a ModelDeployment.
AVAILABLE: Final = "Available"
OBSERVED: Final = "Observed"
DATA_DRIFT: Final = "DataDrift"
ROLLED_BACK: Final = "RolledBack"
MODELDEPLOYMENT_CONDITIONS: Final = (READY, AVAILABLE, RECONCILING, STALLED, OBSERVED, DATA_DRIFT, ROLLED_BACK)

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"

STAGES: Final = ("Source", "Validate", "Preprocess", "Train", "Evaluate", "Publish", "SmokeTest")
