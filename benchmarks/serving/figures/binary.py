"""The open inference protocol with tensors as bytes, against our own JSON."""

from __future__ import annotations

import numpy as np

from benchmarks.serving import forms, models
from benchmarks.serving.run import Run
from benchmarks.serving.servers import ServerError

ROWS = 1000
TARGET = 3.0
CONNECTIONS = 8


def measure(run: Run) -> None:
    """A thousand rows a request in three forms."""
    results = run.results
    with run.bench.ours("mlp") as server:
        path = "/v2/models/mlp/infer"
        body, headers = forms.binary("mlp", ROWS)
        status, given, answer = server.post(body, path, headers)
        if status == 404:
            results.skip("binary: our server has no /v2 (404)")
            return
        if status != 200:
            raise ServerError(f"binary tensors are answered with {status}: {answer[:300]!r}")
        wrong = np.abs(forms.read_binary(answer, given, models.CLASSES["mlp"]) - run.bench.expected("mlp", ROWS)).max()
        if wrong > 1e-4:
            raise ServerError(f"binary tensors are answered wrongly: off by {wrong:g}")
        forms_of = {
            "JSON rows (v1)": (server.body("mlp", ROWS), server.path, forms.JSON),
            "JSON (v2)": (forms.open_inference("mlp", ROWS), path, forms.JSON),
            "binary (v2)": (body, path, headers),
        }
        rates = {}
        for name, (content, where, what) in forms_of.items():
            server.load(content, 1, CONNECTIONS, where, what)
            samples = [server.load(content, run.seconds, CONNECTIONS, where, what) for _ in range(run.rounds)]
            for sample in samples:
                results.sample(server.name, name, "binary", ROWS, sample)
            rates[name] = float(np.median([sample.rate for sample in samples]))
    results.figure(f"binary tensors, {ROWS} rows", rates["binary (v2)"] * ROWS, "rows/s")
    shown = f"{rates['JSON rows (v1)']:,.0f} requests/s; v2 JSON: {rates['JSON (v2)']:,.0f}"
    ratio = rates["binary (v2)"] / rates["JSON rows (v1)"]
    results.figure(f"binary tensors, {ROWS} rows, times our JSON rows", ratio, "ratio", TARGET, shown, at_least=True)
