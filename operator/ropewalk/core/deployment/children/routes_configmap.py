"""The ConfigMap that tells servers what to hold and what is live. It follows from the revision reserved in status."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ropewalk.core import untrusted_json
from ropewalk.core.plan import Json
from ropewalk_contract import wire
from ropewalk_contract.api.modeldeployment import ModelDeployment
from ropewalk_contract.documents import routes as routes_document
from ropewalk_contract.documents.routes import Batching, RequestLimits, Route

from .. import spec as specs
from ..state import Routes
from ..versions import get
from .workload import metadata, routes_name

KEY = wire.ROUTES_FILE


def config_map(resource: ModelDeployment, routes: Routes) -> dict[str, Any]:
    """The body for a revision: the same bytes from every operator that read the same status."""
    told = replace(
        _settings(resource),
        revision=routes.revision,
        model=resource.metadata.name,
        pilot=routes.pilot,
        live=routes.live,
        retry=routes.retry,
        versions=tuple(Route(one.served, one.path, one.manifest_digest, one.digest or "") for one in routes.versions),
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(resource, routes_name(resource)),
        "data": {KEY: json.dumps(told.document(), sort_keys=True)},
    }


def settings(resource: ModelDeployment) -> dict[str, Any]:
    """The part of the routes that follows from the spec alone; a change of it takes a new revision too."""
    return _settings(resource).settings()


def _settings(resource: ModelDeployment) -> routes_document.Routes:
    return routes_document.Routes(
        revision=0,
        bucket_seconds=specs.bucket_seconds(resource.spec.monitor),
        engine=resource.spec.serving.engine,
        limits=RequestLimits.read(specs.limits_document(resource.spec.serving.limits)),
        batching=Batching.read(specs.batching_document(resource.spec.serving)),
    )


def observed_routes(config: Json | None) -> routes_document.Routes | None:
    """The routes in an observed ConfigMap; None if there are none that can be read."""
    try:
        return routes_document.Routes.read_stored(untrusted_json.parse(get(config, "data", KEY) or "null"))
    except (ValueError, TypeError):
        return None
