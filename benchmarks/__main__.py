"""`python -m benchmarks [pipeline] [serving] [operator] [rest]`: all of them without a name."""

from __future__ import annotations

import sys

from benchmarks import control, pipeline
from benchmarks.cluster import Api
from benchmarks.report import machine
from benchmarks.rest import run as rest
from benchmarks.serving import cluster as serving

ALL = {"pipeline": pipeline.main, "serving": serving.main, "operator": control.main, "rest": rest.main}


def main() -> int:
    """Run the benchmarks that the command line names."""
    chosen = sys.argv[1:] or list(ALL)
    unknown = [name for name in chosen if name not in ALL]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    machine()
    api = Api()
    try:
        for name in chosen:
            ALL[name](api)
    finally:
        api.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
