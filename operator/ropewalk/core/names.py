"""Deterministic names: what is created follows from what was decided, so that doing it twice is doing it once (D2).

Every name is a valid DNS label of at most 63 characters, because a Job's name becomes a label of its pods.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ropewalk_contract import wire

GROUP = wire.GROUP
PIPELINE_LABEL = f"{GROUP}/pipeline"
MODEL_DEPLOYMENT_LABEL = f"{GROUP}/modeldeployment"
RUN_LABEL = f"{GROUP}/run"
PART_LABEL = f"{GROUP}/part"
ATTEMPT_LABEL = f"{GROUP}/attempt"
HELPER_JOB_LABEL = f"{GROUP}/errand"
MANAGED_BY_LABEL = wire.MANAGED_BY_LABEL
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"

MAX_LENGTH = 63
_OF_HELPER_JOBS = ".errand"
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def digest(value: Any, length: int = 10) -> str:
    """The first `length` hex digits of sha256 over canonical JSON: equal values, equal digest, on any machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def bounded(stem: str, suffix: str = "") -> str:
    """`stem` + `suffix` in at most 63 characters; a stem that has to be cut keeps a digest of its whole self."""
    if len(stem) + len(suffix) <= MAX_LENGTH:
        return stem + suffix
    room = MAX_LENGTH - len(suffix) - 9
    return f"{stem[:room].rstrip('-.')}-{digest(stem, 8)}{suffix}"


def job(uid: str, run: int, part: str, attempt: int) -> str:
    """The Job of one attempt: of the Pipeline's uid, run, part and attempt only, so a namesake never collides."""
    return bounded(f"rw-{digest(uid)}", f"-{run}-{part}-{attempt}")


def run_config(name: str, run: int, spec_hash: str) -> str:
    """The immutable ConfigMap that freezes a run: `<pipeline>-<run>-<hash>`."""
    return bounded(name, f"-{run}-{spec_hash}")


def helper_job_value(name: str) -> str:
    """The value in place of `label_value` on the pod of a helper job, where that one is what others select pods by.

    An autoscaler counts every pod that its Deployment selects. No resource's name has a dot (CRD rule).
    """
    return f"{label_value(name)}{_OF_HELPER_JOBS}"


def children_of(label: str, name: str) -> str:
    """The selector of all that belongs to a resource, its helper jobs' pods included."""
    return f"{label} in ({label_value(name)},{helper_job_value(name)})"


def owner_in(value: str) -> str:
    """The resource's name in a `label_value` or a `helper_job_value`."""
    return value.removesuffix(_OF_HELPER_JOBS)


def label_value(name: str) -> str:
    """The value under which children are found: the name itself where a label can hold it."""
    if len(name) <= MAX_LENGTH and _LABEL_VALUE.fullmatch(name):
        return name
    return bounded(re.sub(r"[^A-Za-z0-9]", "-", name).strip("-")[:50] or "x", f"-{digest(name, 8)}")
