"""The token of a service account: renewed on disk by kubelet, read again within a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropewalk.shell import connection
from ropewalk.shell.connection import TOKEN_SECONDS, Connection


def test_a_renewed_token_is_used_within_a_minute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 600.0
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr("time.monotonic", lambda: now)
    connection._service_account_token.cache_clear()
    in_cluster = Connection("https://api", None, None, None, "the kubeconfig's", verify=True, in_cluster=True)
    (tmp_path / "token").write_text("one\n")
    assert in_cluster.bearer() == "one"
    (tmp_path / "token").write_text("two\n")
    assert in_cluster.bearer() == "one"
    now += TOKEN_SECONDS
    assert in_cluster.bearer() == "two"
    connection._service_account_token.cache_clear()
