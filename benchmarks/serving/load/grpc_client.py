"""One call of upstream's own gRPC client: PORT MODEL ROWS.npy ANSWER.npy. Runs in an environment of its own."""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.grpc as triton

port, model, given, answer = sys.argv[1:]
rows = np.load(given)
tensor = triton.InferInput("x", list(rows.shape), "FP32")
tensor.set_data_from_numpy(rows)
result = triton.InferenceServerClient(f"127.0.0.1:{port}").infer(model, [tensor], client_timeout=10)
np.save(answer, result.as_numpy(result.get_response().outputs[0].name))
