"""python -m tools.images: build and load the images whose inputs have changed, into kind or the embedded cluster.

An image is loaded under two tags: the one that manifests name, and `inputs-HASH` of the inputs it was built from
(tools/inputs.py). It is up to date when both tags have one digest in the cluster's containerd. Nothing else is
remembered, so a cluster that was removed, or an image that somebody loaded by hand, is seen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from tools.inputs import UnreadableDockerfile, digest, image_digest, patterns_of
from tools.localcluster import containers
from tools.localcluster import images as embedded
from tools.localcluster.settings import BASE_IMAGE, ClusterError

ROOT = Path(__file__).parents[1]
DOCKERFILES = {
    "operator": "operator/Dockerfile",
    "trainer": "trainer_image/Dockerfile",
    "server": "server_image/Dockerfile",
    "server-tf": "server_image/tensorflow.Dockerfile",
}
INSTALLED = ("manifests", "crds")
MARK = "inputs-"


class Cluster(Protocol):
    """A place that images are built for and loaded into."""

    arguments: dict[str, str]

    def ctr(self, *arguments: str) -> str:
        """The output of ctr in the node, in containerd's namespace of Kubernetes."""
        ...

    def build(self, dockerfile: str, image: str) -> None:
        """Build an image."""
        ...

    def load(self, image: str) -> None:
        """Load a built image under its tag."""
        ...


class Kind:
    """A kind cluster of one node, with images from the Docker engine."""

    def __init__(self, name: str = "ropewalk") -> None:
        self.arguments: dict[str, str] = {}
        self._name = name

    def ctr(self, *arguments: str) -> str:
        """See Cluster."""
        node = f"{self._name}-control-plane"
        return _run("docker", "exec", node, "ctr", "--namespace", "k8s.io", *arguments)

    def build(self, dockerfile: str, image: str) -> None:
        """See Cluster."""
        subprocess.run(["docker", "build", "-f", dockerfile, "-t", image, "."], cwd=ROOT, check=True)

    def load(self, image: str) -> None:
        """See Cluster."""
        subprocess.run(["kind", "load", "docker-image", "--name", self._name, image], check=True)


class Embedded:
    """The embedded cluster, with images from buildah."""

    def __init__(self) -> None:
        self.arguments = {"BASE": BASE_IMAGE}

    def ctr(self, *arguments: str) -> str:
        """See Cluster."""
        return containers.ctr(*arguments)

    def build(self, dockerfile: str, image: str) -> None:
        """See Cluster; the base image is made first where it is missing."""
        embedded.build_base()
        embedded.build(str(ROOT / dockerfile), image, str(ROOT))

    def load(self, image: str) -> None:
        """See Cluster."""
        embedded.load(image)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def present(listing: str) -> dict[str, str]:
    """Digest by reference, from the table that `ctr images list` prints (REF, TYPE, DIGEST, ...)."""
    rows = [line.split() for line in listing.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def current(images: dict[str, str], image: str, wanted: str) -> bool:
    """Whether the cluster has this image, built from inputs of that hash."""
    found = images.get(image)
    return found is not None and found == images.get(marked(image, wanted))


def marked(image: str, inputs: str) -> str:
    """The second tag of an image, which names the hash of its inputs."""
    return f"{image.rpartition(':')[0]}:{MARK}{inputs[:20]}"


def stale(images: dict[str, str], image: str, wanted: str) -> list[str]:
    """Second tags of the same image that name other inputs; each would keep an old image on the node."""
    prefix = f"{image.rpartition(':')[0]}:{MARK}"
    return sorted(one for one in images if one.startswith(prefix) and one != marked(image, wanted))


def update(cluster: Cluster, tag: str) -> list[str]:
    """Build and load what is not up to date; the names of those images."""
    there, changed = present(cluster.ctr("images", "list")), []
    for name, dockerfile in DOCKERFILES.items():
        image = f"localhost/ropewalk/{name}:{tag}"
        wanted = image_digest(ROOT, dockerfile, cluster.arguments)  # before the build: an edit during it counts
        if current(there, image, wanted):
            continue
        cluster.build(dockerfile, image)
        cluster.load(image)
        cluster.ctr("images", "tag", "--force", image, marked(image, wanted))
        if old := stale(there, image, wanted):
            cluster.ctr("images", "remove", *old)
        changed.append(name)
    return changed


def installed_digest(cluster: Cluster) -> str:
    """The hash of all that an installed operator consists of: its image's inputs, the manifests and the CRDs."""
    operator = image_digest(ROOT, DOCKERFILES["operator"], cluster.arguments)
    return digest(ROOT, list(INSTALLED), patterns_of(ROOT), {"operator": operator})


def main() -> int:
    """Parse the command line and do it; 0 on success, 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument("--cluster", choices=("kind", "local"), required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("update", help="build and load the images whose inputs have changed")
    building.add_argument("--tag", default="dev")
    commands.add_parser("installed-digest", help="print the hash of the operator's image, manifests and CRDs")
    arguments = parser.parse_args()
    cluster: Cluster = Kind() if arguments.cluster == "kind" else Embedded()
    try:
        if arguments.command == "installed-digest":
            print(installed_digest(cluster))
            return 0
        changed = update(cluster, arguments.tag)
    except subprocess.CalledProcessError as error:
        print(f"images: `{' '.join(error.cmd)}` failed: {(error.stderr or '').strip()[-1500:]}", file=sys.stderr)
        return 1
    except (OSError, ClusterError, UnreadableDockerfile) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    print(f"images: {', '.join(changed) + ' built and loaded' if changed else 'all up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
