"""Clients' tokens and the server's certificate: files of mounted Secrets, read anew when kubelet replaces them.

`Authenticator` is what protocols see of an authentication; that of Kubernetes is in token_review.py.

What is asked for and not there fails closed: no request is answered, readiness is off, and /status says why.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import ssl
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from ropewalk_server.log import log

MIN_KEY_BYTES = 16
MAX_TOKENS = 100
_SCHEME = b"bearer "
_NEVER = object()


class Verdict(IntEnum):
    """Whether somebody may ask; the value is the HTTP status that says so."""

    ALLOWED = 200
    UNKNOWN = 401
    FORBIDDEN = 403
    UNAVAILABLE = 503


class Refusal(NamedTuple):
    """The message for a refused client, and the `reason` under which it is counted."""

    reason: str
    words: str


REFUSALS = {
    Verdict.UNKNOWN: Refusal(
        "unauthorized", "This model is for those who send a token it knows: Authorization: Bearer TOKEN"
    ),
    Verdict.FORBIDDEN: Refusal(
        "forbidden",
        "The owner of this token may not ask: that takes the verb create on modeldeployments/predict of ropewalk.dev",
    ),
    Verdict.UNAVAILABLE: Refusal("unauthenticated", "The token cannot be checked at the moment; try again later"),
}


class Authenticator(Protocol):
    """Decides about the bearer token of a request."""

    problem: str
    """Why nobody is let in; empty: nothing is wrong."""

    def ask(self, authorization: bytes | None) -> Verdict | asyncio.Future[Verdict]:
        """The verdict on a request with this header `authorization`; a future is shared, so shield it."""

    def poll(self) -> None:
        """Take notice of what changed; called several times a second."""

    def close(self) -> None:
        """Let go of what it holds."""


def bearer(authorization: bytes | None) -> bytes:
    """The token in that header; empty where there is none."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return b""
    return authorization[len(_SCHEME) :].strip()


def digest(token: bytes) -> bytes:
    """The digest of a token, which is kept in memory in its place."""
    return hashlib.sha256(token).digest()


class Tokens:
    """The tokens that are accepted: every file of the Secret is one, so that an old and a new one may overlap."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen = _NEVER
        self._digests: list[bytes] = []
        self.problem = ""
        self.poll()

    def poll(self) -> None:
        """Read the files again if the Secret changed. Tokens stay as they were while it cannot be read; a Secret that
        can be read and has none opens to nobody any more."""
        seen = _stamp(self._directory)
        if seen == self._seen and not self.problem:
            return
        try:
            files = sorted(path for path in self._directory.iterdir() if not path.name.startswith(".."))
            found = [path.read_bytes().strip() for path in files[:MAX_TOKENS]]
        except OSError as error:
            self._tell(f"the Secret of spec.serving.authentication cannot be read: {error.strerror}")
            return
        digests = [digest(one) for one in found if one]
        if not digests:
            self._digests = []
            self._tell("the Secret of spec.serving.authentication has no token in it")
            return
        if self._seen is not _NEVER:
            log("info", "tokens read", count=len(digests))
        self._seen, self._digests, self.problem = seen, digests, ""

    def ask(self, authorization: bytes | None) -> Verdict:
        """Whether the header `authorization` bears one of the tokens; takes the same time for every wrong one."""
        token = bearer(authorization)
        if not token:
            return Verdict.UNKNOWN
        given = digest(token)
        equal = [hmac.compare_digest(given, one) for one in self._digests]
        return Verdict.ALLOWED if any(equal) else Verdict.UNKNOWN

    def close(self) -> None:
        """Nothing is held."""

    def _tell(self, problem: str) -> None:
        if problem != self.problem and not self._digests:
            log("error", "no credentials", problem=problem)
            self.problem = problem


class FeedbackKey:
    """The key that signs prediction ids: a mounted Secret's file `key`, renewed as the Secret is."""

    def __init__(self, directory: Path, *, given: bytes = b"", wanted: bool = False) -> None:
        """`given` is one that needs no file; `wanted` says that without a key nothing may be answered."""
        self._directory = directory
        self._given = given
        self._wanted = wanted
        self._seen = _NEVER
        self.key: bytes | None = given or None
        self.problem = ""
        self.poll()

    def poll(self) -> None:
        """Read the file again if the Secret changed. A key stays as it was while there is no other that will do."""
        seen = _stamp(self._directory)
        if self._given or (seen == self._seen and not self.problem):
            return
        try:
            found = (self._directory / "key").read_bytes().strip()
        except OSError:
            found = b""
        if len(found) >= MIN_KEY_BYTES or (found and not self._wanted):
            self._seen, self.key, self.problem = seen, found, ""
        elif self._wanted and self.key is None:
            self.problem = f"the Secret of spec.monitor.feedback has no `key` of at least {MIN_KEY_BYTES} bytes"


class Certificate:
    """The context of a port's TLS; connections made after `poll` see a renewed certificate."""

    def __init__(self, directory: Path, *, protocols: Sequence[str] = ()) -> None:
        """`protocols` are the port's, for clients that negotiate one (ALPN): gRPC's insist on "h2"."""
        self._directory = directory
        self._seen = _NEVER
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if protocols:
            self.context.set_alpn_protocols(protocols)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.problem = ""
        self.poll()

    def poll(self) -> None:
        """Load the files again if the Secret changed. The certificate stays as it was while the new one is unusable."""
        seen = _stamp(self._directory)
        if seen == self._seen and not self.problem:
            return
        files = [str(self._directory / name) for name in ("tls.crt", "tls.key")]
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
            self.context.load_cert_chain(*files)
        except (OSError, ssl.SSLError, ValueError) as error:
            problem = f"the Secret of spec.serving.tls has no usable tls.crt and tls.key: {error}"
            if seen != self._seen or problem != self.problem:
                log("error", "certificate refused", problem=problem)
            if self._seen is _NEVER:
                self.problem = problem
            else:
                self._seen = seen
            return
        if self._seen is not _NEVER:
            log("info", "certificate read")
        self._seen, self.problem = seen, ""


def _stamp(directory: Path) -> object:
    """What changes when kubelet swaps the directory's contents, or somebody edits a file in place."""
    try:
        swapped = os.stat(directory / "..data") if (directory / "..data").exists() else os.stat(directory)
        files = [os.stat(path).st_mtime_ns for path in sorted(directory.iterdir()) if path.is_file()]
        return swapped.st_ino, swapped.st_mtime_ns, files
    except OSError:
        return None
