"""Ports, paths, names and limits that two programs have to agree on; no product code elsewhere has a literal of them.

`tests/contract/test_wire.py` holds that, and compares the manifests. Imports without pydantic.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# The API group and the names that objects of the cluster carry.
GROUP: Final = "ropewalk.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "ropewalk.dev/v1alpha1"
MODELDEPLOYMENTS: Final = "modeldeployments"
PREDICT: Final = "predict"
"""Subresource of a ModelDeployment: a caller needs the verb `create` on it with `authentication.type: Kubernetes`."""
NAME_LABEL: Final = "app.kubernetes.io/name"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "ropewalk"
SERVER_NAME: Final = "ropewalk-server"
"""Value of NAME_LABEL of servers."""
NUDGE_ANNOTATION: Final = "ropewalk.dev/nudge"
"""Annotation of a server's pod, the one field of a pod that the operator changes: kubelet then updates its volumes."""
ADOPT_STORE_ANNOTATION: Final = "ropewalk.dev/adopt-store"
"""Annotation of a Pipeline, `"true"`: the Pipeline may take over a store that bears the uid of another one."""

# Commands of the images, and containers of a Job's pod.
TRAIN_PROGRAM: Final = "ropewalk-train"
RUN_COMMAND: Final = "run"
HELPER_JOB_COMMAND: Final = "errand"
SERVE_PROGRAM: Final = "ropewalk-serve"
SERVE_COMMAND: Final = "serve"
SMOKE_TEST_COMMAND: Final = "smoke-test"
TRAIN_CONTAINER: Final = "train"
SMOKE_TEST_CONTAINER: Final = "smoke-test"
HELPER_JOB_CONTAINER: Final = "errand"
SERVER_CONTAINER: Final = "server"

# Ports.
GRPC_PORT: Final = 8500
HTTP_PORT: Final = 8501
ADMIN_PORT: Final = 8502
"""Port of a server for kubelet, the operator and Prometheus."""
PROGRESS_PORT: Final = 8090
"""Port of a training pod."""
OPERATOR_PORT: Final = 8080
"""Port of the operator for kubelet and Prometheus."""

# Paths of HTTP.
HEALTH_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"
METRICS_PATH: Final = "/metrics"
STATUS_PATH: Final = "/status"
WINDOWS_PATH: Final = "/windows"
BASELINE_PATH: Final = "/baseline"
PROGRESS_PATH: Final = "/progress"

# Volumes: folders below ROOT, which the operator mounts, and files in them.
ROOT: Final = "/ropewalk"
RUN_FOLDER: Final = "run"
"""The ConfigMap of a run or of a helper job."""
WORK_FOLDER: Final = "work"
"""Scratch space that the containers of a run's pod share."""
CLAIMS_FOLDER: Final = "claims"
CONFIG_MAPS_FOLDER: Final = "configmaps"
ROUTES_FOLDER: Final = "routes"
STATE_FOLDER: Final = "state"
"""Scratch space of a server that outlives its process."""
TOKENS_FOLDER: Final = "tokens"
TLS_FOLDER: Final = "tls"
FEEDBACK_FOLDER: Final = "feedback"
IDENTITY_FOLDER: Final = "identity"
"""A token for the API server, and the authority of its certificate."""
TOKEN_FILE: Final = "token"
AUTHORITY_FILE: Final = "ca.crt"
RUN_FILE: Final = "run.json"
HELPER_JOB_FILE: Final = "errand.json"
PUBLISH_FILE: Final = "publish.json"
"""Task of the smoke test, which the trainer leaves in WORK_FOLDER."""
ROUTES_FILE: Final = "routes.json"
TERMINATION_LOG: Final = "/dev/termination-log"

# Schemes of uris.
CLAIM_SCHEME: Final = "pvc"
CONFIG_MAP_SCHEME: Final = "configmap"

# Environment.
ROOT_VARIABLE: Final = "ROPEWALK_ROOT"
TERMINATION_LOG_VARIABLE: Final = "ROPEWALK_TERMINATION_LOG"
IMAGE_VARIABLE: Final = "ROPEWALK_IMAGE"
"""Image of the container, for the provenance of a model."""
ATTEMPT_VARIABLE: Final = "ROPEWALK_ATTEMPT"
PROGRESS_PORT_VARIABLE: Final = "ROPEWALK_PROGRESS_PORT"
MODEL_VARIABLE: Final = "ROPEWALK_MODEL"
POD_VARIABLE: Final = "POD_NAME"
AUTHENTICATION_VARIABLE: Final = "ROPEWALK_AUTHENTICATION"
NAMESPACE_VARIABLE: Final = "ROPEWALK_NAMESPACE"
AUDIENCE_VARIABLE: Final = "ROPEWALK_AUDIENCE"
TLS_VARIABLE: Final = "ROPEWALK_TLS"
FEEDBACK_VARIABLE: Final = "ROPEWALK_FEEDBACK"
FEEDBACK_KEY_VARIABLE: Final = "ROPEWALK_FEEDBACK_KEY"
HTTP_PORT_VARIABLE: Final = "ROPEWALK_HTTP_PORT"
GRPC_PORT_VARIABLE: Final = "ROPEWALK_GRPC_PORT"
ADMIN_PORT_VARIABLE: Final = "ROPEWALK_MONITORING_PORT"
TRAINER_IMAGE_VARIABLE: Final = "ROPEWALK_TRAINER_IMAGE"
SERVER_IMAGE_VARIABLE: Final = "ROPEWALK_SERVER_IMAGE"
SERVER_TF_IMAGE_VARIABLE: Final = "ROPEWALK_SERVER_TF_IMAGE"

# Exit codes of the containers of a Job; every other code is a crash.
EXIT_UNKNOWN: Final = 1
EXIT_NEEDS_TENSORFLOW: Final = 3
"""The smoke test has to run once more, in the server's image with TensorFlow."""
EXIT_USER: Final = 64
"""An error of the user (EX_USAGE of sysexits.h): another attempt would end the same."""
EXIT_DATA: Final = 65
"""An error of the data (EX_DATAERR): another attempt would end the same."""
EXIT_AGAIN: Final = 75
"""The surroundings failed (EX_TEMPFAIL): another attempt may help."""
EXIT_PERMANENT: Final = frozenset({EXIT_USER, EXIT_DATA})

# Bounds.
MAX_TERMINATION_BYTES: Final = 2048
"""Longest termination message. Kubelet keeps 4,096 bytes a container and 12,288 a pod."""
MAX_CONFIG_MAP_BYTES: Final = 1 << 20
"""Largest ConfigMap (validation of the API server)."""
WINDOW_BUCKETS: Final = 1500
"""Most buckets in an answer to GET /windows: a day of minutes and a reserve."""


def root() -> Path:
    """Folder below which the pod's volumes are mounted; the variable ROPEWALK_ROOT moves it."""
    return Path(os.environ.get(ROOT_VARIABLE, ROOT))
