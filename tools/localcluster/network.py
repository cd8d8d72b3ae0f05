"""Address of the node, route of the service range, network of the pods. `down` removes all of them.

Pods are connected point to point (CNI `ptp`). All traffic is routed by the node, so that kube-proxy's translation of
service addresses works without the kernel's bridge filter.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tools.localcluster.settings import DEVICE, NODE_ADDRESS, POD_RANGE, SERVICE_RANGE, STATE

CNI = STATE / "cni"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def _run(*command: str, check: bool = True) -> str:
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def up() -> None:
    """Address, route, forwarding and the CNI configuration. Harmless when they are there.

    The kernel may lack the `dummy` device: a bridge without ports holds the node's address instead. The route keeps
    service addresses that nothing translates from leaving by the default route.
    """
    if not Path(f"/sys/class/net/{DEVICE}").exists():
        _run("ip", "link", "add", DEVICE, "type", "bridge")
    _run("ip", "address", "replace", f"{NODE_ADDRESS}/32", "dev", DEVICE)
    _run("ip", "link", "set", DEVICE, "up")
    _run("ip", "route", "replace", SERVICE_RANGE, "dev", DEVICE, "src", NODE_ADDRESS)
    before = STATE / "ip_forward.before"
    if not before.exists():
        before.write_text(FORWARDING.read_text())
    FORWARDING.write_text("1")
    CNI.mkdir(parents=True, exist_ok=True)
    plugin = {
        "type": "ptp",
        "mtu": 1500,
        "ipam": {
            "type": "host-local",
            "dataDir": str(STATE / "ipam"),
            "ranges": [[{"subnet": POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    document = {"cniVersion": "0.4.0", "name": "ropewalk", "plugins": [plugin]}
    (CNI / "10-ropewalk.conflist").write_text(json.dumps(document, indent=1))


def down() -> None:
    """Take all of it away; what is not there is no error."""
    for namespace in Path("/run/netns").glob("cni-*"):
        _run("ip", "netns", "delete", namespace.name, check=False)
    _run("ip", "link", "delete", DEVICE, check=False)
    for family in ("ip", "ip6"):
        _run("nft", "delete", "table", family, "kube-proxy", check=False)
    before = STATE / "ip_forward.before"
    if before.exists():
        FORWARDING.write_text(before.read_text())
        before.unlink()
