"""`python -m benchmarks.serving`: our server beside its peers on this machine, one JSON object a line."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from benchmarks.report import machine
from benchmarks.serving import tools, written
from benchmarks.serving.figures import binary, grpc, ids, memory, overhead, overload, points, speed, start
from benchmarks.serving.results import Results
from benchmarks.serving.run import Run
from benchmarks.serving.servers import Bench, ServerError
from benchmarks.serving.setups import ENGINES, SETUPS
from benchmarks.serving.tools import ToolError

FIGURES: dict[str, ModuleType] = {
    "single": speed,
    "rows100": speed,
    "cnn": speed,
    "ids5": ids,
    "points": points,
    "binary": binary,
    "grpc": grpc,
    "start": start,
    "memory": memory,
    "overload": overload,
    "overhead": overhead,
}
"""By the name that --only takes; the first three are measured together, each server started once a network."""


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line names; 0 even where a target is missed."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is ended on the way out
    peers = set(options.peers.split(",")) - {""}
    chosen = tuple(setup for setup in SETUPS if setup.peer in peers)
    settings = {name: getattr(options, name) for name in ("seconds", "rounds", "memory_seconds", "only")}
    results = Results(machine(), settings | {"commit": _commit()})
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        bench.write_models()
        run = Run(
            bench=bench,
            results=results,
            setups=chosen,
            engines=tuple(options.engines.split(",")),
            only=frozenset(options.only),
            seconds=options.seconds,
            rounds=options.rounds,
            memory_seconds=tuple(options.memory_seconds),
        )
        measures: list[Callable[[Run], None]] = []
        for name in options.only:
            if FIGURES[name].measure not in measures:
                measures.append(FIGURES[name].measure)
        for measure in measures:
            try:
                measure(run)
            except (ServerError, ToolError) as error:
                results.skip(f"{measure.__module__.rpartition('.')[2]}: {error}")
    everything = set(options.only) == set(FIGURES) and chosen == SETUPS and run.engines == ENGINES
    if folder := options.out or (tools.HERE if everything else None):
        written.write(results, folder)
    return 0


def _commit() -> str:
    """The commit that is measured, marked where files differ from it; empty outside of git."""
    command = ["git", "-C", str(tools.HERE), "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    peers = list(dict.fromkeys(setup.peer for setup in SETUPS))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(FIGURES), default=list(FIGURES), help="the figures")
    parser.add_argument("--seconds", type=float, default=10, help="a load's length")
    parser.add_argument("--rounds", type=int, default=3, help="loads of a server, of which the median counts")
    parser.add_argument("--peers", default=",".join(peers), help=f"of {','.join(peers)}; an empty word for none")
    parser.add_argument("--engines", default=",".join(ENGINES), help=f"inside the peers, of {','.join(ENGINES)}")
    parser.add_argument(
        "--memory-seconds", nargs=2, type=float, default=(60, 600), help="when memory is read under load, twice"
    )
    parser.add_argument(
        "--out", type=Path, help="where results.md, results.json and plots go; a run of everything writes them here"
    )
    options = parser.parse_args(arguments)
    for given, known in ((options.peers, peers), (options.engines, ENGINES)):
        if unknown := set(given.split(",")) - {"", *known}:
            parser.error(f"unknown {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
