"""How the API server is reached: the in-cluster service account or a kubeconfig, read by the kubernetes package."""

from __future__ import annotations

import functools
import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS = 60


@dataclass(frozen=True)
class Connection:
    """Where the API server is and who we are to it."""

    server: str
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    token: str | None
    verify: bool
    in_cluster: bool

    def bearer(self) -> str | None:
        """The token of now: a service account's is renewed on disk by kubelet within its life of an hour.

        It is read once a minute, as client-go does: the old token is valid for long after a new one is there.
        """
        return _service_account_token(int(time.monotonic() // TOKEN_SECONDS)) if self.in_cluster else self.token

    def ssl_context(self) -> ssl.SSLContext:
        """TLS with the cluster's own authority and, where there is one, the client's certificate."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@functools.lru_cache(maxsize=1)
def _service_account_token(period: int) -> str:
    """The token on disk, read once in each `period`."""
    return (SERVICE_ACCOUNT / "token").read_text().strip()


async def connect(kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """The in-cluster account when there is one and no kubeconfig is named, else the kubeconfig.

    Raises kubernetes.config.ConfigException with a sentence when neither can be read.
    """
    from kubernetes.aio import client, config

    settings = client.Configuration()
    in_cluster = kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ
    if in_cluster:
        config.load_incluster_config(client_configuration=settings)
    else:
        await config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=settings, persist_config=False
        )
    token = str(settings.api_key.get("BearerToken") or settings.api_key.get("authorization") or "")
    return Connection(
        server=settings.host.rstrip("/"),
        ca_file=settings.ssl_ca_cert,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        token=token.removeprefix("Bearer ").removeprefix("bearer ") or None,
        verify=settings.verify_ssl,
        in_cluster=in_cluster,
    )
