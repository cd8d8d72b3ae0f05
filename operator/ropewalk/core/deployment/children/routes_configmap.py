"""The ConfigMap that tells servers what to hold and what is live. It follows from the revision reserved in status."""

from __future__ import annotations

import json
from typing import Any

from ropewalk.core.plan import Json
from ropewalk_contract import wire

from ..state import Routes
from ..versions import get, number_in, uri_of
from ..wishes import Wishes
from .workload import metadata, routes_name

KEY = wire.ROUTES_FILE


def config_map(wishes: Wishes, routes: Routes) -> dict[str, Any]:
    """The body for a revision: the same bytes from every operator that read the same status."""
    document = {
        "formatVersion": 1,
        "revision": routes.revision,
        "model": wishes.name,
        "pilot": routes.pilot,
        "live": routes.live,
        "versions": [
            {
                "version": version.served,
                "path": version.path,
                "manifestDigest": version.manifest_digest,
                "digest": version.digest or "",
            }
            for version in routes.versions
        ],
        **({"retry": routes.retry} if routes.retry else {}),
        **settings(wishes),
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wishes, routes_name(wishes)),
        "data": {KEY: json.dumps(document, sort_keys=True)},
    }


def settings(wishes: Wishes) -> dict[str, Any]:
    """The part of the routes that is the spec's; a change of it takes a new revision too."""
    return {
        "bucketSeconds": wishes.monitoring.bucket_seconds,
        "engine": wishes.engine,
        "limits": dict(wishes.limits),
        **({"batching": dict(wishes.batching)} if wishes.batching else {}),
    }


def observed_routes(config: Json | None) -> dict[str, Any] | None:
    """The routes document in an observed ConfigMap, with uris; None if there is none that can be read."""
    try:
        document = json.loads(get(config, "data", KEY) or "null")
        versions = [_version(one) for one in document["versions"]]
        return {**document, "revision": int(document["revision"]), "versions": versions}
    except (ValueError, TypeError, KeyError):
        return None


def _version(route: Json) -> dict[str, Any]:
    """A listed version as status names it: servers may know it by another number than its directory states."""
    uri, served = uri_of(str(route["path"])), route["version"]
    number = number_in(uri)
    return {**route, "uri": uri, "version": number} | ({"servedAs": served} if served != number else {})
