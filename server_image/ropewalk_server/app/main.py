"""`ropewalk-serve`: the server of a pod, and the smoke test of a run."""

from __future__ import annotations

import argparse
import sys

from ropewalk_contract import wire
from ropewalk_server.serving.processors import bound_threads


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit code."""
    parser = argparse.ArgumentParser(prog=wire.SERVE_PROGRAM)
    commands = {
        wire.SERVE_COMMAND: "answer predictions as the routes file says",
        wire.SMOKE_TEST_COMMAND: "try the candidate of a run and put it in its place",
    }
    parser.add_argument("command", choices=list(commands), help="; ".join(f"{k}: {v}" for k, v in commands.items()))
    command = parser.parse_args(arguments).command
    bound_threads()
    if command == wire.SERVE_COMMAND:
        from ropewalk_server.app import process

        return process.main()
    from ropewalk_server.app import smoke_test

    return smoke_test.main()


if __name__ == "__main__":
    sys.exit(main())
