"""Authentication `Kubernetes` against a real API server: whom it lets in, and what happens when it cannot be asked."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from ropewalk_server.auth import token_review
from ropewalk_server.auth.credentials import Verdict
from ropewalk_server.auth.token_review import ApiServer, Asked, TokenReviews, Unavailable
from tests.api_server.conftest import MANIFESTS
from tests.polling import eventually_async
from tests.server.conftest import Server, next_ports
from tests.server.grpc_clients import connected
from tests.server.zoo import MIXED, write
from tests.support import Namespace, kubectl

RBAC = "rbac.authorization.k8s.io/v1"
AUDIENCE = "models.example"


def account(name: str) -> dict[str, Any]:
    """A ServiceAccount."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def binding(namespace: str, kind: str, role: tuple[str, str], subject: str, name: str) -> dict[str, Any]:
    """A binding of a ServiceAccount of that namespace."""
    return {
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role[0], "name": role[1]},
        "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": namespace}],
    }


@pytest.fixture(scope="module")
def people() -> Iterator[Namespace]:
    """`reviewer` may ask the API server; `anyone` may predict with every model, `someone` with `churn` alone, by the
    shipped role and by one of its own; `nobody` may not."""
    name = f"reviews-{uuid.uuid4().hex[:8]}"
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(MANIFESTS / "shared" / "user-roles.yaml"))
    kubectl("create", "namespace", name)
    space = Namespace(name)
    rule = {
        "apiGroups": ["ropewalk.dev"],
        "resources": ["modeldeployments/predict"],
        "resourceNames": ["churn"],
        "verbs": ["create"],
    }
    space.apply(
        *(account(one) for one in ("reviewer", "anyone", "someone", "nobody")),
        binding(name, "RoleBinding", ("ClusterRole", "ropewalk-predict"), "anyone", "anyone"),
        {"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "churn"}, "rules": [rule]},
        binding(name, "RoleBinding", ("Role", "churn"), "someone", "someone"),
        binding(name, "ClusterRoleBinding", ("ClusterRole", "system:auth-delegator"), "reviewer", name),
    )
    yield space
    kubectl("delete", "clusterrolebinding", name)
    kubectl("delete", "namespace", name, "--wait=false")


def token(space: Namespace, name: str, audience: str | None = None) -> str:
    """A token of that account."""
    more = ["--audience", audience] if audience else []
    return kubectl("-n", space.name, "create", "token", name, *more).stdout.strip()


def bearer(space: Namespace, name: str, audience: str | None = None) -> bytes:
    """The header that bears a token of that account."""
    return f"Bearer {token(space, name, audience)}".encode()


def where() -> tuple[tuple[str, int], bytes]:
    """The API server's address and the CA of its certificate."""
    cluster = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json").stdout)["clusters"][0]["cluster"]
    url = urlsplit(cluster["server"])
    given = cluster.get("certificate-authority-data")
    authority = base64.b64decode(given) if given else Path(cluster["certificate-authority"]).read_bytes()
    return (url.hostname or "", url.port or 443), authority


@pytest.fixture
def identity(tmp_path: Path, people: Namespace) -> Path:
    """What kubelet projects for `reviewer`."""
    place = tmp_path / "identity"
    place.mkdir()
    (place / "token").write_text(token(people, "reviewer"))
    (place / "ca.crt").write_bytes(where()[1])
    return place


class Counting(ApiServer):
    """The real one; counts what it is asked."""

    def __init__(self, identity: Path, asked: Asked) -> None:
        super().__init__(where()[0], identity, asked)
        self.asked = 0

    def review(self, token: str) -> Verdict:
        """One more."""
        self.asked += 1
        return super().review(token)

    def away(self) -> None:
        """From now on nothing answers there."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self._address = ("127.0.0.1", one.getsockname()[1])


@pytest.fixture
def api(identity: Path, people: Namespace) -> Counting:
    """What a server of the model `churn` asks."""
    return Counting(identity, Asked(people.name, "churn"))


@pytest.fixture
async def gate(api: Counting) -> AsyncIterator[TokenReviews]:
    """That server's gate."""
    found = TokenReviews(api)
    yield found
    found.close()


async def verdict(gate: TokenReviews, authorization: bytes | None) -> Verdict:
    """What a request with that header meets."""
    found = gate.ask(authorization)
    return found if isinstance(found, Verdict) else await found


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("anyone", "churn", Verdict.ALLOWED),
        ("anyone", "other", Verdict.ALLOWED),
        ("someone", "churn", Verdict.ALLOWED),
        ("someone", "other", Verdict.FORBIDDEN),
        ("nobody", "churn", Verdict.FORBIDDEN),
    ],
)
async def test_who_may_is_what_rbac_says(
    identity: Path, people: Namespace, name: str, model: str, expected: Verdict
) -> None:
    """By the verb create on modeldeployments/predict, for the namespace or for one name."""
    gate = TokenReviews(Counting(identity, Asked(people.name, model)))
    assert await verdict(gate, bearer(people, name)) is expected
    gate.close()


async def test_a_role_of_another_namespace_opens_nothing(identity: Path, people: Namespace) -> None:
    """References never cross a namespace."""
    gate = TokenReviews(Counting(identity, Asked("default", "churn")))
    assert await verdict(gate, bearer(people, "anyone")) is Verdict.FORBIDDEN
    gate.close()


@pytest.mark.parametrize(
    "header", [None, b"", b"Bearer", b"Bearer ", b"Basic eHg6eQ==", b"Bearer nonsense", b"Bearer a.b.c", b"Bearer \xff"]
)
async def test_strangers_are_unknown(gate: TokenReviews, header: bytes | None) -> None:
    """Anonymous requests are nobody's, whatever system:anonymous may."""
    assert await verdict(gate, header) is Verdict.UNKNOWN


async def test_a_token_for_somebody_else_is_no_token(identity: Path, people: Namespace) -> None:
    """With an audience only tokens made for it are good; those are of no use without."""
    strict = TokenReviews(Counting(identity, Asked(people.name, "churn", AUDIENCE)))
    lax = TokenReviews(Counting(identity, Asked(people.name, "churn")))
    usual, special = bearer(people, "anyone"), bearer(people, "anyone", AUDIENCE)
    assert [await verdict(strict, usual), await verdict(strict, special)] == [Verdict.UNKNOWN, Verdict.ALLOWED]
    assert [await verdict(lax, usual), await verdict(lax, special)] == [Verdict.ALLOWED, Verdict.UNKNOWN]
    strict.poll()
    # The reviewer's own token is not for that audience, which is no problem.
    await eventually_async(lambda: strict.problem, until=lambda problem: problem == "")
    strict.close()
    lax.close()


async def test_a_token_is_asked_about_once(gate: TokenReviews, api: Counting, people: Namespace) -> None:
    """However many wait for the answer, and for a minute after it."""
    for name, expected in (("anyone", Verdict.ALLOWED), ("nobody", Verdict.FORBIDDEN)):
        header, before = bearer(people, name), api.asked
        waiting = [gate.ask(header) for _ in range(50)]
        assert not any(isinstance(one, Verdict) for one in waiting)
        assert {await asyncio.shield(one) for one in waiting if not isinstance(one, Verdict)} == {expected}
        assert gate.ask(header) is expected
        assert api.asked == before + 1


async def test_one_who_hangs_up_does_not_end_the_question(gate: TokenReviews, people: Namespace) -> None:
    """The others still get their answer."""
    header = bearer(people, "anyone")
    first = gate.ask(header)
    assert isinstance(first, asyncio.Future)
    impatient = asyncio.ensure_future(asyncio.wait_for(asyncio.shield(first), 0))
    with pytest.raises(TimeoutError):
        await impatient
    assert await verdict(gate, header) is Verdict.ALLOWED


async def test_what_is_taken_away_is_gone_when_the_minute_is_over(
    gate: TokenReviews, people: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binding that is deleted; then the account itself."""
    monkeypatch.setattr(token_review, "ALLOWED_SECONDS", 0.5)
    monkeypatch.setattr(token_review, "REFUSED_SECONDS", 0.5)
    people.apply(
        account("leaver"), binding(people.name, "RoleBinding", ("ClusterRole", "ropewalk-predict"), "leaver", "leaver")
    )
    header = bearer(people, "leaver")
    assert await verdict(gate, header) is Verdict.ALLOWED
    kubectl("-n", people.name, "delete", "rolebinding", "leaver")
    assert await verdict(gate, header) is Verdict.ALLOWED
    await becomes(gate, header, Verdict.FORBIDDEN)
    kubectl("-n", people.name, "delete", "serviceaccount", "leaver")
    await becomes(gate, header, Verdict.UNKNOWN)


async def becomes(gate: TokenReviews, header: bytes, expected: Verdict) -> None:
    """Wait for that verdict as long as the API server's own caches take."""
    await eventually_async(lambda: verdict(gate, header), until=lambda seen: seen is expected, seconds=20, pause=0.2)


async def test_in_an_outage_those_stay_who_were_let_in(
    gate: TokenReviews, api: Counting, people: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while, and nobody else comes in; a short outage is no trouble of the resource's, a long one is."""
    monkeypatch.setattr(token_review, "ALLOWED_SECONDS", 0.0)
    known, new = bearer(people, "anyone"), bearer(people, "someone")
    assert await verdict(gate, known) is Verdict.ALLOWED
    assert gate.problem == ""
    api.away()
    assert await verdict(gate, known) is Verdict.ALLOWED
    assert await verdict(gate, new) is Verdict.UNAVAILABLE
    assert gate.problem == ""
    monkeypatch.setattr(token_review, "OUTAGE_SECONDS", 0.0)
    assert await verdict(gate, known) is Verdict.UNAVAILABLE
    assert "cannot be asked" in gate.problem


async def test_a_reviewer_without_rights_is_told_what_to_do(identity: Path, people: Namespace) -> None:
    """Before any client comes; and once it has them, it works."""
    (identity / "token").write_text(token(people, "nobody"))
    api = Counting(identity, Asked(people.name, "churn"))
    gate = TokenReviews(api)
    with pytest.raises(
        Unavailable, match=r"spec.serviceAccountName may not create tokenreviews .403.: .*auth-delegator"
    ):
        api.probe()
    assert await verdict(gate, bearer(people, "anyone")) is Verdict.UNAVAILABLE
    assert "system:auth-delegator" in gate.problem
    (identity / "token").write_text(token(people, "reviewer"))
    assert await verdict(gate, bearer(people, "anyone")) is Verdict.ALLOWED
    assert gate.problem == ""
    gate.close()


async def test_many_wrong_tokens_push_nobody_out(
    gate: TokenReviews, api: Counting, people: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of them is bounded, and so is how many are asked about at one time."""
    monkeypatch.setattr(token_review, "MAX_KEPT", 5)
    monkeypatch.setattr(token_review, "MAX_ASKING", 20)
    known = bearer(people, "anyone")
    assert await verdict(gate, known) is Verdict.ALLOWED
    flood = [gate.ask(b"Bearer wrong-%d" % number) for number in range(50)]
    assert flood.count(Verdict.UNAVAILABLE) == 30
    assert {await one for one in flood if not isinstance(one, Verdict)} == {Verdict.UNKNOWN}
    assert gate.ask(known) is Verdict.ALLOWED
    assert api.asked == 21


async def test_a_flood_locks_nobody_out_who_was_in(
    gate: TokenReviews, people: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no more may be asked about, the last answer holds a while."""
    monkeypatch.setattr(token_review, "ALLOWED_SECONDS", 0.0)
    known = bearer(people, "anyone")
    assert await verdict(gate, known) is Verdict.ALLOWED
    monkeypatch.setattr(token_review, "MAX_ASKING", 0)
    assert gate.ask(known) is Verdict.ALLOWED
    assert gate.ask(bearer(people, "someone")) is Verdict.UNAVAILABLE


def test_over_both_protocols(tmp_path: Path, identity: Path, people: Namespace) -> None:
    """A server process: 401, 403 and what gRPC has for them, the health check open, refusals counted."""
    (host, port), _ = where()
    versions = write(tmp_path)
    server = Server(tmp_path, next_ports())
    server.environment = {
        "ROPEWALK_AUTHENTICATION": "Kubernetes",
        "ROPEWALK_MODEL": "cancer",
        "ROPEWALK_NAMESPACE": people.name,
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
    }
    server.tell(MIXED, versions)
    server.start()
    server.until(lambda: server.get("/readyz", monitoring=True)[0] == 200)
    allowed, forbidden = token(people, "anyone"), token(people, "someone")
    path = "/v1/models/cancer"
    asked = [server.request("GET", path, None, authorization=f"Bearer {one}")[0] for one in (allowed, forbidden, "x")]
    assert asked == [200, 403, 401]
    assert server.get(path)[0] == 401
    with connected(server) as client:

        def code(path: str, *metadata: tuple[str, str]) -> grpc.StatusCode:
            call = client.raw(path)
            try:
                call(b"", timeout=10, metadata=metadata)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        live = "/inference.GRPCInferenceService/ServerLive"
        assert code(live, ("authorization", f"Bearer {allowed}")) is grpc.StatusCode.OK
        assert code(live, ("authorization", f"Bearer {forbidden}")) is grpc.StatusCode.PERMISSION_DENIED
        assert code(live, ("authorization", "Bearer y")) is grpc.StatusCode.UNAUTHENTICATED
        assert code(live) is grpc.StatusCode.UNAUTHENTICATED
        assert code("/grpc.health.v1.Health/Check") is grpc.StatusCode.OK
    counted = server.get("/metrics", monitoring=True)[1]["text"]
    assert 'reason="unauthorized"} 4' in counted
    assert 'reason="forbidden"} 2' in counted
    assert allowed not in server.log()
    assert server.stop() == 0
