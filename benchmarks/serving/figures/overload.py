"""Twice the load that the server sustains: what it accepts stays fast, the rest is refused at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.serving import forms
from benchmarks.serving.run import Run
from benchmarks.serving.servers import Server, ServerError

ROWS = 32
CONCURRENCY = 8
CONNECTIONS = 256
"""Many enough that the server and not its clients decides who waits."""
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
    """The CNN, whose queue a limit bounds.

    In JSON a request costs as much to read as to compute, as tensors next to nothing: what differs between the two is
    what the server does for requests that it then refuses.
    """
    with run.bench.ours("cnn", limits={"maxConcurrency": CONCURRENCY}) as server:
        _offer(run, server, "JSON", server.path, server.body("cnn", ROWS), forms.JSON)
        _offer(run, server, "binary tensors", "/v2/models/cnn/infer", *forms.binary("cnn", ROWS))


def _offer(run: Run, server: Server, form: str, path: str, body: bytes, headers: dict[str, str]) -> None:
    """Find what is sustained, offer twice that, count."""
    server.load(body, 1, CONCURRENCY, path, headers)
    sustained = server.load(body, run.seconds, CONCURRENCY, path, headers).rate
    found = _open_loop(server, path, body, headers, 2 * sustained, run.seconds)
    answers = found["answers"]
    accepted = answers.get("200", {"count": 0, "p99": float("inf")})
    turned_away = [answers[status] for status in REFUSED if status in answers]
    refused = sum(one["count"] for one in turned_away)
    setting = f"CNN, {ROWS} rows, {2 * sustained:.0f} requests/s offered, maxConcurrency {CONCURRENCY}"
    figure = run.results.figure
    name = f"overload, {form}"
    figure(f"{name}: sustained before", sustained, "requests/s", None, setting)
    figure(f"{name}: p99 of accepted requests", accepted["p99"], "ms", TARGET_MILLISECONDS, setting)
    figure(f"{name}: accepted", accepted["count"] / run.seconds, "requests/s", None, setting)
    figure(f"{name}: refused with 429 or 503", refused / run.seconds, "requests/s", None, setting)
    if turned_away:
        slowest = max(one["p99"] for one in turned_away)
        figure(f"{name}: p99 of refusals", slowest, "ms", TARGET_MILLISECONDS, setting)
    figure(f"{name}: neither accepted nor refused", found["sent"] - accepted["count"] - refused, "requests", 0, setting)
    figure(f"{name}: found all {CONNECTIONS} connections busy", found["unsent"], "requests", None, setting)
    if server.post(body, path, headers)[0] != 200:
        run.results.skip(f"{name}: the server did not answer afterwards")


def _open_loop(
    server: Server, path: str, body: bytes, headers: dict[str, str], rate: float, seconds: float
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body")
        file.write_bytes(body)
        command = [sys.executable, "-m", "benchmarks.serving.load.open_loop", str(server.http), path, str(file)]
        command += [json.dumps(headers), str(rate), str(seconds), str(CONNECTIONS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"the load generator failed: {done.stderr.strip()[-400:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
