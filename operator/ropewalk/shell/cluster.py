"""The cluster as the operator sees it: GET, LIST and a handful of writes, each of which passes the gate.

Plain JSON over one HTTP session. The generated clients would parse every object into classes that the core, which
works on JSON, would have to take apart again, and they cannot apply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from pydantic_core import from_json

from ropewalk_contract import reasons

from ..core import kinds
from ..core.kinds import Kind
from ..core.plan import MANAGER, Json, Ref
from .connection import Connection
from .write_fence import WriteFence

STATUS_MANAGER = "ropewalk-status"
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)


class ApiError(Exception):
    """The API server said no: HTTP status, its reason word and its sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


class Conflict(ApiError):
    """The object is not as it was when it was read, or belongs to somebody else."""


class NameTaken(ApiError):
    """An object that is not ours has the name of one that we want to write."""


class Cluster:
    """One session with the API server. Use as an async context manager."""

    def __init__(self, connection: Connection, gate: WriteFence) -> None:
        self.connection = connection
        self._gate = gate
        self._ssl = connection.ssl_context()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Cluster:
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=64, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    # --- reading -------------------------------------------------------------------------------------------------

    async def get(self, ref: Ref, namespace: str | None) -> dict[str, Any] | None:
        """The object as it is now (a read of etcd's quorum), or None where there is none."""
        try:
            found = await self._request("GET", _path(ref.api_version, ref.kind, namespace, ref.name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return {**found, "apiVersion": ref.api_version, "kind": ref.kind}

    async def list(self, kind: Kind, namespace: str | None, selector: str = "") -> list[dict[str, Any]]:
        """Every matching object, each with its apiVersion and kind, which the API server leaves out of lists."""
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        found = await self._request("GET", _path(kind.api_version, kind.name, namespace) + query)
        return [{**item, "apiVersion": kind.api_version, "kind": kind.name} for item in found.get("items") or ()]

    async def pod_proxy(self, namespace: str, pod: str, port: int, path: str) -> dict[str, Any]:
        """GET of a pod through the API server: for an operator outside the cluster's network."""
        return await self._request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}")

    # --- writing: everything below passes the gate -----------------------------------------------------------------

    async def apply(self, body: Json, namespace: str, manager: str = MANAGER) -> None:
        """Server-side apply of the whole intent, forced, of an object that is absent or has the same controller.

        Else NameTaken; Conflict where it belongs to an owner that is gone and will be collected, or has changed since.
        """
        ref = Ref(body["apiVersion"], body["kind"], body["metadata"]["name"])
        there = await self.get(ref, namespace)
        if there is not None:
            _check_ours(ref, there, body)
            # Exactly that object, should another take its name meanwhile.
            body = {**body, "metadata": {**body["metadata"], "uid": there["metadata"]["uid"]}}
        path = _path_of(body, namespace) + f"?fieldManager={manager}&force=true"
        await self._write("apply", body["kind"], "PATCH", path, body, "application/apply-patch+yaml")

    async def create(self, body: Json, namespace: str) -> None:
        """POST. An object of that name with the same controller counts as done; Conflict if it is another's."""
        meta = body["metadata"]
        path = _path(body["apiVersion"], body["kind"], namespace) + f"?fieldManager={MANAGER}"
        try:
            await self._write("create", body["kind"], "POST", path, body)
        except Conflict:
            there = await self.get(Ref(body["apiVersion"], body["kind"], meta["name"]), namespace)
            if there is None or _controller(there) != _controller(body):
                raise

    async def delete(self, ref: Ref, namespace: str, uid: str) -> None:
        """Delete exactly that object and, in the background, what it owns; one that is gone counts as done."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        path = _path(ref.api_version, ref.kind, namespace, ref.name)
        try:
            await self._write("delete", ref.kind, "DELETE", path, options)
        except ApiError as error:
            if error.status != 404:
                raise

    async def annotate(self, ref: Ref, namespace: str, uid: str, key: str, value: str) -> None:
        """Set one annotation of exactly that object; one that is gone counts as done."""
        patch = {"metadata": {"uid": uid, "annotations": {key: value}}}
        path = _path(ref.api_version, ref.kind, namespace, ref.name) + f"?fieldManager={MANAGER}"
        try:
            await self._write("annotate", ref.kind, "PATCH", path, patch, "application/merge-patch+json")
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def write_status(self, owner: Json, status: Json) -> str:
        """The whole status in one write, refused with Conflict if the resource has changed since `owner` was read.

        Returns the resourceVersion that it gave."""
        meta = owner["metadata"]
        fence = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        body = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": fence, "status": status}
        path = _path_of(body, meta["namespace"]) + f"/status?fieldManager={STATUS_MANAGER}&force=true"
        written = await self._write("status", owner["kind"], "PATCH", path, body, "application/apply-patch+yaml")
        return str(written.get("metadata", {}).get("resourceVersion", ""))

    async def post_event(self, body: Json, namespace: str) -> None:
        """Create an Event. Raises Conflict where one of that name exists."""
        await self._write("create", "Event", "POST", _path("v1", "Event", namespace), body)

    async def patch_event(self, name: str, patch: Json, namespace: str) -> None:
        """Count an Event on."""
        path = _path("v1", "Event", namespace, name)
        await self._write("patch", "Event", "PATCH", path, patch, "application/merge-patch+json")

    async def put_lease(self, body: Json, namespace: str, *, exists: bool) -> dict[str, Any]:
        """Create or replace the Lease, fenced by its resourceVersion. The one write that needs no leadership."""
        if exists:
            return await self._request("PUT", _path_of(body, namespace), body)
        return await self._request("POST", _path(body["apiVersion"], body["kind"], namespace), body)

    # --- plumbing ------------------------------------------------------------------------------------------------

    async def _write(
        self, verb: str, kind: str, method: str, path: str, body: Json, content: str = "application/json"
    ) -> dict[str, Any]:
        return await self._gate.write(verb, kind, lambda: self._request(method, path, body, content))

    async def _request(
        self, method: str, path: str, body: Json | None = None, content: str = "application/json"
    ) -> dict[str, Any]:
        assert self._session is not None, "use `async with Cluster(...)`"
        headers = {"Accept": "application/json"}
        token = self.connection.bearer()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            headers["Content-Type"] = content
            data = json.dumps(body, separators=(",", ":")).encode()
        url = self.connection.server + path
        async with self._session.request(method, url, data=data, headers=headers) as response:
            raw = await response.read()
            document = _parse(raw)
            if response.status < 400:
                return document
            reason = str(document.get("reason") or response.reason or "")
            message = str(document.get("message") or raw[:500].decode(errors="replace"))
            raise (Conflict if response.status == 409 else ApiError)(response.status, reason, message)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        document = from_json(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _path(api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    item = f"/{quote(name, safe='')}" if name else ""
    return f"{root}{scope}/{kinds.of(api_version, kind).plural}{item}"


def _path_of(body: Json, namespace: str) -> str:
    return _path(body["apiVersion"], body["kind"], namespace, body["metadata"]["name"])


def _controller(body: Mapping[str, Any]) -> str | None:
    found = _controller_reference(body)
    return None if found is None else str(found["uid"])


def _controller_reference(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    owners = body["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _check_ours(ref: Ref, there: Json, body: Json) -> None:
    ours, found = _controller_reference(body), _controller_reference(there)
    if ours is None or (found is not None and found["uid"] == ours["uid"]):
        return
    if found is not None and all(found.get(key) == ours.get(key) for key in ("kind", "name")):
        raise Conflict(409, "AlreadyExists", f"{ref.kind} {ref.name} belongs to an owner that is gone")
    text = (
        f"{ref.kind} {ref.name} exists and is not Ropewalk's: delete or rename it, "
        f"or give {ours['kind']} {ours['name']} another name"
    )
    raise NameTaken(409, reasons.NAME_TAKEN, text)
