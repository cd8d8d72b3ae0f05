"""What comes back instead of a review: nobody is let in by it, and no thread hangs for long."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk_server.auth import token_review
from ropewalk_server.auth.credentials import Verdict
from ropewalk_server.auth.token_review import ApiServer, Asked, Unavailable
from tests.server.certificates import certificate

Script = list[tuple[int, bytes]]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what the script says, one after the other, and the last of it for ever."""

    script: Script

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, body = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.send_response(status)
        self.send_header("location", "https://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    """An ApiServer whose other side follows `Handler.script`."""
    certificate(tmp_path / "tls", "api")
    identity = tmp_path / "identity"
    identity.mkdir()
    (identity / "ca.crt").write_bytes((tmp_path / "tls" / "tls.crt").read_bytes())
    (identity / "token").write_text("own")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls" / "tls.crt", tmp_path / "tls" / "tls.key")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield ApiServer(("127.0.0.1", server.server_address[1]), identity, Asked("space", "churn", "here"))
        server.shutdown()
        thread.join()


def said(**status: object) -> tuple[int, bytes]:
    """A review with that status."""
    return 201, json.dumps({"status": status}).encode()


KNOWN = said(authenticated=True, user={"username": "ann"}, audiences=["here"])


def test_both_reviews_open(api: ApiServer) -> None:
    """The script's other side is understood at all."""
    Handler.script = [KNOWN, said(allowed=True)]
    assert api.review("t") is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([said(authenticated=False, user={"username": "ann"})], Verdict.UNKNOWN),
        ([said(authenticated="true", user={"username": "ann"}, audiences=["here"])], Verdict.UNKNOWN),
        ([said(authenticated=True, user={"username": "ann"})], Verdict.UNKNOWN),
        ([said(authenticated=True, user={"username": "ann"}, audiences=["there"])], Verdict.UNKNOWN),
        ([said(authenticated=True, audiences=["here"])], Verdict.UNKNOWN),
        ([said(authenticated=True, user={"username": ""}, audiences=["here"])], Verdict.UNKNOWN),
        ([said(authenticated=True, user="ann", audiences=["here"])], Verdict.UNKNOWN),
        ([KNOWN, said(allowed=False)], Verdict.FORBIDDEN),
        ([KNOWN, said(allowed="yes")], Verdict.FORBIDDEN),
        ([KNOWN, said()], Verdict.FORBIDDEN),
        ([KNOWN, said(allowed=True, denied=True)], Verdict.FORBIDDEN),
    ],
)
def test_only_a_clear_yes_opens(api: ApiServer, script: Script, expected: Verdict) -> None:
    """Anything less than that does not."""
    Handler.script = script
    assert api.review("t") is expected


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (200, b""),
        (200, b"\xff"),
        (200, b"[]"),
        (200, b'{"status": []}'),
        (200, b'{"status": null}'),
        (200, b"[" * 500_000),
        (302, b""),
        (429, b'{"status": {"authenticated": true, "user": {"username": "ann"}, "audiences": ["here"]}}'),
        (200, b" " * (token_review.MAX_ANSWER_BYTES + 1) + b'{"status": {}}'),
    ],
    ids=range(10),
)
def test_nonsense_is_no_verdict(api: ApiServer, answer: tuple[int, bytes]) -> None:
    """Neither for the first question nor for the second."""
    Handler.script = [answer]
    with pytest.raises(Unavailable):
        api.review("t")
    Handler.script = [KNOWN, answer]
    with pytest.raises(Unavailable):
        api.review("t")


def test_another_certificate_is_not_talked_to(api: ApiServer, tmp_path: Path) -> None:
    """Before it has been told any token."""
    certificate(tmp_path / "other", "api")
    (tmp_path / "identity" / "ca.crt").write_bytes((tmp_path / "other" / "tls.crt").read_bytes())
    Handler.script = [KNOWN, said(allowed=True)]
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        api.review("t")


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_file_that_is_missing_is_named(api: ApiServer, tmp_path: Path, name: str) -> None:
    """The volume comes with the ServiceAccount."""
    (tmp_path / "identity" / name).unlink()
    with pytest.raises(Unavailable):
        api.review("t")


def test_without_an_address_nothing_is_asked(tmp_path: Path) -> None:
    """No name would mean this machine."""
    (tmp_path / "token").write_text("own")
    with pytest.raises(Unavailable, match="KUBERNETES_SERVICE_HOST"):
        ApiServer(("", 443), tmp_path, Asked("space", "churn")).review("t")
