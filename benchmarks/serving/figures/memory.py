"""Whether memory grows under a long load."""

from __future__ import annotations

from benchmarks.serving.run import Run

GROWTH_PERCENT = 5.0


def measure(run: Run) -> None:
    """Resident memory of our server at two moments of a load of single rows and of hundreds in turn."""
    first, last = run.memory_seconds
    with run.bench.ours("mlp") as server:
        bodies = [server.body("mlp", 1), server.body("mlp", 100)]
        resident = []
        for seconds in (first, last - first):
            for body in bodies:
                server.load(body, seconds / len(bodies))
            resident.append(server.process.rss_mib())
    run.results.figure(f"resident memory after {first:g} s of load", resident[0], "MiB")
    growth = 100 * (resident[1] / resident[0] - 1)
    shown = f"{resident[1]:.1f} MiB after {last:g} s"
    run.results.figure(f"growth of memory from {first:g} s to {last:g} s", growth, "%", GROWTH_PERCENT, shown)
