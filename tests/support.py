"""kubectl, a namespace and conditions, for tests on a real cluster."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run kubectl; with `check` a failure raises with kubectl's own words."""
    done = subprocess.run(
        [os.environ.get("KUBECTL", "kubectl"), *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"kubectl {' '.join(arguments)} exited {done.returncode}: {done.stderr.strip()}")
    return done


@dataclass(frozen=True)
class Namespace:
    """A namespace of one test."""

    name: str

    def apply(self, *documents: dict[str, Any]) -> None:
        """kubectl apply of the documents, in this namespace."""
        body = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        kubectl("-n", self.name, "apply", "-f", "-", stdin=json.dumps(body))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object, or an empty one if it is not there."""
        done = kubectl("-n", self.name, "get", kind, name, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        return found

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind."""
        done = kubectl("-n", self.name, "get", kind, "-l", selector, "-o", "json")
        found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
        return found

    def try_exec(self, pod: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a pod, whatever comes of it."""
        return kubectl("-n", self.name, "exec", pod, "--", "sh", "-c", script, check=False)

    def pod_exec(self, pod: str, script: str, stdin: str | None = None) -> str:
        """Run a shell script in a pod."""
        return kubectl("-n", self.name, "exec", "-i", pod, "--", "sh", "-c", script, stdin=stdin or "").stdout


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type, or an empty one."""
    found = resource.get("status", {}).get("conditions", [])
    return next((c for c in found if c["type"] == kind), {})
