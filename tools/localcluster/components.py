"""Flags of the control plane and of the node agents, with the reason where it is not obvious."""

from __future__ import annotations

import json

from tools.localcluster.pki import PKI, kubeconfig
from tools.localcluster.settings import (
    AUDIT_LOG,
    BINARIES,
    CONTAINERD_SOCKET,
    NODE,
    NODE_ADDRESS,
    POD_RANGE,
    SERVICE_RANGE,
    STATE,
)

ETCD = "http://127.0.0.1:23790"
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "None", "users": ["system:apiserver", f"system:node:{NODE}"]},
        {"level": "Metadata"},
    ],
}
KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "makeIPTablesUtilChains": False,
    "address": NODE_ADDRESS,
    "authentication": {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": str(PKI / "ca.crt")},
    },
    "authorization": {"mode": "Webhook"},
    "cgroupDriver": "cgroupfs",
    "clusterDNS": [NODE_ADDRESS],
    "clusterDomain": "cluster.local",
    "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
    # The disk belongs to the machine: its filling up is no reason to evict pods or to delete images here.
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
    "failCgroupV1": False,
    "failSwapOn": False,
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    # A lower value than the default 0 needs CAP_SYS_RESOURCE.
    "oomScoreAdj": 0,
    "podLogsDir": str(STATE / "pod-logs"),
    "readOnlyPort": 0,
    # The host's resolver must not leak into pods.
    "resolvConf": "/dev/null",
    "rotateCertificates": False,
    "volumePluginDir": str(STATE / "volume-plugins"),
}
COREFILE = f""".:53 {{
    bind {NODE_ADDRESS}
    errors
    kubernetes cluster.local {{
        kubeconfig {kubeconfig("coredns")}
        ttl 5
    }}
}}
"""


def write_configuration() -> None:
    """The files that the flags below name."""
    (STATE / "audit-policy.yaml").write_text(json.dumps(AUDIT_POLICY))
    (STATE / "kubelet.yaml").write_text(json.dumps(KUBELET))
    (STATE / "Corefile").write_text(COREFILE)


def etcd() -> list[str]:
    """etcd without fsync: the cluster is for tests and a demonstration, and survives a kill, not a power cut."""
    peer = "http://127.0.0.1:23800"
    return [
        str(BINARIES / "etcd"),
        f"--data-dir={STATE}/etcd",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver() -> list[str]:
    """The API server, on the node's address so that pods reach it too."""
    return [
        str(BINARIES / "kube-apiserver"),
        f"--etcd-servers={ETCD}",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={PKI}/ca.crt",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet.key",
        # The node's name resolves nowhere; logs and exec go to its address.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--audit-log-path={AUDIT_LOG}",
        f"--audit-policy-file={STATE}/audit-policy.yaml",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
    ]


def controller_manager() -> list[str]:
    """All controllers, each under its own service account."""
    return [
        str(BINARIES / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig('controller-manager')}",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--root-ca-file={PKI}/ca.crt",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def scheduler() -> list[str]:
    """The scheduler."""
    return [
        str(BINARIES / "kube-scheduler"),
        f"--kubeconfig={kubeconfig('scheduler')}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def kubelet() -> list[str]:
    """kubelet."""
    return [
        str(BINARIES / "kubelet"),
        f"--config={STATE}/kubelet.yaml",
        f"--kubeconfig={kubeconfig('kubelet')}",
        f"--root-dir={STATE}/kubelet",
        f"--cert-dir={STATE}/kubelet/pki",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
    ]


def proxy() -> list[str]:
    """kube-proxy; the machine's limits on connection tracking are left as they are."""
    return [
        str(BINARIES / "kube-proxy"),
        f"--kubeconfig={kubeconfig('proxy')}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_RANGE}",
        f"--hostname-override={NODE}",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--healthz-bind-address=127.0.0.1:10256",
        "--oom-score-adj=0",
    ]


def coredns() -> list[str]:
    """The cluster's DNS, as a process of the node; it forwards nothing."""
    return [str(BINARIES / "coredns"), "-conf", str(STATE / "Corefile")]
