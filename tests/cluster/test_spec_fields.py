"""Fields of a ModelDeployment that other tests leave at their defaults, each seen to do what it says on real pods."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster.resources import LONGEST, deployment, patch, ready
from tests.cluster.traffic import pods, rows, send
from tests.polling import eventually
from tests.support import Namespace, condition, kubectl

TOLERATION = {"key": "example.org/gpu", "operator": "Exists", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def node() -> str:
    """The hostname label of a node where pods may go."""
    found = json.loads(kubectl("get", "nodes", "-o", "json").stdout)["items"]
    label: str = found[0]["metadata"]["labels"]["kubernetes.io/hostname"]
    return label


@pytest.fixture(scope="module")
def longest(versioned: Namespace, node: str) -> Namespace:
    """Two pods under the longest name there is, on a chosen node, that take two rows a request."""
    serving = {
        "limits": {"maxRows": 2},
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [TOLERATION],
    }
    registry = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "registry"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": '{"auths": {}}'},
    }
    served = deployment(LONGEST, replicas=2, serving=serving, imagePullSecrets=[{"name": "registry"}])
    versioned.apply(registry, served)
    ready(versioned, LONGEST, replicas=2)
    return versioned


def test_a_name_of_52_characters_serves(longest: Namespace) -> None:
    """Nothing that is derived from it (pods, labels, the Service's DNS name) gets too long."""
    assert len(LONGEST) == 52
    row = rows()[0][0]
    answer = send(longest, LONGEST, [{"instances": [row]}])[0]
    assert answer.status == 200, answer
    status = longest.get("modeldeployment", LONGEST)["status"]
    assert status["live"]["version"] == 1
    assert status["url"].endswith(f"/v1/models/{LONGEST}")


def test_pods_go_where_they_are_told_and_stay_together(longest: Namespace, node: str) -> None:
    """Selector, tolerations and pull secrets are in the pods; a ReadWriteOnce claim keeps them together."""
    for pod in pods(longest, LONGEST):
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/hostname": node}
        assert TOLERATION in pod["spec"]["tolerations"]
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        terms = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert [term["topologyKey"] for term in terms] == ["kubernetes.io/hostname"]
    said = condition(longest.get("modeldeployment", LONGEST), "Ready")["message"]
    assert "2 of 2 pods" in said
    assert "ReadWriteOnce" in said


def test_limits_hold_and_change_without_a_new_pod(longest: Namespace) -> None:
    """Three rows are one too many, until the limit is raised: servers read it from the routes."""
    body = {"instances": [row for row, _ in rows()[:3]]}
    answer = send(longest, LONGEST, [body])[0]
    assert answer.status == 413, answer
    assert "3 rows" in answer.body["error"]
    assert "2" in answer.body["error"]
    before = {pod["metadata"]["uid"] for pod in pods(longest, LONGEST)}
    patch(longest, LONGEST, serving={"limits": {"maxRows": 3}})
    eventually(
        lambda: [one.status for one in send(longest, LONGEST, [body] * 6)],
        until=lambda found: set(found) == {200},
        seconds=30,
    )
    assert {pod["metadata"]["uid"] for pod in pods(longest, LONGEST)} == before


def test_a_uri_is_served_if_its_digest_is_right(versioned: Namespace) -> None:
    """The directory that the Pipeline made, named without the Pipeline; and not under a digest that is not its own."""
    champion = versioned.get("pipeline", LONGEST)["status"]["champion"]
    right = {"uri": champion["uri"], "digest": champion["manifestDigest"]}
    wrong = {"uri": champion["uri"], "digest": "sha256:" + "0" * 64}
    versioned.apply(deployment("by-uri", model=right), deployment("by-mistake", model=wrong))
    live = ready(versioned, "by-uri")["status"]["live"]
    assert (live["version"], live["uri"]) == (1, champion["uri"])
    assert send(versioned, "by-uri", [{"instances": [rows()[0][0]]}])[0].status == 200
    seen = eventually(
        lambda: versioned.get("modeldeployment", "by-mistake"),
        until=lambda m: "TamperedModel" in m.get("status", {}).get("summary", {}).get("message", ""),
    )
    assert condition(seen, "Ready")["status"] == "False"
    assert not seen["status"].get("live")


def test_tls_shows_the_certificate_of_its_secret(versioned: Namespace, tmp_path: Path) -> None:
    """A client that trusts nothing else is answered, under the name that status gives; one that does not encrypt is
    not."""
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subject = ["-subj", "/CN=encrypted", "-addext", f"subjectAltName=DNS:encrypted.{versioned.name}.svc"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "certificate"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.key": key.read_text(), "tls.crt": certificate.read_text()},
    }
    versioned.apply(secret, deployment("encrypted", serving={"tls": {"secret": "certificate"}}))
    found = ready(versioned, "encrypted")
    assert found["status"]["url"].startswith(f"https://encrypted.{versioned.name}.svc:8501/")
    body = {"instances": [rows()[0][0]]}
    assert send(versioned, "encrypted", [body], ca=certificate.read_text())[0].status == 200
    with pytest.raises(AssertionError, match="exited"):
        send(versioned, "encrypted", [body])


def test_an_autoscaler_decides_alone_how_many_pods_there_are(versioned: Namespace) -> None:
    """It is there as asked for; the number that it sets stands, whatever else of the Deployment changes, until the
    autoscaler is taken away."""
    scaling = {"minReplicas": 1, "maxReplicas": 3, "targetCPUPercent": 60}
    versioned.apply(deployment("scaled", autoscaling=scaling))
    ready(versioned, "scaled")
    scaler = versioned.get("horizontalpodautoscaler", "scaled-server")["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled-server"}
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 3)
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    # No metrics server is here that would make it act: this is the write that it would make.
    kubectl("-n", versioned.name, "scale", "deployment/scaled-server", "--replicas=2")
    ready(versioned, "scaled", replicas=2)
    patch(versioned, "scaled", serving={"tolerations": [TOLERATION]})
    applied = eventually(
        lambda: versioned.get("deployment", "scaled-server")["spec"],
        until=lambda spec: TOLERATION in spec["template"]["spec"].get("tolerations", []),
        seconds=30,
    )
    assert applied["replicas"] == 2
    patch(versioned, "scaled", autoscaling=None)
    eventually(
        lambda: (
            versioned.get("horizontalpodautoscaler", "scaled-server"),
            versioned.get("deployment", "scaled-server")["spec"]["replicas"],
        ),
        until=lambda found: found == ({}, 1),
        seconds=30,
    )
