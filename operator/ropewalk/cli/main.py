"""The command `ropewalk`: for now, the operator itself."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from ropewalk_contract import wire

from ..core.plan import Config


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="ropewalk", description="MLOps on Kubernetes with two resources.")
    commands = parser.add_subparsers(dest="command", required=True)
    operator = commands.add_parser("operator", help="watch Pipelines and ModelDeployments and act on them")
    operator.add_argument("--kubeconfig", help="run outside the cluster, as the user of this kubeconfig")
    operator.add_argument("--context", help="the kubeconfig's context (default: its current one)")
    operator.add_argument("--namespace", action="append", default=[], help="watch only this namespace; may be repeated")
    operator.add_argument(
        "--port", type=int, default=wire.OPERATOR_PORT, help="of /healthz, /readyz and /metrics (default: %(default)s)"
    )
    operator.add_argument(
        "--trainer-image",
        default=os.environ.get(wire.TRAINER_IMAGE_VARIABLE),
        help="image of training Jobs (default: $ROPEWALK_TRAINER_IMAGE)",
    )
    operator.add_argument(
        "--server-image",
        default=os.environ.get(wire.SERVER_IMAGE_VARIABLE),
        help="image of servers (default: $ROPEWALK_SERVER_IMAGE)",
    )
    operator.add_argument(
        "--server-tf-image",
        default=os.environ.get(wire.SERVER_TF_IMAGE_VARIABLE, ""),
        help="image of servers with TensorFlow, for models that nothing else serves (default: "
        "$ROPEWALK_SERVER_TF_IMAGE)",
    )
    operator.add_argument(
        "--operator-namespace",
        default=os.environ.get("POD_NAMESPACE", "ropewalk-system"),
        help="where the Lease is kept (default: $POD_NAMESPACE or ropewalk-system)",
    )
    operator.add_argument(
        "--identity",
        default=os.environ.get(wire.POD_VARIABLE, ""),
        help="holder of the Lease (default: $POD_NAME, else made up); two with the same must never run at once",
    )
    operator.add_argument("--verbose", action="store_true", help="log more")
    options = parser.parse_args(arguments)
    for name in ("trainer_image", "server_image"):
        if not getattr(options, name):
            flag = name.replace("_", "-")
            parser.error(f"--{flag} or ROPEWALK_{name.upper()} must name an image that this cluster can pull")
    return _operator(options)


def _operator(options: argparse.Namespace) -> int:
    from kubernetes.config import ConfigException

    from ..shell import app, logs

    logs.configure(options.verbose)
    config = Config(options.trainer_image, options.server_image, options.operator_namespace, options.server_tf_image)
    settings = app.Options(
        config=config,
        kubeconfig=options.kubeconfig,
        context=options.context,
        namespaces=tuple(options.namespace),
        port=options.port,
        identity=options.identity,
    )
    try:
        asyncio.run(app.run(settings))
    except ConfigException as error:
        print(f"ropewalk: no cluster to talk to: {error}; give --kubeconfig or run in a pod", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"ropewalk: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
