"""Types of conditions. The reasons (`ropewalk_contract.reasons`) can be imported from here too. Both are API."""

from __future__ import annotations

from typing import Final

from ropewalk_contract.reasons import *  # noqa: F403

# Types of both resources.
READY: Final = "Ready"
"""Of a Pipeline: there is a champion. Of a ModelDeployment: predictions are answered."""
RECONCILING: Final = "Reconciling"
"""The operator works towards the spec: a rollout, an upgrade, an import, or a helper job on the store."""
STALLED: Final = "Stalled"
"""Nothing continues until a person changes something. The message names the remedy."""

# Types of a Pipeline.
SUCCEEDED: Final = "Succeeded"
"""Result of the latest run; Unknown while it is in progress."""
DATA_VALID: Final = "DataValid"
"""False if the latest run found an anomaly in the data, also one that it tolerated."""
BLESSED: Final = "Blessed"
"""Result of Evaluate of the latest run."""
HALTED: Final = "Halted"
"""True: too many runs in a row have failed, and triggers start none."""
PIPELINE_CONDITIONS: Final = (READY, RECONCILING, STALLED, SUCCEEDED, DATA_VALID, BLESSED, HALTED)

# Types of a ModelDeployment.
AVAILABLE: Final = "Available"
"""True: as many pods answer predictions as were asked for."""
OBSERVED: Final = "Observed"
"""False if a pod does not answer the operator; numbers in status then stay as they were."""
DATA_DRIFT: Final = "DataDrift"
"""True if the live data have drifted from the training data in enough windows in a row."""
ROLLED_BACK: Final = "RolledBack"
"""True: the wanted version failed and is quarantined; the version before it stays live."""
MODELDEPLOYMENT_CONDITIONS: Final = (READY, AVAILABLE, RECONCILING, STALLED, OBSERVED, DATA_DRIFT, ROLLED_BACK)

STAGES: Final = ("Source", "Validate", "Preprocess", "Train", "Evaluate", "Publish", "SmokeTest")
