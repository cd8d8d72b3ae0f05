"""Closed gRPC loads over loopback with h2load: a gRPC call is an HTTP/2 POST whose body is framed protobuf.

A client written in Python would be slower than the servers it measures.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.serving import tools
from benchmarks.serving.wrk import Sample

INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def load(port: int, method: str, message: bytes, least_answer: int, *, seconds: float, connections: int) -> Sample:
    """Call `method` over and over for that long, one call at a time on each connection.

    h2load sees no gRPC status, but a refused call has no message: every call counts as failed when their answers
    together are shorter than `least_answer` bytes each.
    """
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder, "body"), Path(folder, "log")
        body.write_bytes(message)
        command = [tools.command(tools.H2LOAD), "-t1", f"-c{connections}", "-m1", f"-D{max(1, round(seconds))}"]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", str(body)]
        command += ["--log-file", str(log), f"http://127.0.0.1:{port}{method}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise tools.ToolError(f"h2load failed: {done.stderr.strip() or done.stdout.strip()}")
        micros = np.array([int(line.split()[2]) for line in log.read_text().splitlines()] or [0])
    return parse(done.stdout, micros, least_answer)


def parse(text: str, micros: np.ndarray, least_answer: int) -> Sample:
    """h2load's report, and how long each request took."""

    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    answered = int(number(r"(\d+) succeeded"))
    failed = int(number(r"(\d+) failed"))
    if number(r"headers .*\((\d+)\) data") < answered * least_answer:
        failed = answered
    return Sample(
        rate=number(r"finished in [^,]+, ([0-9.]+) req/s"),
        p50=float(np.percentile(micros, 50)) / 1000,
        p99=float(np.percentile(micros, 99)) / 1000,
        failed=failed,
        answered=answered,
    )
