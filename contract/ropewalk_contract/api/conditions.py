"""Types and reasons of conditions: they are API, so every one stands here and nowhere else."""

from __future__ import annotations

from typing import Final

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

# Reasons of both resources.
INVALID_SPEC: Final = "InvalidSpec"
NAME_TAKEN: Final = "NameTaken"
REJECTED: Final = "Rejected"
PENDING: Final = "Pending"
PROGRESSING: Final = "Progressing"
RECONCILED: Final = "Reconciled"
UNSCHEDULABLE: Final = "Unschedulable"
POD_NOT_CREATED: Final = "PodNotCreated"
IMAGE_PULL_FAILED: Final = "ImagePullFailed"
CONTAINER_CREATE_FAILED: Final = "ContainerCreateFailed"
VOLUME_NOT_FOUND: Final = "VolumeNotFound"
CONFIG_MAP_NOT_FOUND: Final = "ConfigMapNotFound"
QUOTA_EXCEEDED: Final = "QuotaExceeded"
ADMISSION_DENIED: Final = "AdmissionDenied"
OUT_OF_MEMORY: Final = "OutOfMemory"
CRASHED: Final = "Crashed"

# A Pipeline and its runs.
NO_CHAMPION: Final = "NoChampion"
CHAMPION_READY: Final = "ChampionReady"
RUNNING: Final = "Running"
RUN_SUCCEEDED: Final = "RunSucceeded"
RUN_FAILED: Final = "RunFailed"
USER_ERROR: Final = "UserError"
DATA_ERROR: Final = "DataError"
TIMED_OUT: Final = "TimedOut"
STARTUP_TIMED_OUT: Final = "StartupTimedOut"
DISRUPTED: Final = "Disrupted"
SUPERSEDED: Final = "Superseded"
NOT_BLESSED: Final = "NotBlessed"
NOT_EVALUATED: Final = "NotEvaluated"
BLESSED_REASON: Final = "Blessed"
BASELINE_UNUSABLE: Final = "BaselineUnusable"
AWAITING_PROMOTION: Final = "AwaitingPromotion"
PROMOTED: Final = "Promoted"
TOO_MANY_FAILURES: Final = "TooManyFailures"
DRIFT_UNCURED: Final = "DriftUncured"
STORE_OWNED_BY_ANOTHER: Final = "StoreOwnedByAnother"
RESULT_UNREADABLE: Final = "ResultUnreadable"
SMOKE_TEST_FAILED: Final = "SmokeTestFailed"

# Anomalies of the data, named by Source and Validate.
SOURCE_NOT_FOUND: Final = "SourceNotFound"
EMPTY_SOURCE: Final = "EmptySource"
MISSING_COLUMN: Final = "MissingColumn"
WRONG_TYPE: Final = "WrongType"
MIN_ROWS: Final = "MinRows"
ROWS_CHANGED: Final = "RowsChanged"
UNKNOWN_CATEGORY: Final = "UnknownCategory"
NAN_LABEL: Final = "NaNLabel"
SINGLE_CLASS_LABEL: Final = "SingleClassLabel"
OUT_OF_RANGE: Final = "OutOfRange"
MISSING_VALUES: Final = "MissingValues"
NEW_COLUMN: Final = "NewColumn"
VALID: Final = "Valid"

# A ModelDeployment.
PIPELINE_NOT_FOUND: Final = "PipelineNotFound"
WAITING_FOR_CHAMPION: Final = "WaitingForChampion"
VERSION_NOT_FOUND: Final = "VersionNotFound"
LOADING: Final = "Loading"
NOT_IMPORTED: Final = "NotImported"
IMPORTING: Final = "Importing"
FORBIDDEN_OP: Final = "ForbiddenOp"
NO_SIGNATURE: Final = "NoSignature"
UNSUPPORTED_SIGNATURE: Final = "UnsupportedSignature"
UNSUPPORTED_MODEL: Final = "UnsupportedModel"
DIGEST_MISMATCH: Final = "DigestMismatch"
SERVING: Final = "Serving"
NOT_READY: Final = "NotReady"
QUARANTINED: Final = "Quarantined"
CRASHED_WHILE_LOADING: Final = "CrashedWhileLoading"
TAMPERED_MODEL: Final = "TamperedModel"
ALL_READY: Final = "AllReady"
PODS_MISSING: Final = "PodsMissing"
UPGRADING: Final = "Upgrading"
UPGRADE_PENDING: Final = "UpgradePending"
SCALED_TO_ZERO: Final = "ScaledToZero"
UNREACHABLE: Final = "Unreachable"
NOT_SCALING: Final = "NotScaling"
WINDOW_CLOSED: Final = "WindowClosed"
DRIFTED: Final = "Drifted"
STABLE: Final = "Stable"
INCONCLUSIVE: Final = "Inconclusive"
UNKNOWN_FEATURE: Final = "UnknownFeature"

STAGES: Final = ("Source", "Validate", "Preprocess", "Train", "Evaluate", "Publish", "SmokeTest")
