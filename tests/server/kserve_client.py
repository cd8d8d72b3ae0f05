"""Run by the interpreter that has KServe's SDK: asks a server in every way that its two clients know.

`kserve_client.py HTTP_PORT GRPC_PORT < ROWS.json` writes, by the way it asked, the answer or the error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig

KINDS = {"FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}
MODEL = "cancer"


def request(columns: dict[str, Any], *, binary: bool, **more: Any) -> InferRequest:
    """`columns` is {name: [datatype, values]}."""
    inputs = []
    for name, (datatype, values) in columns.items():
        one = InferInput(name, [len(values)], datatype)
        one.set_data_from_numpy(np.array(values, dtype=KINDS[datatype]), binary_data=binary)
        inputs.append(one)
    return InferRequest(MODEL, inputs, request_id="r 1", **more)


def told(answer: InferResponse) -> dict[str, Any]:
    """What the SDK understood, as JSON."""
    outputs = {}
    for one in answer.outputs:
        values = one.as_numpy()
        words = [word.decode() if isinstance(word, bytes) else word for word in values.reshape(-1).tolist()]
        outputs[one.name] = np.reshape(np.array(words, dtype=object), values.shape).tolist()
    return {"id": answer.id, "model": answer.model_name, "version": answer.model_version, "outputs": outputs}


async def by_rest(url: str, given: dict[str, Any]) -> dict[str, Any]:
    """JSON and binary tensors, the v1 protocol, health, and an error."""
    said: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=10)) as v2:
        said["live"] = await v2.is_server_live(url)
        said["ready"] = await v2.is_server_ready(url)
        said["model ready"] = await v2.is_model_ready(url, MODEL)
        said["other ready"] = await v2.is_model_ready(url, "other")
        said["json"] = told(await v2.infer(url, request(given["columns"], binary=False), MODEL))
        said["binary"] = told(await v2.infer(url, request(given["columns"], binary=True), MODEL))
        both = request(given["columns"], binary=True, parameters={"binary_data_output": True})
        said["binary both ways"] = told(await v2.infer(url, both, MODEL))
        try:
            await v2.infer(url, request({"x": given["columns"]["x"]}, binary=False), MODEL)
        except Exception as error:
            said["error"] = str(error)
    async with InferenceRESTClient(RESTConfig(protocol="v1", retries=0, timeout=10)) as v1:
        said["v1"] = await v1.infer(url, {"instances": given["instances"]}, MODEL)
    return said


async def by_grpc(address: str, given: dict[str, Any]) -> dict[str, Any]:
    """Typed and raw contents, health, and an error."""
    said: dict[str, Any] = {}
    async with InferenceGRPCClient(address, retries=0, timeout=10) as client:
        said["grpc live"] = await client.is_server_live()
        said["grpc ready"] = await client.is_server_ready()
        said["grpc model ready"] = await client.is_model_ready(MODEL)
        said["grpc typed"] = told(await client.infer(request(given["columns"], binary=False)))
        said["grpc raw"] = told(await client.infer(request(given["columns"], binary=True)))
        try:
            await client.infer(request({"x": given["columns"]["x"]}, binary=True))
        except Exception as error:
            said["grpc error"] = f"{error.code().name}: {error.details()}"  # type: ignore[attr-defined]
    return said


async def main() -> None:
    """Both clients, one after the other."""
    given = json.load(sys.stdin)
    said = await by_rest(f"http://127.0.0.1:{sys.argv[1]}", given)
    said |= await by_grpc(f"127.0.0.1:{sys.argv[2]}", given)
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
