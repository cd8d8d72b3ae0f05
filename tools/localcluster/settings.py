"""Names, versions, paths and addresses of the embedded cluster.

All addresses are in 198.18.0.0/15, the range reserved for benchmarks. It is neither private nor public, so that no
traffic of the cluster collides with a network.
"""

from __future__ import annotations

import os
from pathlib import Path

KUBERNETES_VERSION = "v1.35.4"
SOURCE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ropewalk"
BINARIES = CACHE / "bin" / f"k8s-{KUBERNETES_VERSION}"
STATE = Path("/var/lib/ropewalk-cluster")
KUBECONFIG = STATE / "admin.kubeconfig"
CONTAINERD_SOCKET = STATE / "containerd.sock"
AUDIT_LOG = STATE / "logs" / "audit.log"

NODE = "ropewalk"
DEVICE = "ropewalk0"
NODE_ADDRESS = "198.18.255.1"
POD_RANGE = "198.18.0.0/24"
SERVICE_RANGE = "198.19.0.0/16"
API_SERVICE_ADDRESS = "198.19.0.1"
API_SERVER = f"https://{NODE_ADDRESS}:6443"
PAUSE_IMAGE = "localhost/pause:1"
BASE_IMAGE = "localhost/ropewalk/base:2"
"""Its tag is the version of how it is made: another one is another image and another file in the cache."""
VOLUMES = 40


class ClusterError(Exception):
    """Something that the person at the terminal can mend; the message says what and how."""
