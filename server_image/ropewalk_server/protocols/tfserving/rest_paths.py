"""Paths of TensorFlow Serving's REST API, and upstream's errors for paths that do not exist."""

from __future__ import annotations

import re

from ropewalk_server.protocols.common.rest_errors import error
from ropewalk_server.serving.versions import Versions
from ropewalk_server.transport.http1.types import Request, Response, matched

PREFIX = b"/v1/"
STABLE, CANARY = "stable", "canary"
"""Labels, as upstream's documents name them: what is live, and the newest other version that is loaded."""
_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/([0-9]{1,18})|/labels/([^/:]{1,63}))?(?:(:[a-z]+)|(/metadata))?/?")


class Target:
    """The resource of a path: the model's name, a version, a label or neither, and `:verb`, `metadata` or `status`."""

    __slots__ = ("label", "name", "verb", "version")

    def __init__(self, name: str, version: int | None, verb: str, label: str | None = None) -> None:
        self.name, self.version, self.verb, self.label = name, version, verb, label


def route(path: bytes) -> Target | None:
    """The target of a path, None if the path is none of this protocol's."""
    found = matched(_PATH, path)
    if found is None:
        return None
    version = int(found[2]) if found[2] else None
    return Target(found[1], version, (found[4] or "")[1:] or ("metadata" if found[5] else "status"), found[3])


def labelled(versions: Versions, label: str) -> int | None:
    """The version of that label, if there is one."""
    if label == STABLE:
        return versions.live
    others = [number for number, held in versions.held.items() if held.model is not None]
    return max((one for one in others if one != versions.live), default=None) if label == CANARY else None


def malformed(request: Request) -> Response:
    """The path is none of this protocol's."""
    return error(404, f"Malformed request: {request.shown}")


def not_found(target: Target) -> Response:
    """The model or version is not served here."""
    name = target.name[:80]
    wanted = f"Latest({name})" if target.version is None else f"Specific({name}, {target.version})"
    return error(404, f"Servable not found for request: {wanted}")


def absent(target: Target) -> Response:
    """No version that the target names is loaded."""
    if target.version is None:
        name = target.name
        return error(503, f"No version of {name} is loaded yet; GET /v1/models/{name} tells why")
    return not_found(target)
