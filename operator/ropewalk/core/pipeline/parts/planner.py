"""A run's frozen plan: what it was asked to do, and the Job that does it, fixed before anything starts (D15).

`run.json` is the trainer's (C2). `plan.json` is the operator's own: the Job body of every attempt is derived from the
one in it, so that an operator of another version finishes a run as the version that planned it would have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ropewalk.core import names
from ropewalk.core.objects import metadata, name_of, of_kind
from ropewalk.core.plan import Json
from ropewalk_contract import wire
from ropewalk_contract.api.pipeline import PipelineSpec
from ropewalk_contract.documents.run import Champion, RunTask

from ..state import PART, Run
from ..triggers.trigger import annotation
from . import job

FORMAT_VERSION = 1
ADOPT_STORE = wire.ADOPT_STORE_ANNOTATION
"""Annotation, `"true"`: this Pipeline may take over a store that bears the uid of another (D4)."""
NOT_PART_OF_A_RUN = ("suspend", "promotion", "triggers", "concurrencyPolicy", "stopAfterFailures")
"""Fields that decide when to run or what becomes of the result: editing them starts no run."""


def spec_document(spec: PipelineSpec) -> dict[str, Any]:
    """The spec as JSON, defaults filled in."""
    document: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return document


def spec_hash(spec: PipelineSpec) -> str:
    """Digest of what a run depends on; a generation with the same digest asks for no new run.

    Defaults are no part of it, so that an operator that knows one field more does not train everything again.
    """
    document = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document["artifacts"].pop("keep", None)
    return names.digest({k: v for k, v in document.items() if k not in NOT_PART_OF_A_RUN})


def problem(spec: PipelineSpec) -> str:
    """What keeps every run of this spec from succeeding, beyond what the schema can say; empty when nothing does.

    CEL could compare 512 names with each other only at a cost that the API server does not allow.
    """
    seen: dict[str, str] = {}
    for feature in spec.schema_.features:
        other = seen.setdefault(feature.name.lower(), feature.name)
        if other != feature.name:
            return (
                f"schema.features: {other!r} and {feature.name!r} differ in upper and lower case only, "
                "which TensorFlow cannot save; rename one, the data's name goes into `column`"
            )
    return ""


def run_document(owner: Json, spec: PipelineSpec, run: Run, champion: Json | None) -> dict[str, Any]:
    """`run.json` of C2."""
    meta = metadata(owner)
    before = champion or {}
    digest, fingerprint = before.get("digest"), before.get("dataFingerprint")
    return RunTask(
        namespace=str(meta.get("namespace", "")),
        pipeline=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        run_id=run.id,
        generation=run.generation,
        trigger=run.trigger,
        trigger_reason=run.reason,
        spec=spec_document(spec),
        champion=Champion(int(before.get("version") or 0), str(before.get("uri") or ""), digest, fingerprint)
        if champion
        else None,
        adopt_store=annotation(owner, ADOPT_STORE) == "true",
    ).document()


def config_name(owner: Json, run: Run) -> str:
    """The name of the run's ConfigMap; the uid is in it, so that a namesake's never counts as ours."""
    return names.run_config(name_of(owner), run.id, names.digest([metadata(owner).get("uid", ""), run.spec_hash]))


def config_map(owner: Json, run: Run, document: Json, template: Json) -> dict[str, Any]:
    """The immutable ConfigMap with both documents."""
    plan = {"formatVersion": FORMAT_VERSION, "job": template}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": config_name(owner, run),
            "namespace": metadata(owner).get("namespace", ""),
            "labels": job.labels(owner, run.id),
            "ownerReferences": [job.owner_reference(owner)],
        },
        "immutable": True,
        "data": {
            wire.RUN_FILE: json.dumps(document, sort_keys=True, indent=1),
            "plan.json": json.dumps(plan, sort_keys=True, separators=(",", ":")),
        },
    }


def frozen(children: Iterable[Json], config: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(`run.json`, Job template) of the ConfigMap of that name; None when there is none that can be read."""
    found = next((c for c in of_kind(children, "ConfigMap") if name_of(c) == config), None)
    if found is None:
        return None
    data = found.get("data") or {}
    try:
        return json.loads(data[wire.RUN_FILE]), json.loads(data["plan.json"])["job"]
    except (KeyError, TypeError, ValueError):
        return None


def job_name(owner: Json, run: Run) -> str:
    """The Job of the run's current attempt."""
    return names.job(str(metadata(owner).get("uid", "")), run.id, PART, run.attempt)
