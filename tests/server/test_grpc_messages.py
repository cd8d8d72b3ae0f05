"""gRPC's messages: the shortcut for Numbers has no rules of its own, and damaged messages are only ever BadRequest."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk_server.protocols.common import must_offload, packed
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import LARGE, MustOffload
from ropewalk_server.protocols.common.oip_tensors import batch_of, raw_to_array
from ropewalk_server.protocols.openinference import grpc_messages
from ropewalk_server.protocols.protos import openinference_pb2, tfserving_pb2
from ropewalk_server.protocols.tfserving import grpc
from ropewalk_server.protocols.tfserving.tensor_protos import read_tensor, sizes_of
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.model import Model
from tests.server.apps import load
from tests.server.conftest import Server
from tests.server.zoo import MIXED, NUMBERS

ROWS = 4
quiet = settings(max_examples=200, deadline=None)
numbers = st.floats(width=32) | st.integers(-5, 5).map(float)


@pytest.fixture(scope="module")
def versions(zoo: Server) -> dict[int, Model]:
    """The zoo's versions in this process."""
    return {number: load(Path(zoo.root) / "claims" / "zoo" / str(number), None) for number in (MIXED, NUMBERS)}


def outcome(read: Callable[[], Batch]) -> dict[str, Any] | int:
    """The columns, or the status of the refusal."""
    try:
        return {name: column.copy() for name, column in read().columns.items()}
    except BadRequest as why:
        return why.status


def same(one: dict[str, Any] | int, other: dict[str, Any] | int) -> None:
    """Equal to the last bit."""
    if isinstance(one, int) or isinstance(other, int):
        assert one == other
        return
    assert one.keys() == other.keys()
    for name, column in one.items():
        assert np.array_equal(column, other[name])
        assert column.dtype == other[name].dtype


vectors = st.lists(numbers, max_size=ROWS + 1)


@quiet
@given(vectors, vectors, st.booleans(), st.integers(0, 3), st.sampled_from([1, 2]))
def test_tensor_protos_with_and_without_the_shortcut(
    versions: dict[int, Model], a: list[float], b: list[float], content: bool, rank: int, dtype: int
) -> None:
    """Of any length, in any field."""
    request = tfserving_pb2.PredictRequest()
    for name, values in (("a", a), ("b", b)):
        proto = request.inputs[name]
        proto.dtype = dtype
        raw = struct.pack(f"<{len(values)}f", *values)
        if content:
            proto.tensor_content = raw
        else:
            proto.float_val.append(raw)
        for _ in range(rank):
            proto.tensor_shape.dim.add(size=len(values))
    model = versions[NUMBERS]

    def plainly() -> Batch:
        return batch_of(model, {name: read_tensor(name, one) for name, one in request.inputs.items()}, ROWS)

    same(outcome(lambda: grpc.read_predict(model, request.inputs, ROWS)), outcome(plainly))


@quiet
@given(vectors, vectors, st.sampled_from(["FP32", "FP64", "INT32"]), st.sampled_from(["ab", "ba", "aa", "ac"]))
def test_raw_contents_with_and_without_the_shortcut(
    versions: dict[int, Model], a: list[float], b: list[float], datatype: str, names: str
) -> None:
    """Of any length and name."""
    request = openinference_pb2.ModelInferRequest()
    for name, values in zip(names, (a, b), strict=True):
        request.inputs.add(name=name, datatype=datatype, shape=[len(values)])
        request.raw_input_contents.append(struct.pack(f"<{len(values)}f", *values))
    model = versions[NUMBERS]

    def plainly() -> Batch:
        if len(set(names)) < 2:
            raise BadRequest("twice")
        found = {}
        for one, raw in zip(request.inputs, request.raw_input_contents, strict=True):
            array = raw_to_array(one.datatype, one.shape, raw)
            found[one.name] = grpc_messages.Tensor(one.datatype, tuple(one.shape), array)
        return batch_of(model, found, ROWS)

    same(outcome(lambda: grpc_messages.read_infer(model, request, ROWS).batch), outcome(plainly))


def good(kind: str) -> bytes:
    """A request that is in order, of one mixed row."""
    rows: dict[str, tuple[int, str, Any]] = {
        "x": (1, "FP32", struct.pack("<f", 1.5)),
        "n": (9, "INT64", struct.pack("<q", 3)),
        "ok": (10, "BOOL", b"\1"),
        "plan": (7, "BYTES", b"\3\0\0\0pro"),
    }
    if kind == "infer":
        infer = openinference_pb2.ModelInferRequest(model_name="m", id="7")
        for name, (_, datatype, raw) in rows.items():
            infer.inputs.add(name=name, datatype=datatype, shape=[1])
            infer.raw_input_contents.append(raw)
        return infer.SerializeToString()
    predict = tfserving_pb2.PredictRequest(output_filter=["label"])
    for name, (dtype, datatype, raw) in rows.items():
        predict.inputs[name].dtype = dtype
        predict.inputs[name].tensor_shape.dim.add(size=1)
        predict.inputs[name].tensor_content = b"\3pro" if datatype == "BYTES" else raw
    return predict.SerializeToString()


def test_inputs_that_are_none_are_not_read(versions: dict[int, Model]) -> None:
    """A message has room for 200,000 of them, which would take a second."""
    predict = tfserving_pb2.PredictRequest()
    predict.inputs["z"].dtype = 99
    infer = openinference_pb2.ModelInferRequest()
    infer.inputs.add(name="z", datatype="FP99")
    with pytest.raises(BadRequest, match="'z' is none of this model's inputs: a, b"):
        grpc.read_predict(versions[NUMBERS], predict.inputs, ROWS)
    with pytest.raises(BadRequest, match="'z' is none of this model's inputs: a, b"):
        grpc_messages.read_infer(versions[NUMBERS], infer, ROWS)


def test_texts_are_counted_before_they_are_parted(versions: dict[int, Model]) -> None:
    """A message has room for four million empty ones, which would take a second."""
    predict = tfserving_pb2.PredictRequest()
    predict.inputs["plan"].dtype = 7
    predict.inputs["plan"].tensor_shape.dim.add(size=ROWS + 1)
    predict.inputs["plan"].tensor_content = b"\3pro"
    infer = openinference_pb2.ModelInferRequest()
    infer.inputs.add(name="plan", datatype="BYTES", shape=[ROWS + 1])
    infer.raw_input_contents.append(b"\3\0\0\0pro")
    assert outcome(lambda: grpc.read_predict(versions[MIXED], predict.inputs, ROWS)) == 413
    assert outcome(lambda: grpc_messages.read_infer(versions[MIXED], infer, ROWS).batch) == 413


def test_floats_one_by_one_are_few() -> None:
    """proto2's form is read, but 800,000 of them take half a second."""
    one = tfserving_pb2.TensorProto.FromString(struct.pack("<Bf", 5 << 3 | 5, 1.5) * 3)
    assert packed.floats(one, one.float_val, 5, np.dtype(np.float32)).tolist() == [1.5] * 3
    many = tfserving_pb2.TensorProto.FromString(
        struct.pack("<Bf", 5 << 3 | 5, 1.5) * (packed.MOST_SINGLE_BYTES // 5 + 1)
    )
    with pytest.raises(BadRequest, match=r"50005 bytes without .* at most 50000 .*: send them packed"):
        packed.floats(many, many.float_val, 5, np.dtype(np.float32))


def test_a_shape_of_a_million_sizes_is_cut_before_it_is_read(versions: dict[int, Model]) -> None:
    """More than eight are refused however many there are."""
    predict = tfserving_pb2.PredictRequest()
    for _ in range(1000):
        predict.inputs["x"].tensor_shape.dim.add(size=1)
    assert len(sizes_of(predict.inputs["x"])) == 9


def test_a_message_of_many_fields_is_not_parsed() -> None:
    """Two million empty ones take 0.15 s, in which nothing else runs."""
    contents = openinference_pb2.ModelInferRequest(raw_input_contents=[b"x" * 20] * packed.MOST_FIELDS, id="a" * 300)
    many = contents.SerializeToString()
    assert len(many) > LARGE
    with pytest.raises(BadRequest, match="has more than 10000 fields"):
        packed.parse(openinference_pb2.ModelInferRequest, many)
    del contents.raw_input_contents[0]
    few = contents.SerializeToString()
    assert len(packed.parse(openinference_pb2.ModelInferRequest, few).raw_input_contents) == packed.MOST_FIELDS - 1
    for kind in (b"\x40\xff\x01", b"\x41" + b"x" * 8, b"\x45" + b"x" * 4, b"\x80\x01\x01", b"\x43\x44"):
        with pytest.raises(BadRequest, match="has more than 10000 fields"):
            packed.parse(openinference_pb2.ModelInferRequest, kind * LARGE)
    for wrong in (few[:-1], b"\x0a" + b"\xff" * LARGE, b"\xff" * (LARGE + 1), b"\x08" + b"\xff" * LARGE):
        with pytest.raises(BadRequest, match="cannot be parsed"):
            packed.parse(openinference_pb2.ModelInferRequest, wrong)


@pytest.mark.parametrize("start", [b"\x0a", b"\x08", b""])
def test_a_number_has_ten_bytes_at_most(start: bytes) -> None:
    """One of half a megabyte took ten seconds to add up, and everybody waited."""

    class Counting(bytes):
        looked = 0

        def __getitem__(self, at: Any) -> Any:
            Counting.looked += 1
            return super().__getitem__(at)

    assert not packed._has_more_fields(Counting(start + b"\xff" * LARGE), packed.MOST_FIELDS)
    assert Counting.looked <= 12


async def test_many_values_are_handed_over_beside_the_loop(versions: dict[int, Model]) -> None:
    """In a thread, and there some at a time: between two of them the loop may run."""
    count = 2 * must_offload.MANY + 1
    infer = openinference_pb2.ModelInferRequest()
    infer.inputs.add(name="n", datatype="INT64", shape=[count]).contents.int64_contents.extend(range(count))
    predict = tfserving_pb2.PredictRequest()
    predict.inputs["plan"].dtype = 7
    texts = must_offload.MANY_TEXTS + 1
    predict.inputs["plan"].tensor_shape.dim.add(size=texts)
    predict.inputs["plan"].tensor_content = b"\3" * texts + b"pro" * texts
    words = b"\3\0\0\0pro" * texts
    for read in (
        lambda: grpc_messages.read_infer(versions[MIXED], infer, count).batch,
        lambda: grpc.read_predict(versions[MIXED], predict.inputs, count),
        lambda: packed.words([b"pro"] * texts),
        lambda: raw_to_array("BYTES", [texts], words),
    ):
        with pytest.raises(MustOffload):
            read()  # type: ignore[no-untyped-call]
    found = await asyncio.to_thread(packed.whole, infer.inputs[0].contents.int64_contents, np.dtype(np.int64))
    assert found.tolist() == list(range(count))
    assert (await asyncio.to_thread(packed.words, [b"%d" % n for n in range(count)]))[-1] == b"%d" % (count - 1)
    with pytest.raises(BadRequest, match="256 does not fit uint8"):
        await asyncio.to_thread(packed.whole, [1] * must_offload.MANY + [256], np.dtype(np.uint8))


@pytest.mark.parametrize("values", [1, 3])
def test_values_are_counted_before_they_are_looked_at(versions: dict[int, Model], values: int) -> None:
    """And refused by their number."""
    infer = openinference_pb2.ModelInferRequest()
    infer.inputs.add(name="n", datatype="INT8", shape=[2]).contents.int_contents.extend([300] * values)
    with pytest.raises(BadRequest, match=rf"INT8 of shape \[2\] takes 2 values, got {values} in int_contents"):
        grpc_messages.read_infer(versions[MIXED], infer, ROWS)
    predict = tfserving_pb2.PredictRequest()
    predict.inputs["n"].dtype = 6
    predict.inputs["n"].tensor_shape.dim.add(size=2)
    predict.inputs["n"].int_val.extend([300] * 3)
    with pytest.raises(BadRequest, match=r"DT_INT8 of shape \[2\] takes 2 values, got 3 in int_val"):
        grpc.read_predict(versions[MIXED], predict.inputs, ROWS)


def test_of_outputs_and_sizes_only_so_many_are_looked_at_as_may_be(versions: dict[int, Model]) -> None:
    """One more than there are is one too many: two million took a second."""
    infer = openinference_pb2.ModelInferRequest()
    for _ in versions[MIXED].signature.outputs:
        infer.outputs.add(name="label")
    infer.outputs.add(name="label")
    infer.outputs.add().parameters["sequence_id"].int64_param = 1
    with pytest.raises(BadRequest, match="An output is asked for twice"):
        grpc_messages.read_infer(versions[MIXED], infer, ROWS)


changes = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=6)


@pytest.mark.parametrize("kind", ["predict", "infer"])
@quiet
@given(changes, st.integers(0, 300))
def test_damaged_messages_are_bad_requests(
    versions: dict[int, Model], kind: str, damage: list[tuple[int, int]], cut: int
) -> None:
    """Whatever octets are changed or cut off: read, or refused, and nothing else."""
    body = bytearray(good(kind))
    for at, octet in damage:
        body[at % len(body)] = octet
    whole = bytes(body[: len(body) - cut % 7])
    model = versions[MIXED]
    try:
        if kind == "infer":
            infer = packed.parse(openinference_pb2.ModelInferRequest, whole)
            grpc_messages.read_infer(model, infer, ROWS)
        else:
            predict = packed.parse(tfserving_pb2.PredictRequest, whole)
            grpc.read_predict(model, predict.inputs, ROWS)
    except BadRequest:
        pass
