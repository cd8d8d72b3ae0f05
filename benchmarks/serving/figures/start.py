"""From the start of our process to its first right answer."""

from __future__ import annotations

from benchmarks.serving.run import Run

STARTS = 5
TARGET_SECONDS = 1.0


def measure(run: Run) -> None:
    """Each network, several times; the peers' starts are measured with their speed."""
    for model in ("mlp", "cnn"):
        seconds = []
        for _ in range(STARTS):
            with run.bench.ours(model) as server:
                seconds.append(server.first_answer)
        run.results.figure(f"process start to first answer, {model}", seconds, "s", TARGET_SECONDS)
