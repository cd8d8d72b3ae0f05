"""TensorFlow Serving over gRPC: tensorflow.serving.PredictionService and ModelService.

Words of errors are upstream's where upstream has them (tensorflow_serving/servables/tensorflow/predict_util.cc,
classifier.cc, get_model_metadata_impl.cc, model_servers/get_model_status_impl.cc).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from ropewalk_model.signature import METHOD, Signature, TensorSpec
from ropewalk_server.protocols.common import packed
from ropewalk_server.protocols.common.deferred_response import answered
from ropewalk_server.protocols.common.grpc_errors import refusal
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import MustOffload
from ropewalk_server.protocols.common.offloaded_decode import mistaken, offloaded
from ropewalk_server.protocols.common.oip_tensors import batch_of, check_names, check_words, names_of_outputs
from ropewalk_server.protocols.protos import tfserving_pb2 as pb
from ropewalk_server.protocols.tfserving import classify_regress
from ropewalk_server.protocols.tfserving.rest_paths import labelled
from ropewalk_server.protocols.tfserving.tensor_protos import DTYPES, float_vector, read_tensor, sizes_of, write_tensor
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import GRPC_TFS, Core, Issued, Loaded, Refused
from ropewalk_server.telemetry.receipts import FIELD, RECEIPT
from ropewalk_server.transport.http2.rpc import Answer, Code, Reply, failure

PREDICTION = "/tensorflow.serving.PredictionService/"
MODEL = "/tensorflow.serving.ModelService/"
_STATES = {"Loading": 20, "Proved": 30, "Failed": 50, "Skipped": 50}
"""tensorflow.serving.ModelVersionStatus.State."""
_UNKNOWN = 2
_RECEIPTS = TensorSpec(FIELD, "STRING", (-1,))
_SIGNATURES = "type.googleapis.com/tensorflow.serving.SignatureDefMap"


class Wrong(Exception):
    """A call that gets an error; `code` says which."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code = code


class TensorFlowServing:
    """The methods of both services."""

    def __init__(self, predictor: Predictor, each: bool = False) -> None:
        """`each`: answers have a receipt for each row."""
        self._predictor = predictor
        self._each = each

    def methods(self) -> Mapping[str, Callable[[bytes], Answer]]:
        """Handlers by path."""
        return {
            PREDICTION + "Predict": self._refusing(self._predict),
            PREDICTION + "Classify": self._refusing(lambda body: self._examples(body, "classify")),
            PREDICTION + "Regress": self._refusing(lambda body: self._examples(body, "regress")),
            PREDICTION + "GetModelMetadata": self._refusing(self._metadata),
            PREDICTION + "MultiInference": lambda _: failure(
                Code.UNIMPLEMENTED,
                "MultiInference is not supported: call Classify and Regress, each for a signature of its method",
            ),
            MODEL + "GetModelStatus": self._refusing(self._status),
            MODEL + "HandleReloadConfigRequest": lambda _: failure(
                Code.PERMISSION_DENIED, "What is served is decided by the ModelDeployment, not by clients"
            ),
        }

    def _refusing(self, method: Callable[[bytes], Answer]) -> Callable[[bytes], Answer]:
        """The method with refusals for what it raises before a version is found that its failure counts for."""

        def call(body: bytes) -> Answer:
            try:
                return method(body)
            except Wrong as why:
                return failure(why.code, str(why))
            except BadRequest as why:
                return refusal(why.status, str(why))

        return call

    def _predict(self, body: bytes) -> Answer:
        began = time.perf_counter()
        predictor = self._predictor
        request = packed.parse(pb.PredictRequest, body)
        found = self._find(request.model_spec)
        try:
            if request.model_spec.signature_name not in ("", found.model.signature.name):
                found = found._replace(model=_named(found.model, request.model_spec.signature_name))
            outputs = names_of_outputs(found.model.signature, request.output_filter)
            batch = read_predict(found.model, request.inputs, predictor.most_rows(found.model))
        except Wrong as why:
            predictor.failed(found, began, Refused(400, str(why)))
            return failure(why.code, str(why))
        except BadRequest as why:
            return refusal(*mistaken(predictor, found, began, why))
        except MustOffload:
            return self._offloaded(request, len(body), outputs, found, began)
        return self._ask(found, began, batch, outputs)

    def _offloaded(
        self, request: pb.PredictRequest, size: int, outputs: tuple[str, ...], found: Loaded, began: float
    ) -> Answer:
        most_rows = self._predictor.most_rows(found.model)
        return offloaded(
            self._predictor,
            found,
            began,
            size,
            lambda: read_predict(found.model, request.inputs, most_rows),
            lambda batch: self._ask(found, began, batch, outputs),
            refusal,
        )

    def _ask(self, found: Loaded, began: float, batch: Batch, outputs: tuple[str, ...]) -> Answer:
        def write(core: Core, issued: Issued) -> Reply:
            if isinstance(issued, bytes):
                return Reply(self._written(found, outputs, core, ()), metadata=((RECEIPT, issued),))
            return Reply(self._written(found, outputs, core, issued or ()))

        return answered(self._predictor, found, batch, began, write, refusal, each=self._each)

    def _written(self, found: Loaded, outputs: tuple[str, ...], core: Core, receipts: Sequence[str]) -> bytes:
        response = pb.PredictResponse()
        self._name(response.model_spec, found.version)
        signature = found.model.signature
        response.model_spec.signature_name = signature.name
        answer = signature.answer(core)
        for spec in signature.outputs:
            if spec.name in outputs:
                write_tensor(response.outputs[spec.name], spec, answer[spec.name])
        if receipts:
            write_tensor(response.outputs[FIELD], _RECEIPTS, np.array(receipts, dtype=object))
        return response.SerializeToString()

    def _name(self, spec: pb.ModelSpec, version: int) -> None:
        spec.name = self._predictor.name
        spec.version.value = version

    def _find(self, spec: pb.ModelSpec) -> Loaded:
        """The version that a call asks for. Raises Wrong."""
        name = spec.name
        if not name:
            raise Wrong(Code.INVALID_ARGUMENT, "Missing ModelSpec")
        version = self._version(spec)
        found = self._predictor.find(version, GRPC_TFS) if name == self._predictor.name else None
        if found is not None:
            return found
        if version is None and name == self._predictor.name:
            raise Wrong(Code.UNAVAILABLE, f"No version of {name} is loaded yet; GetModelStatus tells why")
        wanted = f"Latest({name[:80]})" if version is None else f"Specific({name[:80]}, {version})"
        raise Wrong(Code.NOT_FOUND, f"Servable not found for request: {wanted}")

    def _version(self, spec: pb.ModelSpec) -> int | None:
        """The version that is named, by number or label; None: the live one. Raises Wrong."""
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label" and spec.name == self._predictor.name:
            version = labelled(self._predictor.versions, spec.version_label)
            if version is None:
                raise Wrong(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.version_label[:80]}")
            return version
        return spec.version.value if choice == "version" else None

    def _examples(self, body: bytes, verb: str) -> Answer:
        """Classify and Regress, for signatures that have the method; upstream's error for all others."""
        began = time.perf_counter()
        predictor = self._predictor
        request = packed.parse(pb.ExamplesRequest, body)
        found = self._find(request.model_spec)
        try:
            name = request.model_spec.signature_name
            if name not in ("", found.model.signature.name):
                if name not in found.model.named:
                    raise BadRequest(f"No signature was found with the name: {name[:80]}")
                found = found._replace(model=found.model.named[name])
            signature = found.model.signature
            if signature.method != f"{METHOD}{verb}":
                title = f"{classify_regress.TITLES[verb][1]} signature"
                raise BadRequest(classify_regress.wrong_method(signature, verb, title))
            most_rows = predictor.most_rows(found.model)
            batch = classify_regress.batch(found.model, classify_regress.given(request, most_rows), most_rows)
        except BadRequest as why:
            return refusal(*mistaken(predictor, found, began, why))

        def write(core: Core, issued: Issued) -> Reply:
            try:
                response = classify_regress.message(verb, cast("classify_regress.Arrays", core), batch.rows)
            except classify_regress.Unusable as why:
                return failure(Code.INVALID_ARGUMENT, str(why))
            self._name(response.model_spec, found.version)
            response.model_spec.signature_name = found.model.signature.name
            return Reply(response.SerializeToString())

        return answered(predictor, found, batch, began, write, refusal)

    def _metadata(self, body: bytes) -> Reply:
        request = packed.parse(pb.GetModelMetadataRequest, body)
        if not request.metadata_field:
            words = "GetModelMetadataRequest must specify at least one metadata_field"
            raise Wrong(Code.INVALID_ARGUMENT, words)
        for name in request.metadata_field:
            if name != "signature_def":
                raise Wrong(Code.INVALID_ARGUMENT, f"Metadata field {name[:80]} is not supported")
        found = self._find(request.model_spec)
        response = pb.GetModelMetadataResponse()
        self._name(response.model_spec, found.version)
        response.metadata["signature_def"].type_url = _SIGNATURES
        response.metadata["signature_def"].value = signature_map(found.model.signature).SerializeToString()
        return Reply(response.SerializeToString())

    def _status(self, body: bytes) -> Reply:
        spec = packed.parse(pb.GetModelStatusRequest, body).model_spec
        if not spec.name:
            raise Wrong(Code.INVALID_ARGUMENT, "Missing ModelSpec")
        wanted = self._version(spec)
        held = self._predictor.versions.held if spec.name == self._predictor.name else {}
        chosen = {version: one for version, one in held.items() if wanted in (None, version)}
        if not chosen:
            sought = "any versions" if wanted is None else f"version {wanted}"
            raise Wrong(Code.NOT_FOUND, f"Could not find {sought} of model {spec.name[:80]}")
        response = pb.GetModelStatusResponse()
        for version, one in sorted(chosen.items(), reverse=True):
            status = response.model_version_status.add(version=version, state=_STATES[one.state])
            if one.state not in ("Proved", "Loading"):
                status.status.error_code = _UNKNOWN
            status.status.error_message = f"{one.reason}: {one.message}" if one.reason else ""
        return Reply(response.SerializeToString())


def read_predict(model: Model, inputs: Mapping[str, pb.TensorProto], max_rows: int) -> Batch:
    """The rows of a request. Raises BadRequest."""
    names = model.decoder.names
    if model.decoder.floats_only and len(inputs) == len(names) > 1 and all(map(inputs.__contains__, names)):
        vectors = [raw for name in names if (raw := float_vector(inputs[name])) is not None]
        matrix = packed.matrix(vectors) if len(vectors) == len(names) else None
        if matrix is not None and len(matrix) <= max_rows:
            return Batch(len(matrix), names, matrix=matrix)
    check_names(model, inputs)
    for name, proto in inputs.items():
        if proto.dtype == DTYPES["STRING"]:
            check_words(model, name, "BYTES", sizes_of(proto), max_rows)
    return batch_of(model, {name: read_tensor(name, proto) for name, proto in inputs.items()}, max_rows)


def _named(model: Model, name: str) -> Model:
    """The model of that signature. Raises Wrong."""
    found = model.named.get(name)
    if found is None:
        raise Wrong(Code.FAILED_PRECONDITION, f'Serving signature key "{name[:80]}" not found.')
    return found


def signature_map(signature: Signature) -> pb.SignatureDefMap:
    """The signatures as upstream's SignatureDefMap."""
    found = pb.SignatureDefMap()
    for one in signature.all:
        definition = found.signature_def[one.name]
        definition.method_name = one.method
        for specs, infos in ((one.inputs, definition.inputs), (one.outputs, definition.outputs)):
            for spec in specs:
                _describe(infos[spec.name], one.name, spec)
    return found


def _describe(info: pb.TensorInfo, signature: str, spec: TensorSpec) -> None:
    info.name = f"{signature}_{spec.name}:0"
    info.dtype = DTYPES[spec.dtype]
    for size in spec.shape:
        info.tensor_shape.dim.add(size=size)
