"""python -m tools.localcluster: Kubernetes on this machine, without Docker."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time

from tools.localcluster import cluster, images
from tools.localcluster.settings import KUBECONFIG, ClusterError


def main() -> int:
    """Parse the command line and do it; 0 on success, 1 with one line of reason."""
    parser = argparse.ArgumentParser(prog="python -m tools.localcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the cluster, or what is missing of it")
    commands.add_parser("down", help="end it and remove its state")
    commands.add_parser("status", help="what runs")
    commands.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    commands.add_parser("build-base", help="make the base image")
    build = commands.add_parser("build-image", help="build a Dockerfile with buildah")
    build.add_argument("dockerfile")
    build.add_argument("image")
    build.add_argument("--context", default=".")
    commands.add_parser("load", help="give the cluster an image").add_argument("image")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            started = time.monotonic()
            cluster.up()
            print(f"cluster is up ({time.monotonic() - started:.1f} s); export KUBECONFIG={KUBECONFIG}")
        elif arguments.command == "down":
            cluster.down()
        elif arguments.command == "status":
            return cluster.status()
        elif arguments.command == "kubeconfig":
            print(KUBECONFIG)
        elif arguments.command == "build-base":
            images.build_base()
        elif arguments.command == "build-image":
            images.build(arguments.dockerfile, arguments.image, arguments.context)
        elif arguments.command == "load":
            images.load(arguments.image)
    except ClusterError as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    return 0


def entry() -> int:
    """main, for a reader that may go before the end, as `| head` does; it is told by the exit code alone."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python says it again when it ends
        return 128 + signal.SIGPIPE
    return code


if __name__ == "__main__":
    sys.exit(entry())
