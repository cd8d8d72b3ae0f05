"""Closed loads over loopback with wrk, one thread."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from benchmarks.serving import tools

SCRIPT = tools.HERE / "load" / "post.lua"
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


@dataclass(frozen=True)
class Sample:
    """What one load has seen: answered requests a second, latencies in milliseconds, requests that failed."""

    rate: float
    p50: float
    p99: float
    failed: int
    answered: int


def load(url: str, body: bytes, headers: dict[str, str], *, seconds: float, connections: int) -> Sample:
    """POST `body` over and over for that long."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
        environment = {**os.environ, "BENCH_BODY": file.name, "BENCH_HEADERS": lines}
        command = [tools.command(tools.WRK), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "--latency", "-s", str(SCRIPT), url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise tools.ToolError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout)


def parse(text: str) -> Sample:
    """wrk's report."""

    def percentile(name: str) -> float:
        found = re.search(rf"^\s+{name}%\s+([0-9.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
        return float(found[1]) * _UNITS[found[2]] if found else float("nan")

    broken = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    answered = re.search(r"(\d+) requests in", text)
    return Sample(
        rate=float(rate[1]) if rate else 0.0,
        p50=percentile("50"),
        p99=percentile("99"),
        failed=broken + (int(refused[1]) if refused else 0),
        answered=int(answered[1]) if answered else 0,
    )
