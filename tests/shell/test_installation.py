"""What is installed: the least rights that the operator's code needs, a restricted pod, and files that fit together.

kubectl renders them in tests/api_server; here is what can be seen without a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ropewalk.core.deployment.observe.pods import NUDGE_ANNOTATION
from ropewalk.core.kinds import CHILDREN, RESOURCES, Kind, Watch
from ropewalk.core.names import MANAGED_BY_LABEL
from ropewalk.shell import lease, metrics
from ropewalk_contract.api.crd import schemas
from ropewalk_server.telemetry import prometheus as server_metrics

MANIFESTS = Path(__file__).parents[2] / "manifests"
DOCUMENTS = {path: list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in MANIFESTS.rglob("*.yaml")}
OBJECTS = [one for found in DOCUMENTS.values() for one in found if {"apiVersion", "metadata"} <= set(one)]
Rights = dict[tuple[str, str], set[str]]


def the(kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    (found,) = (one for one in OBJECTS if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return dict(found)


def rights(role: dict[str, Any]) -> Rights:
    """The verbs by API group and resource."""
    found: Rights = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def resource(kind: Kind) -> tuple[str, str]:
    """API group and plural, as RBAC names a kind."""
    return kind.group, kind.plural


OPERATOR = rights(the("ClusterRole", "ropewalk-operator"))
MADE = {"jobs", "configmaps", "services", "serviceaccounts", "deployments", "poddisruptionbudgets"} | {
    "networkpolicies",
    "horizontalpodautoscalers",
}
DELETED = {"jobs", "pods", "configmaps", "horizontalpodautoscalers"}


def test_what_is_listed_and_watched_may_be_and_no_more() -> None:
    """By the very table that the shell reads and watches by."""
    kinds = (*RESOURCES.values(), *CHILDREN)
    listed = {resource(kind) for kind in kinds}
    watched = {resource(kind) for kind in kinds if kind.watch is not Watch.NONE}
    assert {key for key, verbs in OPERATOR.items() if "list" in verbs} == listed
    assert {key for key, verbs in OPERATOR.items() if "watch" in verbs} == watched


def test_what_is_created_patched_and_deleted_may_be_and_no_more() -> None:
    """Jobs are never changed; pods are the kubelet's and the controllers' to make."""

    def may(verb: str) -> set[str]:
        return {resource for (_, resource), verbs in OPERATOR.items() if verb in verbs}

    statuses = {"pipelines/status", "modeldeployments/status"}
    assert may("create") == MADE | {"events"}
    assert may("patch") == (MADE - {"jobs"}) | {"pods", "events"} | statuses
    assert may("delete") == DELETED
    assert may("update") == {"pipelines/finalizers", "modeldeployments/finalizers"}
    # What is made may be there already, and whose it is has to be told.
    assert may("get") == MADE | {"persistentvolumeclaims", "pipelines", "modeldeployments"}


@pytest.mark.parametrize("kind", ["ClusterRole", "Role"])
def test_no_role_reads_secrets_or_takes_all(kind: str) -> None:
    """Neither the operator's nor the users'."""
    for role in (one for one in OBJECTS if one["kind"] == kind):
        for (group, resource), verbs in rights(role).items():
            assert "*" not in (group, resource, *verbs), role["metadata"]["name"]
            assert resource.split("/")[0] not in ("secrets", "roles", "clusterroles", "nodes")
            assert resource not in ("pods/exec", "pods/log", "pods/ephemeralcontainers")
            assert not verbs & {"impersonate", "escalate", "bind"}


def test_definitions_are_read_by_name_only() -> None:
    """Those two whose schema the operator compares."""
    (rule,) = the("ClusterRole", "ropewalk-definitions")["rules"]
    assert (rule["verbs"], sorted(rule["resourceNames"])) == (["get"], sorted(schemas()))


def test_the_lease_may_be_held_and_no_other() -> None:
    """By its name, but for the create."""
    held, created = the("Role", "ropewalk-operator")["rules"]
    assert (held["resourceNames"], sorted(held["verbs"])) == ([lease.NAME], ["get", "update"])
    assert created["verbs"] == ["create"]


def test_every_binding_finds_its_role_and_its_account() -> None:
    """A typing error there is a 403 at run time."""
    for binding in (one for one in OBJECTS if one["kind"].endswith("RoleBinding")):
        assert the(binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            if subject["kind"] == "ServiceAccount":
                account = the("ServiceAccount", subject["name"])["metadata"]
                assert account["namespace"] == subject["namespace"], "or kustomize does not move it"


def test_the_policy_speaks_of_this_operator_and_its_nudge() -> None:
    """The names in its expressions are those of the code and of the other manifests."""
    policy = the("ValidatingAdmissionPolicy", "ropewalk-operator-pods")
    binding = the("ValidatingAdmissionPolicyBinding", "ropewalk-operator-pods")["spec"]
    assert (binding["policyName"], binding["validationActions"]) == (policy["metadata"]["name"], ["Deny"])
    assert policy["spec"]["failurePolicy"] == "Fail"
    (condition,) = policy["spec"]["matchConditions"]
    pattern = re.fullmatch(r"request\.userInfo\.username\.matches\('(.+)'\)", condition["expression"])
    account = the("Deployment", "ropewalk-operator")["spec"]["template"]["spec"]["serviceAccountName"]
    assert pattern
    assert re.fullmatch(pattern[1], f"system:serviceaccount:ropewalk-system:{account}")
    assert not re.fullmatch(pattern[1], f"system:serviceaccount:ropewalk-system:{account}2")
    own, unchanged = (rule["expression"] for rule in policy["spec"]["validations"])
    assert f"'{MANAGED_BY_LABEL}'" in own
    assert set(re.findall(r"'(ropewalk\.dev/[a-z-]+)'", unchanged)) == {NUDGE_ANNOTATION}
    assert "object.spec == oldObject.spec" in unchanged


def test_the_operators_pod_is_restricted() -> None:
    """What pod security `restricted` asks for, which its namespace enforces."""
    pod = the("Deployment", "ropewalk-operator")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {"emptyDir"}
    labels = the("Namespace", "ropewalk-system")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_probes_ask_what_is_answered() -> None:
    """On the port that the container names."""
    (container,) = the("Deployment", "ropewalk-operator")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: one["httpGet"] for name, one in container.items() if name.endswith("Probe")}
    assert {name: one["path"] for name, one in probes.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {ports[one["port"]] for one in probes.values()} == {8080}


def kustomizations() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every folder with its kustomization."""
    for path, (found, *_) in DOCUMENTS.items():
        if path.name == "kustomization.yaml":
            yield path.parent, found


def test_kustomizations_name_what_there_is_and_leave_nothing_out() -> None:
    """A file that nobody lists would never be installed."""
    named = set()
    for folder, found in kustomizations():
        generated = [file for one in found.get("configMapGenerator", ()) for file in one.get("files", ())]
        for entry in (*found.get("resources", ()), *found.get("configurations", ()), *generated):
            target = (folder / entry).resolve()
            assert (target / "kustomization.yaml").is_file() if target.is_dir() else target.is_file(), (folder, entry)
            named.add(target)
    files = {path.resolve() for path in DOCUMENTS if path.name != "kustomization.yaml"}
    assert files - named == set()


def test_no_name_is_given_twice() -> None:
    """kustomize would refuse to build."""
    ids = [(one["kind"], one["metadata"]["name"]) for one in OBJECTS]
    assert sorted(ids) == sorted(set(ids))


def test_an_operator_for_one_namespace_brings_nothing_that_reaches_further() -> None:
    """All that is cluster-wide is in `shared` or belongs to the operator for every namespace."""
    wide = {"Namespace", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy"}
    for folder in ("base", "namespaced"):
        found = [one for path, many in DOCUMENTS.items() if path.parent == MANIFESTS / folder for one in many]
        assert not {one.get("kind") for one in found} & wide
    ((overlay, *_),) = [
        found for path, found in DOCUMENTS.items() if path == MANIFESTS / "namespaced/kustomization.yaml"
    ]
    (patch,) = yaml.safe_load(overlay["patches"][0]["patch"])
    (container,) = the("Deployment", "ropewalk-operator")["spec"]["template"]["spec"]["containers"]
    assert patch["value"] == [*container["args"], "--namespace=$(POD_NAMESPACE)"]
    assert "POD_NAMESPACE" in {one["name"] for one in container["env"]}


def test_kustomize_knows_every_field_with_an_image() -> None:
    """So that `images:` of an overlay reaches the trainer's and the servers', too."""
    base = dict(kustomizations())[MANIFESTS / "base"]
    literals = [line.partition("=")[0] for line in base["configMapGenerator"][0]["literals"]]
    ((fields, *_),) = [found for path, found in DOCUMENTS.items() if path.name == "image-fields.yaml"]
    assert [one["path"] for one in fields["images"]] == [f"data/{name}" for name in literals]


def test_prometheus_files_have_the_shape_that_prometheus_reads() -> None:
    """As promtool checks it: names, known keys, and the pods' own labels and ports."""
    scrape = yaml.safe_load((MANIFESTS / "monitoring/scrape.yaml").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((MANIFESTS / "monitoring/alerts.yaml").read_text(encoding="utf-8"))
    assert set(scrape) == {"scrape_configs"}
    names = [job["job_name"] for job in scrape["scrape_configs"]]
    assert names == ["ropewalk-operator", "ropewalk-servers"]
    for job in scrape["scrape_configs"]:
        assert set(job) <= {"job_name", "honor_labels", "kubernetes_sd_configs", "relabel_configs"}
        for rule in job["relabel_configs"]:
            assert set(rule) <= {"source_labels", "regex", "action", "target_label"}
    assert set(alerts) == {"groups"}
    seen = [rule["alert"] for group in alerts["groups"] for rule in group["rules"]]
    assert len(seen) == len(set(seen)) > 0
    for group in alerts["groups"]:
        assert set(group) == {"name", "rules"}
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
            assert rule["expr"].count("(") == rule["expr"].count(")")


def test_alerts_ask_for_series_that_exist() -> None:
    """By the names under which the operator and the servers tell them."""
    operator = {name for one in vars(metrics).values() if hasattr(one, "_name") for name in _series(one)}
    source = Path(server_metrics.__file__).read_text(encoding="utf-8")
    servers = {server_metrics.PREFIX + name for name in re.findall(r'PREFIX \+ "([a-z_]+)"', source)}
    asked = set(re.findall(r"ropewalk_[a-z_]+", (MANIFESTS / "monitoring/alerts.yaml").read_text(encoding="utf-8")))
    assert asked
    assert asked - operator - servers == set()


def _series(collector: Any) -> Iterator[str]:
    for family in collector.describe():
        yield family.name
        yield f"{family.name}_count"
