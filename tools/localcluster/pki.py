"""Keys, certificates and kubeconfigs of the cluster, made once with openssl and kept in its state folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tools.localcluster.settings import API_SERVER, API_SERVICE_ADDRESS, KUBECONFIG, NODE, NODE_ADDRESS, STATE

PKI = STATE / "pki"
NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
# file name: (common name, organisation)
CLIENTS = {
    "admin": ("ropewalk-admin", "system:masters"),
    "apiserver-kubelet": ("kube-apiserver-kubelet-client", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "coredns": ("coredns", ""),
}


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=PKI, check=True, capture_output=True)


def _certificate(name: str, subject: str, extensions: str) -> None:
    """A key and a certificate of the cluster's authority, with these X.509 extensions."""
    (PKI / f"{name}.ext").write_text(extensions)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]
    _openssl("req", "-new", *key, "-subj", subject, "-out", f"{name}.csr")
    signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650"]
    _openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", f"{name}.ext", "-out", f"{name}.crt")


def kubeconfig(name: str) -> Path:
    """Path of the kubeconfig of a client."""
    return KUBECONFIG if name == "admin" else STATE / f"{name}.kubeconfig"


def _write_kubeconfig(name: str) -> None:
    """A kubeconfig that names the certificate files (JSON is YAML)."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "ropewalk", "cluster": {"server": API_SERVER, "certificate-authority": str(PKI / "ca.crt")}}
        ],
        "users": [
            {
                "name": name,
                "user": {"client-certificate": str(PKI / f"{name}.crt"), "client-key": str(PKI / f"{name}.key")},
            }
        ],
        "contexts": [{"name": "ropewalk", "context": {"cluster": "ropewalk", "user": name}}],
        "current-context": "ropewalk",
    }
    kubeconfig(name).write_text(json.dumps(document, indent=1))
    kubeconfig(name).chmod(0o600)


def ensure() -> None:
    """Make everything, unless it is there whole (the marker is written last)."""
    if (PKI / "complete").exists():
        return
    PKI.mkdir(parents=True, exist_ok=True, mode=0o700)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", "/CN=ropewalk-ca")
    names = ",".join(
        [f"DNS:{n}" for n in NAMES] + [f"IP:{a}" for a in ("127.0.0.1", NODE_ADDRESS, API_SERVICE_ADDRESS)]
    )
    _certificate("apiserver", "/CN=kube-apiserver", f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    for name, (common, organisation) in CLIENTS.items():
        subject = (f"/O={organisation}" if organisation else "") + f"/CN={common}"
        _certificate(name, subject, "extendedKeyUsage=clientAuth\n")
        _write_kubeconfig(name)
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sa.key")
    _openssl("ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")
    (PKI / "complete").touch()
