"""What the operator takes care of by itself, on the real cluster: lost children and status, an old store, engines."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from examples.demo import FILES_POD
from tests.cancer import cancer_csv
from tests.cluster.resources import example, finished, pipeline, write_csv
from tests.cluster.traffic import Load, ask
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

ROW = {"instances": [{}]}


def helper_job(namespace: Namespace, kind: str, after: int = 0) -> dict[str, Any]:
    """The last helper job once it is of that kind, newer than the helper job `after`, and has succeeded."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = namespace.get("pipeline", "kept").get("status", {}).get("errand", {})
        return found

    return eventually(
        look,
        until=lambda e: e.get("type") == kind and e.get("id", 0) > after and e.get("state") == "Succeeded",
        seconds=90,
    )


def patch_status(namespace: Namespace, **changes: object) -> None:
    """Change some of the Pipeline's status behind the operator's back."""
    body = json.dumps({"status": changes})
    kubectl("-n", namespace.name, "patch", "pipeline", "kept", "--subresource=status", "--type=merge", "-p", body)


@pytest.fixture(scope="module")
def kept(namespace: Namespace) -> Namespace:
    """A Pipeline that keeps one run and one version, after three runs; any model is good enough for it."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    namespace.apply(
        {
            **json.loads(json.dumps(FILES_POD).replace('"claimName": "data"', '"claimName": "models"')),
            "metadata": {"name": "store"},
        }
    )
    artifacts = {**example("pipeline.yaml")["spec"]["artifacts"], "keep": {"runs": 1, "versions": 1}}
    body = pipeline("kept", artifacts=artifacts, evaluate={})
    namespace.apply(body)
    finished(namespace, "kept")
    for run in (2, 3):
        at = f"ropewalk.dev/run-requested-at={datetime.now(UTC).isoformat()}"
        kubectl("-n", namespace.name, "annotate", "--overwrite", "pipeline", "kept", at)
        ended = finished(namespace, "kept", run=run)
        assert ended["status"]["history"][-1]["result"] == "Succeeded", ended["status"]
    return namespace


def place(namespace: Namespace) -> str:
    """The Pipeline's folder, as the pod `store` sees it."""
    uri = example("pipeline.yaml")["spec"]["artifacts"]["uri"].removeprefix("pvc://models").strip("/")
    return f"/data/{uri}/{namespace.name}/kept"


def stored_versions(namespace: Namespace) -> set[str]:
    """Names of the versions in the store."""
    return set(namespace.pod_exec("store", f"ls {place(namespace)}/models").split())


def test_what_is_not_kept_goes_with_the_second_sweep(kept: Namespace) -> None:
    """And neither the champion nor what stays by number is touched."""
    last = helper_job(kept, "Sweep")
    for _ in range(2):  # the first one may have come between two runs, and noted nothing
        assert stored_versions(kept) == {"1", "2", "3"}, "a sweep before the last only marks"
        long_ago = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        dates = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+]00:00)"
        kept.pod_exec("store", f"sed -i -E 's/{dates}/{long_ago}/g' {place(kept)}/sweep.json")
        patch_status(kept, sweptAt=long_ago, sweepWaiting=1)
        last = helper_job(kept, "Sweep", after=int(last["id"]))
        if stored_versions(kept) != {"1", "2", "3"}:
            break
    left = stored_versions(kept)
    champion = str(kept.get("pipeline", "kept")["status"]["champion"]["version"])
    assert champion in left
    assert "3" in left
    assert len(left) < 3


def test_a_lost_status_is_recovered_from_the_store(kept: Namespace) -> None:
    """The champion is the same as before, and nothing was trained again."""
    before = kept.get("pipeline", "kept")
    born = datetime.fromisoformat(before["metadata"]["creationTimestamp"])
    eventually(lambda: datetime.now(UTC) - born > timedelta(minutes=1, seconds=2), seconds=70)
    body = json.dumps([{"op": "remove", "path": "/status"}])
    kubectl("-n", kept.name, "patch", "pipeline", "kept", "--subresource=status", "--type=json", "-p", body)
    helper_job(kept, "Recover")
    after = kept.get("pipeline", "kept")["status"]
    assert after["champion"]["version"] == before["status"]["champion"]["version"]
    assert after["champion"]["digest"] == before["status"]["champion"]["digest"]
    assert after["lastRunId"] == int(before["status"]["history"][-1]["id"])


def ready(namespace: Namespace, name: str, seconds: float = 60) -> dict[str, Any]:
    """The ModelDeployment once it is Ready."""
    return eventually(
        lambda: namespace.get("modeldeployment", name),
        until=lambda m: condition(m, "Ready").get("status") == "True",
        seconds=seconds,
    )


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    """A ModelDeployment that follows the Pipeline."""
    found = example("modeldeployment.yaml")
    found["metadata"]["name"] = name
    found["spec"] |= {"model": {"pipeline": "kept"}, **spec}
    return found


def test_children_that_somebody_deletes_come_back(kept: Namespace) -> None:
    """Whatever kind they are of, within seconds."""
    kept.apply(deployment("kept"))
    ready(kept, "kept")
    children = {"service": "kept", "networkpolicy": "kept-server", "poddisruptionbudget": "kept-server"}
    children |= {"serviceaccount": "kept-server", "deployment": "kept-server"}
    for kind, name in children.items():
        uid = kept.get(kind, name)["metadata"]["uid"]
        kubectl("-n", kept.name, "delete", kind, name, "--wait=false")

        def look(kind: str = kind, name: str = name) -> dict[str, Any]:
            return kept.get(kind, name)

        eventually(look, until=lambda one, uid=uid: one.get("metadata", {}).get("uid", uid) != uid, seconds=15)
    ready(kept, "kept")


def test_a_rolling_restart_under_load_fails_no_request(kept: Namespace) -> None:
    """Readiness goes, then the Service's clients, then the pod: in this order."""
    kept.apply(deployment("kept"))
    kubectl("-n", kept.name, "patch", "modeldeployment", "kept", "--type=merge", "-p", '{"spec": {"replicas": 2}}')
    eventually(lambda: kept.get("modeldeployment", "kept"), until=lambda m: m["status"].get("readyReplicas") == 2)
    ready(kept, "kept")
    ask(kept, "kept", "/v1/models/kept:predict", ROW)  # until kube-proxy knows the pods

    def uids() -> list[str]:
        return [p["metadata"]["uid"] for p in kept.list("pods", "ropewalk.dev/modeldeployment=kept")]

    before = uids()
    with Load.rest(kept, "kept") as load, Load.grpc(kept, "kept") as calls:
        kubectl("-n", kept.name, "rollout", "restart", "deployment/kept-server")
        kubectl("-n", kept.name, "rollout", "status", "deployment/kept-server", "--timeout=60s")
        old = set(before)
        eventually(lambda: old & set(uids()), until=lambda left: not left, seconds=60)
        ended = [load.end(), calls.end()]
    for said in ended:
        assert said["failed"] == [], said
        assert said["done"] > 100


def test_a_token_opens_and_a_missing_secret_is_named(kept: Namespace) -> None:
    """Fails closed: nobody is answered while the Secret is not there, and status says which field is meant."""
    kept.apply(deployment("locked", serving={"authentication": {"type": "Token", "secret": "nowhere"}}))
    tokens = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tokens"},
        "stringData": {"one": "open-sesame"},
    }
    kept.apply(tokens, deployment("guarded", serving={"authentication": {"type": "Token", "secret": "tokens"}}))
    ready(kept, "guarded")
    path = "/v1/models/guarded:predict"
    status, answer = ask(kept, "guarded", path, ROW)
    assert status == 401, answer
    status, answer = ask(kept, "guarded", path, ROW, authorization="Bearer open-sesame")
    assert status == 400, answer
    seen = eventually(
        lambda: kept.get("modeldeployment", "locked").get("status", {}),
        until=lambda s: "spec.serving.authentication" in s.get("summary", {}).get("message", ""),
    )
    assert condition({"status": seen}, "Ready")["status"] == "False"


def test_tokens_of_the_cluster_open_by_rbac(kept: Namespace) -> None:
    """Without its binding the deployment says which one it needs; then who may, may, until it is taken away."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    to = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}

    def subject(name: str) -> list[dict[str, str]]:
        return [{"kind": "ServiceAccount", "name": name, "namespace": kept.name}]

    accounts = ("reviewer", "web", "stranger")
    kept.apply(*({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}} for name in accounts))
    serving = {"authentication": {"type": "Kubernetes"}}
    kept.apply(deployment("asked", serving=serving, serviceAccountName="reviewer"))
    seen = eventually(
        lambda: kept.get("modeldeployment", "asked"),
        until=lambda m: "system:auth-delegator" in m.get("status", {}).get("summary", {}).get("message", ""),
    )
    assert condition(seen, "Ready")["status"] == "False"
    delegator = {
        **rbac,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": kept.name},
        "roleRef": {**to, "name": "system:auth-delegator"},
        "subjects": subject("reviewer"),
    }
    web = {
        **rbac,
        "kind": "RoleBinding",
        "metadata": {"name": "web"},
        "roleRef": {**to, "name": "ropewalk-predict"},
        "subjects": subject("web"),
    }
    kept.apply(delegator, web)
    try:
        ready(kept, "asked")
        tokens = {name: kubectl("-n", kept.name, "create", "token", name).stdout.strip() for name in accounts}

        def status(name: str) -> int:
            path, bears = "/v1/models/asked:predict", f"Bearer {tokens[name]}"
            return ask(kept, "asked", path, ROW, authorization=bears)[0]

        assert status("web") == 400  # let in: the row lacks features
        assert status("stranger") == 403
        assert ask(kept, "asked", "/v1/models/asked:predict", ROW)[0] == 401
        kubectl("-n", kept.name, "delete", "rolebinding", "web")
        eventually(lambda: status("web"), until=lambda found: found == 403, seconds=75)
    finally:
        kubectl("delete", "clusterrolebinding", kept.name)


def test_tensorflow_serves_where_it_is_asked_for(kept: Namespace) -> None:
    """In its own image, with the answers of the compiled engine."""
    kept.apply(deployment("heavy", serving={"engine": "TensorFlow"}))
    served = ready(kept, "heavy", seconds=120)
    assert served["status"]["live"]["engine"] == "TensorFlow"
    assert served["status"]["serverImage"] == "localhost/ropewalk/server-tf:dev"
    status, answer = ask(kept, "heavy", "/v1/models/heavy:predict", ROW)
    assert status == 400
    assert "missing" in answer["error"]
