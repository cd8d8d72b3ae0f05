"""Authentication `Kubernetes`: the API server says whose a token is (TokenReview), and whether they may ask this model
(SubjectAccessReview).

A verdict is kept for a while, so that only a token's first request of a minute waits for the API server. Where that
does not answer, those stay in for a few minutes whom it let in before, and nobody else comes in. designs/0010 has the
reasons for the numbers.

https://kubernetes.io/docs/reference/access-authn-authz/webhook/ and the two kinds of authentication.k8s.io/v1 and
authorization.k8s.io/v1.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ropewalk_contract import wire
from ropewalk_server.auth.credentials import Verdict, bearer, digest
from ropewalk_server.log import log

ALLOWED_SECONDS = 60.0
REFUSED_SECONDS = 30.0
OUTAGE_SECONDS = 300.0
"""Longest time that somebody stays in whom the API server, out of reach, cannot confirm."""
PROBE_SECONDS = 30.0
"""How often the server tries whether it may ask at all; a tenth of it while it may not."""
MAX_KEPT = 10_000
MAX_ASKING = 64
"""Most tokens that are being asked about at one time; further ones count as not answered."""
WORKERS = 4
TIMEOUT_SECONDS = 3.0
MAX_ANSWER_BYTES = 1024 * 1024
ANYBODY = "system:anonymous"


class Unavailable(Exception):
    """The API server did not answer, or not this question; `denied` where it refuses to be asked by this pod."""

    def __init__(self, message: str, *, denied: bool = False) -> None:
        super().__init__(message)
        self.denied = denied


class Asked(NamedTuple):
    """What is asked: to `create` this object's subresource `predict`, with a token for this audience (None: any that
    is good for the API server)."""

    namespace: str
    name: str
    audience: str | None = None


class ApiServer:
    """The two reviews, with the credentials that kubelet projects into `directory` (`token`, `ca.crt`) and renews."""

    def __init__(self, address: tuple[str, int], directory: Path, asked: Asked) -> None:
        self._address = address
        self._directory = directory
        self._asked = asked

    def review(self, token: str) -> Verdict:
        """Whose token it is, and whether they may. Blocks; raises Unavailable."""
        spec: dict[str, Any] = {"token": token}
        audience = self._asked.audience
        if audience is not None:
            spec["audiences"] = [audience]
        status = self._post("authentication.k8s.io", "TokenReview", "tokenreviews", spec)
        if status.get("authenticated") is not True:
            return Verdict.UNKNOWN
        # An API server that knows nothing of audiences answers with none: whom the token is for then is not known.
        if audience is not None and audience not in (status.get("audiences") or ()):
            return Verdict.UNKNOWN
        user = status.get("user")
        return self._access(user) if isinstance(user, dict) and user.get("username") else Verdict.UNKNOWN

    def probe(self) -> None:
        """Ask both questions about nobody in particular. Raises Unavailable, which says what is missing."""
        self._post("authentication.k8s.io", "TokenReview", "tokenreviews", {"token": self._read("token")})
        self._access({"username": ANYBODY})

    def _access(self, user: dict[str, Any]) -> Verdict:
        resource = {
            "verb": "create",
            "group": wire.GROUP,
            "resource": wire.MODELDEPLOYMENTS,
            "subresource": "predict",
            "namespace": self._asked.namespace,
            "name": self._asked.name,
        }
        # The user's uid, groups and extra go on as they came: authorizers may decide by them.
        spec = {"resourceAttributes": resource, "user": user["username"]}
        spec |= {key: user[key] for key in ("uid", "groups", "extra") if user.get(key)}
        status = self._post("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", spec)
        allowed = status.get("allowed") is True and status.get("denied") is not True
        return Verdict.ALLOWED if allowed else Verdict.FORBIDDEN

    def _post(self, group: str, kind: str, plural: str, spec: dict[str, Any]) -> dict[str, Any]:
        """The status of the review."""
        body = json.dumps({"apiVersion": f"{group}/v1", "kind": kind, "spec": spec})
        headers = {"authorization": f"Bearer {self._read('token')}", "content-type": "application/json"}
        host, port = self._address
        if not host:  # would be taken for this machine
            raise Unavailable("KUBERNETES_SERVICE_HOST, which kubelet sets, is not set")
        try:
            context = ssl.create_default_context(cafile=str(self._directory / wire.AUTHORITY_FILE))
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
            try:
                connection.request("POST", f"/apis/{group}/v1/{plural}", body, headers)
                answer = connection.getresponse()
                said = answer.read(MAX_ANSWER_BYTES)
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"the API server at {host}:{port} cannot be asked: {error}") from error
        if answer.status in (401, 403):
            raise Unavailable(
                f"the ServiceAccount of spec.serviceAccountName may not create {plural} ({answer.status}): "
                "bind it to the ClusterRole system:auth-delegator with a ClusterRoleBinding",
                denied=True,
            )
        try:
            status = json.loads(said)["status"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unavailable(f"the API server answered {plural} with {answer.status} and no status") from error
        if answer.status not in (200, 201) or not isinstance(status, dict):
            raise Unavailable(f"the API server answered {plural} with {answer.status}")
        return status

    def _read(self, name: str) -> str:
        try:
            return (self._directory / name).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise Unavailable(f"the ServiceAccount's {name} cannot be read: {error}") from error


class Kept(NamedTuple):
    """The API server's verdict on a token, and its time.monotonic()."""

    verdict: Verdict
    at: float


class TokenReviews:
    """The verdict on every caller; lives on the event loop, asks in threads of its own."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        # Apart, so that nobody can push out those who are let in by coming with many wrong tokens.
        self._allowed: dict[bytes, Kept] = {}
        self._refused: dict[bytes, Kept] = {}
        self._asking: dict[bytes, asyncio.Task[Verdict]] = {}
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="reviews")
        self._probing: asyncio.Task[None] | None = None
        self._probed = float("-inf")
        self._answered = float("-inf")
        self.problem = "spec.serving.authentication: the API server has not been asked yet"

    def ask(self, authorization: bytes | None) -> Verdict | asyncio.Future[Verdict]:
        """The verdict on a request with this header: at once where it is known, else when the API server has spoken.

        The future is shared by all who wait for it: shield it.
        """
        token = bearer(authorization)
        if not token:
            return Verdict.UNKNOWN
        key, now = digest(token), time.monotonic()
        kept = self._allowed.get(key)
        if kept is not None and now < kept.at + ALLOWED_SECONDS:
            return kept.verdict
        kept = self._refused.get(key)
        if kept is not None and now < kept.at + REFUSED_SECONDS:
            return kept.verdict
        asking = self._asking.get(key)
        if asking is None:
            if len(self._asking) >= MAX_ASKING:
                return self._unconfirmed(key)
            asking = asyncio.get_running_loop().create_task(self._ask(key, token))
            self._asking[key] = asking
        return asking

    async def _ask(self, key: bytes, token: bytes) -> Verdict:
        try:
            text = token.decode("ascii")
            verdict = await asyncio.get_running_loop().run_in_executor(self._workers, self._api.review, text)
        except UnicodeDecodeError:
            verdict = Verdict.UNKNOWN
        except Unavailable as error:
            self._tell(error)
            return Verdict.UNAVAILABLE if error.denied else self._unconfirmed(key)
        finally:
            del self._asking[key]
        self._keep(key, Kept(verdict, time.monotonic()))
        return verdict

    def _unconfirmed(self, key: bytes) -> Verdict:
        """The verdict where there is no answer to be had."""
        kept = self._allowed.get(key)
        known = kept is not None and time.monotonic() < kept.at + OUTAGE_SECONDS
        return Verdict.ALLOWED if known else Verdict.UNAVAILABLE

    def _keep(self, key: bytes, kept: Kept) -> None:
        allowed = kept.verdict is Verdict.ALLOWED
        self._allowed.pop(key, None)
        self._refused.pop(key, None)
        among = self._allowed if allowed else self._refused
        if len(among) >= MAX_KEPT:
            del among[next(iter(among))]
        among[key] = kept
        self._answered, self.problem = kept.at, ""

    def poll(self) -> None:
        """Try from time to time whether the API server can be asked: what is wrong shows before a client comes."""
        now = time.monotonic()
        pause = PROBE_SECONDS / 10 if self.problem else PROBE_SECONDS
        if self._probing is None and now >= self._probed + pause:
            self._probed = now
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._workers, self._api.probe)
        except Unavailable as error:
            self._tell(error)
        else:
            self._answered, self.problem = time.monotonic(), ""
        finally:
            self._probing = None

    def _tell(self, error: Unavailable) -> None:
        """A short outage is no reason to send clients elsewhere: there is no elsewhere, and most of them are known."""
        problem = f"spec.serving.authentication: {error}"
        if error.denied or time.monotonic() > self._answered + OUTAGE_SECONDS:
            if problem != self.problem:
                log("error", "nobody can be authenticated", problem=problem)
            self.problem = problem

    def close(self) -> None:
        """Leave no thread behind."""
        self._workers.shutdown(wait=False, cancel_futures=True)


def from_environment(name: str, directory: Path) -> TokenReviews:
    """As the pod's environment says: KUBERNETES_SERVICE_HOST and _PORT by kubelet, the rest by the operator."""
    environment = os.environ
    address = environment.get("KUBERNETES_SERVICE_HOST", ""), int(environment.get("KUBERNETES_SERVICE_PORT", "443"))
    asked = Asked(environment.get(wire.NAMESPACE_VARIABLE, ""), name, environment.get(wire.AUDIENCE_VARIABLE) or None)
    return TokenReviews(ApiServer(address, directory, asked))
