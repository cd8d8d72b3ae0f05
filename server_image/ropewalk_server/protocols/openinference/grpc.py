"""The Open Inference Protocol over gRPC: inference.GRPCInferenceService
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version as version_of

from ropewalk_server.protocols.common import packed
from ropewalk_server.protocols.common.column_conversion import DATATYPE_OF
from ropewalk_server.protocols.common.deferred_response import answered
from ropewalk_server.protocols.common.grpc_errors import refusal
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import MustOffload
from ropewalk_server.protocols.common.offloaded_decode import mistaken, offloaded
from ropewalk_server.protocols.openinference.grpc_messages import Asked, read_infer, write_infer
from ropewalk_server.protocols.protos import openinference_pb2 as pb
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import GRPC_OIP, Core, Issued, Loaded
from ropewalk_server.telemetry.receipts import RECEIPT
from ropewalk_server.transport.http2.rpc import Answer, Code, Reply, failure

SERVICE = "/inference.GRPCInferenceService/"


class OpenInference:
    """The methods of the service."""

    def __init__(self, predictor: Predictor, each: bool = False) -> None:
        """`each`: answers have a receipt for each row."""
        self._predictor = predictor
        self._each = each

    def methods(self) -> Mapping[str, Callable[[bytes], Answer]]:
        """Handlers by path."""
        return {
            SERVICE + "ModelInfer": self._infer,
            SERVICE + "ServerLive": lambda _: Reply(pb.ServerLiveResponse(live=True).SerializeToString()),
            SERVICE + "ServerReady": self._server_ready,
            SERVICE + "ModelReady": self._model_ready,
            SERVICE + "ServerMetadata": self._server_metadata,
            SERVICE + "ModelMetadata": self._model_metadata,
        }

    def _server_ready(self, body: bytes) -> Reply:
        ready = self._predictor.find(None) is not None
        return Reply(pb.ServerReadyResponse(ready=ready).SerializeToString())

    def _server_metadata(self, body: bytes) -> Reply:
        response = pb.ServerMetadataResponse(name="ropewalk", version=version_of("ropewalk"))
        return Reply(response.SerializeToString())

    def _model_ready(self, body: bytes) -> Reply:
        found = self._asked_for(body)
        if isinstance(found, Reply):
            # A model that is known and not loaded is not ready; one that is not known is an error.
            if found.code is not Code.UNAVAILABLE:
                return found
            return Reply(pb.ModelReadyResponse(ready=False).SerializeToString())
        return Reply(pb.ModelReadyResponse(ready=True).SerializeToString())

    def _model_metadata(self, body: bytes) -> Reply:
        found = self._asked_for(body)
        if isinstance(found, Reply):
            return found
        model = found.model
        response = pb.ModelMetadataResponse(name=self._predictor.name, platform=f"ropewalk_{model.engine_name.lower()}")
        held = self._predictor.versions.held.items()
        response.versions.extend([str(version) for version, one in sorted(held) if one.model is not None])
        for specs, listed in ((model.signature.inputs, response.inputs), (model.signature.outputs, response.outputs)):
            for spec in specs:
                listed.add(name=spec.name, datatype=DATATYPE_OF[spec.dtype], shape=spec.shape)
        return Reply(response.SerializeToString())

    def _asked_for(self, body: bytes) -> Loaded | Reply:
        try:
            request = packed.parse(pb.ModelRequest, body)
        except BadRequest as why:
            return refusal(why.status, str(why))
        return self._find(request.name, request.version)

    def _find(self, name: str, version: str) -> Loaded | Reply:
        predictor = self._predictor
        if name != predictor.name:
            return failure(Code.NOT_FOUND, f"Model {name[:80]!r} is not served here")
        if not version:
            found = predictor.find(None, GRPC_OIP)
            if found is None:
                words = f"No version of {name} is loaded yet; tensorflow.serving.ModelService/GetModelStatus tells why"
                return failure(Code.UNAVAILABLE, words)
            return found
        if not (version.isascii() and version.isdigit() and len(version) < 19):
            return failure(Code.INVALID_ARGUMENT, f"Version {version[:80]!r} is not a number")
        found = predictor.find(int(version), GRPC_OIP)
        return found or failure(Code.NOT_FOUND, f"Version {version} of model {name!r} is not loaded")

    def _infer(self, body: bytes) -> Answer:
        began = time.perf_counter()
        predictor = self._predictor
        try:
            request = packed.parse(pb.ModelInferRequest, body)
        except BadRequest as why:
            return refusal(why.status, str(why))
        found = self._find(request.model_name, request.model_version)
        if isinstance(found, Reply):
            return found
        try:
            asked = read_infer(found.model, request, predictor.most_rows(found.model))
        except BadRequest as why:
            return refusal(*mistaken(predictor, found, began, why))
        except MustOffload:
            return self._offloaded(request, len(body), found, began)
        return self._ask(found, began, asked)

    def _offloaded(self, request: pb.ModelInferRequest, size: int, found: Loaded, began: float) -> Answer:
        most_rows = self._predictor.most_rows(found.model)
        return offloaded(
            self._predictor,
            found,
            began,
            size,
            lambda: read_infer(found.model, request, most_rows),
            lambda asked: self._ask(found, began, asked),
            refusal,
        )

    def _ask(self, found: Loaded, began: float, asked: Asked) -> Answer:
        predictor = self._predictor

        def write(core: Core, issued: Issued) -> Reply:
            message = write_infer(predictor.name, found.version, found.model.signature, asked, core, issued)
            return Reply(message, metadata=((RECEIPT, issued),) if isinstance(issued, bytes) else ())

        return answered(predictor, found, asked.batch, began, write, refusal, each=self._each)
