"""Tokens and TLS on the real server: who is let in, what a rotation does, and that what is missing fails closed."""

from __future__ import annotations

import hmac
import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ropewalk_server.auth.credentials import Certificate, Tokens, Verdict
from ropewalk_server.telemetry.receipts import InvalidReceipt, Receipts
from tests.server.certificates import certificate, secret
from tests.server.conftest import Published, Server, ready, row

BODY = '{"instances": [%s]}'


def ask(server: Server, token: str | None, path: str = "/v1/models/cancer") -> int:
    """The status of a request with this token."""
    headers = {} if token is None else {"authorization": token}
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[0], timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status != 401 or answer.getheader("www-authenticate") == "Bearer"
        return answer.status
    finally:
        connection.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, published: Published) -> Iterator[Server]:
    """A server that asks for a token."""
    root = tmp_path_factory.mktemp("guarded")
    secret(root / "tokens", one=b"first-token\n", two=b"second-token")
    yield from ready(root, published, {"ROPEWALK_AUTHENTICATION": "Token"})


@pytest.mark.parametrize(
    "wrong",
    [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic first-token", "first-token", "Bearer first-tokenx"],
)
@pytest.mark.parametrize("path", ["/v1/models/cancer", "/v2/models/cancer", "/openapi.json", "/nowhere"])
def test_nobody_comes_in_without_a_token(guarded: Server, wrong: str | None, path: str) -> None:
    """401 whatever is asked for: not even whether there is such a model."""
    assert ask(guarded, wrong, path) == 401


@pytest.mark.parametrize("right", ["Bearer first-token", "bearer second-token", "Bearer  second-token "])
def test_each_token_of_the_secret_opens(guarded: Server, right: str) -> None:
    """With the scheme in any case."""
    assert ask(guarded, right) == 200


def test_a_rotation_needs_no_restart(guarded: Server) -> None:
    """The new token opens, the old one no longer."""
    secret(guarded.root / "tokens", one=b"third-token")
    guarded.until(lambda: ask(guarded, "Bearer third-token") == 200)
    assert ask(guarded, "Bearer first-token") == 401
    secret(guarded.root / "tokens", one=b"first-token", two=b"second-token")
    guarded.until(lambda: ask(guarded, "Bearer first-token") == 200)


def test_without_its_secret_a_server_answers_nobody_and_says_why(server: Server, published: Published) -> None:
    """Not ready, 401, and the field's name in /status; it opens when the Secret comes."""
    server.environment = {"ROPEWALK_AUTHENTICATION": "Token"}
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.status()["live"] == 1)
    assert "spec.serving.authentication" in server.status()["trouble"]
    assert server.get("/readyz", monitoring=True)[0] == 503
    assert ask(server, "Bearer ") == 401
    secret(server.root / "tokens", one=b"late")
    server.until(lambda: server.get("/readyz", monitoring=True)[0] == 200)
    assert ask(server, "Bearer late") == 200


def over_tls(server: Server, trusted: Path) -> tuple[int, bytes]:
    """A prediction over TLS from a client that trusts this certificate only; and the server's certificate."""
    context = ssl.create_default_context(cafile=str(trusted))
    connection = http.client.HTTPSConnection("127.0.0.1", server.ports[0], timeout=10, context=context)
    try:
        connection.request("GET", "/v1/models/cancer")
        shown = connection.sock.getpeercert(binary_form=True)
        return connection.getresponse().status, shown
    finally:
        connection.close()


def test_tls_and_a_renewed_certificate(tmp_path: Path, published: Published) -> None:
    """New connections get the new one; a broken one changes nothing; plain HTTP gets nowhere."""
    certificate(tmp_path / "tls", "old")
    with contextmanager(ready)(tmp_path, published, {"ROPEWALK_TLS": "Secret"}) as server:
        trusted = tmp_path / "old.crt"
        trusted.write_bytes((tmp_path / "tls/tls.crt").read_bytes())
        assert over_tls(server, trusted)[0] == 200
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(server, None)
        (tmp_path / "tls/tls.crt").write_text("broken")
        server.until(lambda: server.status()["trouble"] == "")
        assert over_tls(server, trusted)[0] == 200
        certificate(tmp_path / "tls", "new")
        renewed = tmp_path / "tls/tls.crt"

        def is_new() -> bool:
            try:
                return over_tls(server, renewed)[0] == 200
            except ssl.SSLError:
                return False

        server.until(is_new)


def test_what_is_missing_is_a_problem_by_name(tmp_path: Path) -> None:
    """And lets nobody in."""
    tokens = Tokens(tmp_path / "tokens")
    assert "authentication" in tokens.problem
    assert tokens.ask(b"Bearer ") is Verdict.UNKNOWN
    secret(tmp_path / "tokens", empty=b" \n")
    tokens.poll()
    assert "no token" in tokens.problem
    assert tokens.ask(b"Bearer ") is Verdict.UNKNOWN
    assert "tls" in Certificate(tmp_path / "tls").problem


def test_emptying_the_secret_revokes_its_tokens(tmp_path: Path) -> None:
    """One that cannot be read for a moment, while kubelet swaps it, does not."""
    place, bearer = tmp_path / "tokens", b"Bearer first"
    secret(place, one=b"first")
    tokens = Tokens(place)
    place.rename(tmp_path / "away")
    tokens.poll()
    assert (tokens.ask(bearer), tokens.problem) == (Verdict.ALLOWED, "")
    (tmp_path / "away").rename(place)
    for emptied in ({}, {"one": b" \n"}):
        secret(place, **emptied)
        tokens.poll()
        assert tokens.ask(bearer) is Verdict.UNKNOWN
        assert "no token" in tokens.problem
        secret(place, one=b"first")
        tokens.poll()
        assert (tokens.ask(bearer), tokens.problem) == (Verdict.ALLOWED, "")


def test_labels_need_a_signed_id_where_a_key_is_asked_for(server: Server, published: Published) -> None:
    """Without the key the server is not ready; it takes one that comes later, and another after that."""
    server.environment = {"ROPEWALK_FEEDBACK": "Secret", "ROPEWALK_FEEDBACK_KEY": ""}
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.status()["live"] == 1)
    assert "spec.monitor.feedback" in server.status()["trouble"]
    secret(server.root / "feedback", key=b"0123456789abcdef0123456789abcdef")
    server.until(lambda: server.get("/readyz", monitoring=True)[0] == 200)
    ident = server.predict(row())[2]["ropewalk-prediction-id"]
    forged: Any = {"id": ident[:-4] + "AAAA", "label": "malignant"}
    assert server.post("/v1/models/cancer:feedback", forged)[0] == 400
    secret(server.root / "feedback", key=b"fedcba9876543210fedcba9876543210")
    assert server.post("/v1/models/cancer:feedback", {"id": ident, "label": "malignant"})[0] == 200


def issued(receipts: Receipts, digest: bytes, rows: int) -> str:
    """The id of an answer of so many rows."""
    ident = receipts.issue(1, digest, np.eye(3, dtype=np.float32)[:rows], 3)
    assert isinstance(ident, bytes)
    return ident.decode()


def test_ids_of_the_key_before_are_still_read() -> None:
    """Labels come hours after the prediction; two rotations later they are refused."""
    digest, receipts = bytes(range(32)), Receipts(b"first key of 16 bytes")
    ident = issued(receipts, digest, 1)
    receipts.renew(b"another key of 16 bytes")
    assert receipts.read(ident, {1: digest}).predicted == 0
    receipts.renew(b"a third key of 16 bytes")
    with pytest.raises(InvalidReceipt, match="not one of this deployment's"):
        receipts.read(ident, {1: digest})


def test_an_id_has_one_spelling() -> None:
    """base64 has several for the same bytes, and each would count as another label."""
    digest, receipts = bytes(range(32)), Receipts(b"a key of more than 16 bytes")
    for rows in (1, 2, 3):
        ident = issued(receipts, digest, rows)
        assert receipts.read(ident, {1: digest}).predicted == 0
        last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        others = {ident[:-1] + one for one in last} | {ident + "=", ident + "==", ident.replace("_", "/")}
        for other in others - {ident}:
            with pytest.raises(InvalidReceipt):
                receipts.read(other, {1: digest})


@pytest.mark.parametrize("given", ["first", "third", "none of them", "fourth"])
def test_every_known_token_is_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Whichever of them is right, and where none is: an end at the first that fits would tell which it was."""
    compared: list[bool] = []
    compare = hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    names = ["first", "second", "third", "fourth"]
    secret(tmp_path / "tokens", **{name: name.encode() for name in names})
    tokens = Tokens(tmp_path / "tokens")
    monkeypatch.setattr(hmac, "compare_digest", counting)
    verdict = tokens.ask(b"Bearer " + given.encode())
    assert verdict is (Verdict.ALLOWED if given in names else Verdict.UNKNOWN)
    assert sorted(compared) == sorted(name == given for name in names)
