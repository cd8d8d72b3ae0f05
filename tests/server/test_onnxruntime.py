"""ONNX Runtime's engine: it answers as the others do, for many threads at once, and no file makes it reach out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ropewalk_model.engines import EngineError, onnx_pb2
from ropewalk_model.engines.onnxruntime import CALL_BYTES, load
from ropewalk_server.serving.model import offered, read_parts
from tests.server.apps import load_engine
from tests.server.conftest import Server, row

Published = tuple[Path, list[dict[str, Any]]]
Change = Callable[[onnx.ModelProto], object]


@pytest.fixture
def file(published: Published) -> Path:
    """A published version's."""
    (found,) = published[0].glob("**/models/1/**/onnxruntime.onnx")
    return found


def small() -> onnx.ModelProto:
    """Three numbers to their halves' sum."""
    weights = numpy_helper.from_array(np.full((3, 1), 0.5, dtype=np.float32), "weights")
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])
    exit_ = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "weights"], ["y"])], "g", [entry], [exit_], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def test_it_is_proved_and_answers_as_the_fastest_engine(published: Published, file: Path) -> None:
    """Loading replays the version's examples through it; whatever the number of rows, the answers are LiteRT's."""
    parts = read_parts(file.parents[3], None)
    (offer,) = offered(parts, "ONNXRuntime")
    (other,) = offered(parts, "LiteRT")
    model, expected = load_engine(parts, offer), load_engine(parts, other)
    assert model.engine_name == "ONNXRuntime"
    for count in (1, 2, 33, 256):
        batch, _ = model.decoder.decode({"instances": [row(mean_radius=9.0 + at) for at in range(count)]}, count)
        assert model.predict(batch) == pytest.approx(expected.predict(batch), abs=1e-5), count


def test_the_server_serves_with_it_when_told_to(serving: Server, published: Published) -> None:
    """`spec.serving.engine: ONNXRuntime`."""
    expected = serving.predict(row())[1]["predictions"][0]
    serving.tell(1, published[1][:1], engine="ONNXRuntime")
    serving.until(lambda: serving.status()["versions"][0]["engine"] == "ONNXRuntime")
    got = serving.predict(row())[1]["predictions"][0]
    assert got["label"] == expected["label"]
    assert got["score"] == pytest.approx(expected["score"], abs=1e-5)


def test_threads_share_it_and_each_gets_its_own_answer(file: Path) -> None:
    engine = load(file.read_bytes())
    random = np.random.default_rng(3)
    width = onnx.load(file).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    batches = [random.normal(size=(rows, width)).astype(np.float32) for rows in (1, 5, 40, 200)]
    expected = [engine.session()(batch) for batch in batches]
    wrong: list[int] = []

    def work(index: int) -> None:
        session = engine.session()
        for _ in range(300):
            if not np.array_equal(session(batches[index]), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_rows_of_another_width_are_an_error_that_loading_understands(tmp_path: Path) -> None:
    """A compiled file of another model: `load_engine` makes ExamplesFailed of a RuntimeError."""
    onnx.save(small(), tmp_path / "a.onnx")
    session = load((tmp_path / "a.onnx").read_bytes()).session()
    assert session(np.ones((2, 3), dtype=np.float32)).tolist() == [[1.5], [1.5]]
    with pytest.raises(RuntimeError, match="ONNX Runtime"):
        session(np.ones((2, 4), dtype=np.float32))


def test_a_large_batch_is_cut_and_each_row_keeps_its_answer(tmp_path: Path) -> None:
    """To the row: just below the bound, above it, and rows that are larger than the bound."""
    onnx.save(small(), tmp_path / "a.onnx")
    most = CALL_BYTES // 12
    x = np.arange(3 * (2 * most + 1), dtype=np.float32).reshape(-1, 3) / CALL_BYTES
    session = load((tmp_path / "a.onnx").read_bytes()).session()
    for count in (most, most + 1, 2 * most + 1):
        assert session(x[:count]) == pytest.approx(x[:count].sum(axis=1, keepdims=True) / 2), count
    session = load((tmp_path / "a.onnx").read_bytes(), call_bytes=8).session()
    assert session(x[:5]) == pytest.approx(x[:5].sum(axis=1, keepdims=True) / 2)


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind", b"\x08\x09ORTM", None])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, file: Path, damage: bytes | None) -> None:
    """Empty, nonsense, onnxruntime's own format by its mark, and a real one cut in half."""
    content = file.read_bytes()
    (tmp_path / "a.onnx").write_bytes(content[: len(content) // 2] if damage is None else damage)
    with pytest.raises(EngineError, match="ONNX Runtime cannot"):
        load((tmp_path / "a.onnx").read_bytes())


def make_external(tensor: onnx.TensorProto) -> None:
    """The tensor's bytes lie elsewhere."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def in_the_graph(model: onnx.ModelProto) -> None:
    """As large models are saved."""
    make_external(model.graph.initializer[0])


def in_memory(model: onnx.ModelProto) -> None:
    """An address in the process instead of a file: what onnxruntime calls its own external tensors."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="*/_ORT_MEM_ADDR_/*")


def in_an_attribute(model: onnx.ModelProto) -> None:
    """The value of a Constant."""
    value = numpy_helper.from_array(np.ones(3, dtype=np.float32), "hidden")
    node = helper.make_node("Constant", [], ["c"], value=value)
    make_external(node.attribute[0].t)
    model.graph.node.append(node)


def custom(model: onnx.ModelProto) -> None:
    """An operator of somebody's library."""
    model.graph.node[0].domain = "com.example"


def loading(model: onnx.ModelProto) -> None:
    """One of onnxruntime's own that takes its program from a file, within a branch."""
    inner = helper.make_node("EPContext", [], ["z"], domain="com.microsoft", ep_cache_context="other.bin")
    branch = helper.make_graph([inner], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch))


def in_a_function(model: onnx.ModelProto) -> None:
    """A local function hides it."""
    opset = helper.make_opsetid("", 15)
    inner = helper.make_node("Steal", [], ["z"], domain="com.example")
    model.functions.append(helper.make_function("ai.onnx", "F", [], ["z"], [inner], [opset]))


@pytest.mark.parametrize("change", [in_the_graph, in_memory, in_an_attribute, custom, loading, in_a_function])
def test_a_network_that_reaches_out_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """Though the file that it asks for is there."""
    (tmp_path / "weights.bin").write_bytes(np.ones(3, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    model = small()
    change(model)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(EngineError) as caught:
        load((tmp_path / "a.onnx").read_bytes())
    assert caught.value.reason == "ForbiddenOp"


def test_the_messages_that_are_looked_through_are_upstreams() -> None:
    """Numbers and kinds of fields as in onnx, and no way left out that leads to an operator or a tensor."""
    ours = onnx_pb2.DESCRIPTOR.message_types_by_name
    leads = set(ours) - {"StringStringEntryProto"}
    for name, message in ours.items():
        theirs = getattr(onnx, name).DESCRIPTOR.fields_by_name
        for field in message.fields:
            assert (field.number, field.is_repeated) == (theirs[field.name].number, theirs[field.name].is_repeated)
        needed = {one.name for one in theirs.values() if one.message_type and one.message_type.name in leads}
        assert needed <= set(message.fields_by_name), name
