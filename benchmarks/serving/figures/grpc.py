"""ModelInfer of the open inference protocol over gRPC: ours and the peers that have it; and our PredictionService's
Predict, which no server from PyPI has, beside their ModelInfer of the same rows."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.serving import forms, h2load, models, tools
from benchmarks.serving.results import Row
from benchmarks.serving.run import Run
from benchmarks.serving.servers import Server, ServerError

ROWS = {"1 row": 1, "100 rows": 100}
METHODS = {"gRPC": (h2load.INFER, forms.grpc_message), "gRPC Predict": (h2load.PREDICT, forms.predict_message)}
INFER = "gRPC"
CONNECTIONS = 16
TARGET = 3.0
OPEN_SECONDS = 5.0


def measure(run: Run) -> None:
    """Ours first; then the ratio to the best peer as documented."""
    results = run.results
    with run.bench.ours("mlp") as server:
        if not _open(server.grpc):
            results.skip("grpc: our server does not listen on ROPEWALK_GRPC_PORT")
        else:
            _loads(run, server, "auto", METHODS)
    for setup, engine in run.each():
        if setup.grpc:
            try:
                with run.bench.peer(setup, engine, "mlp") as server:
                    _loads(run, server, engine)
            except (ServerError, tools.ToolError) as error:
                results.skip(f"{setup.name} ({engine}), gRPC: {error}")
    for method in METHODS:
        for rows in ROWS:
            _compare(run, f"{method}, {rows}", f"{INFER}, {rows}")


def _compare(run: Run, ours: str, theirs: str) -> None:
    def measured(load: str) -> list[Row]:
        return [row for row in run.results.rows(load) if row.rate and not row.failed]

    own = next((row for row in measured(ours) if row.server == "Ropewalk"), None)
    if own is None:
        return
    run.results.figure(ours, own.rate, "requests/s")
    for engine, target, shown in (
        ("tensorflow", TARGET, "set up as documented"),
        ("litert", None, "with our engine"),
    ):
        best = max((row for row in measured(theirs) if row.engine == engine), key=lambda row: row.rate, default=None)
        if best is not None:
            compared = f"{best.server}, ModelInfer: {best.rate:,.0f} requests/s, p99 {best.p99:.3g} ms"
            name = f"{ours}, times the best peer {shown}"
            run.results.figure(name, own.rate / best.rate, "ratio", target, compared, at_least=True)


def _loads(run: Run, server: Server, engine: str, methods: Iterable[str] = (INFER,)) -> None:
    _check(run, server)
    for name in methods:
        method, message = METHODS[name]
        for shown, rows in ROWS.items():
            sent, least = message("mlp", rows), 4 * rows * models.CLASSES["mlp"]
            h2load.load(server.grpc, method, sent, least, seconds=1, connections=CONNECTIONS)
            for _ in range(run.rounds):
                sample = h2load.load(server.grpc, method, sent, least, seconds=run.seconds, connections=CONNECTIONS)
                run.results.sample(server.name, engine, f"{name}, {shown}", rows, sample)


def _check(run: Run, server: Server) -> None:
    """Upstream's client gets what the network says. Raises ServerError."""
    python = tools.python("tritonclient", tools.HERE / "load" / "requirements.txt")
    if not _open(server.grpc):
        raise ServerError(f"{server.name} does not listen on its gRPC port")
    with tempfile.TemporaryDirectory() as folder:
        rows, answer = Path(folder, "rows.npy"), Path(folder, "answer.npy")
        np.save(rows, models.rows("mlp", 4))
        client = [str(python), str(tools.HERE / "load" / "grpc_client.py"), str(server.grpc), "mlp", str(rows)]
        done = subprocess.run([*client, str(answer)], capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:]
            raise ServerError(f"tritonclient fails on {server.name}: {''.join(said)}")
        wrong = float(np.abs(np.load(answer).reshape(4, -1) - run.bench.expected("mlp", 4)).max())
    if wrong > 1e-4:
        raise ServerError(f"{server.name} answers wrongly over gRPC: off by {wrong:g}")


def _open(port: int) -> bool:
    end = time.monotonic() + OPEN_SECONDS
    while time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False
