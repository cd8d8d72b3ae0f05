"""Twice the load that the server sustains: what it accepts stays fast, the rest is refused at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.serving.run import Run
from benchmarks.serving.servers import Server, ServerError

ROWS = 32
CONCURRENCY = 8
CONNECTIONS = 256
MANY_CONNECTIONS = 1000
TARGET_MILLISECONDS = 50.0
REFUSED = ("429", "503")


def measure(run: Run) -> None:
    """A small network, whose only queue are its clients' connections; then a larger one with a queue to protect."""
    with run.bench.ours("mlp") as server:
        body = server.body("mlp", 1)
        sample = server.load(body, run.seconds, MANY_CONNECTIONS)
    name = f"MLP, 1 row over {MANY_CONNECTIONS} connections, p99"
    shown = f"{sample.rate:,.0f} requests/s, {sample.failed} failed"
    run.results.figure(name, sample.p99, "ms", TARGET_MILLISECONDS, shown)
    _protected(run)


def _protected(run: Run) -> None:
    """The CNN: its requests cost the engine more than the server, so a limit can protect it."""
    results = run.results
    with run.bench.ours("cnn", limits={"maxConcurrency": CONCURRENCY}) as server:
        body = server.body("cnn", ROWS)
        server.load(body, 1, CONCURRENCY)
        sustained = server.load(body, run.seconds, CONCURRENCY).rate
        found = _open_loop(server, body, 2 * sustained, run.seconds)
        answers = found["answers"]
        accepted = answers.get("200", {"count": 0, "p50": float("inf"), "p99": float("inf")})
        refused = sum(answers[status]["count"] for status in REFUSED if status in answers)
        other = found["sent"] - accepted["count"] - refused
        alive = server.post(body)[0] == 200
    setting = f"CNN, {ROWS} rows, {2 * sustained:.0f} requests/s offered, maxConcurrency {CONCURRENCY}"
    results.figure("sustained before the overload", sustained, "requests/s", None, setting)
    results.figure("overload: p99 of accepted requests", accepted["p99"], "ms", TARGET_MILLISECONDS, setting)
    results.figure("overload: accepted", accepted["count"] / run.seconds, "requests/s", None, setting)
    results.figure("overload: refused with 429 or 503", refused / run.seconds, "requests/s", None, setting)
    results.figure("overload: neither accepted nor refused", other, "requests", 0, setting)
    results.figure("overload: found all connections busy", found["unsent"], "requests", None, f"{CONNECTIONS} of them")
    if not alive:
        results.skip("overload: the server did not answer afterwards")


def _open_loop(server: Server, body: bytes, rate: float, seconds: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body")
        file.write_bytes(body)
        command = [sys.executable, "-m", "benchmarks.serving.load.open_loop", str(server.http), server.path, str(file)]
        command += [str(rate), str(seconds), str(CONNECTIONS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"the load generator failed: {done.stderr.strip()[-400:]}")
    found: dict[str, object] = json.loads(done.stdout)
    return found
