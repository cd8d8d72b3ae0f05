"""TensorFlow's own engine: models that no compiler takes, and models that it may not run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

from ropewalk_model import manifest
from ropewalk_model.features import Encoder, Encoding, FeatureSpec
from ropewalk_model.operations import forbidden_in
from ropewalk_model.sandbox import Limits
from ropewalk_model.signature import Signature
from ropewalk_server.app import smoke_test
from ropewalk_server.serving import engines
from ropewalk_server.serving.engines import EngineError, freezer
from ropewalk_server.serving.engines.tensorflow import TensorFlow
from ropewalk_server.serving.model import LoadError, offered, read_parts
from tests import foreign_models
from tests.server.apps import load_engine
from tests.server.conftest import Server, row


def version_directory(published: tuple[Path, list[dict[str, Any]]], number: int = 1) -> Path:
    """A published version's place."""
    return published[0] / "claims" / published[1][number - 1]["uri"].removeprefix("pvc://")


def test_it_is_offered_last_and_answers_alike(published: tuple[Path, list[dict[str, Any]]]) -> None:
    """Slower than any compiled form, and equal to them."""
    parts = read_parts(version_directory(published), None)
    offers = offered(parts, "Auto")
    assert offers[-1].name == "TensorFlow"
    models = [load_engine(parts, offer) for offer in (offers[0], offers[-1])]
    batch, _ = models[0].decoder.decode({"instances": [row(), row(mean_radius=9.0)]}, 10)
    assert np.allclose(models[0].predict(batch), models[1].predict(batch), atol=1e-5)


def test_the_server_serves_with_it_when_told_to(serving: Server, published: tuple[Path, list[dict[str, Any]]]) -> None:
    """`spec.serving.engine: TensorFlow`."""
    expected = serving.predict(row())[1]
    serving.tell(1, published[1][:1], engine="TensorFlow")
    serving.until(lambda: serving.status()["versions"][0]["engine"] == "TensorFlow")
    got = serving.predict(row())[1]
    assert got["predictions"][0]["label"] == expected["predictions"][0]["label"]
    serving.tell(1, published[1][:1], engine="Nonsense")
    serving.until(lambda: serving.status()["versions"][0]["reason"] == "NoEngine")
    assert serving.status()["versions"][0]["engine"] == "TensorFlow"
    assert serving.predict(row())[0] == 200


def test_a_model_for_tensorflow_alone_is_sent_to_its_image(
    published: tuple[Path, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server without TensorFlow says so with a reason of its own; the one with it proves the model."""
    place = tmp_path / "1"
    shutil.copytree(version_directory(published), place)
    document = json.loads((place / manifest.MANIFEST).read_text())
    document["engines"] = [one for one in document["engines"] if one["name"] == "TensorFlow"]
    manifest.write_manifest(place, document)
    parts = read_parts(place, None)
    assert smoke_test.prove(parts, None) == ["TensorFlow"]
    monkeypatch.delitem(engines.ENGINES, "TensorFlow")  # as in the image without it
    with pytest.raises(smoke_test.SmokeTestFailed) as caught:
        smoke_test.prove(parts, None)
    assert (caught.value.reason, caught.value.exit_code) == ("NeedsTensorFlow", 3)


class Folder:
    """A version without a manifest: its files as they are."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def paths(self) -> list[str]:
        return [path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file()]

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()


class Plain(tf.Module):
    """A harmless model."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {"y": x * self.weight}


class Spinner(tf.Module):
    """A model that never ends."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {"y": tf.while_loop(lambda one: tf.reduce_sum(one) < 1.0, lambda one: one * 0.0, [x])[0]}


class Reader(tf.Module):
    """A model that reads a file of its pod and gives it away."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        text = tf.io.read_file("/etc/passwd")
        return {"y": x + tf.cast(tf.strings.length(text), tf.float32)}


class Caller(tf.Module):
    """A model that runs Python."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {"y": tf.py_function(lambda one: one, [x], tf.float32)}


class Hidden(tf.Module):
    """The same, two calls and a condition further down."""

    @tf.function
    def below(self, x: Any) -> Any:
        tf.io.write_file("/tmp/owned", "x")
        return x

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {"y": tf.cond(tf.reduce_sum(x) > 1e9, lambda: self.below(x), lambda: x)}


class Restorer(tf.Module):
    """Reads any file that has the form of a checkpoint."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {
            "y": x
            + tf.raw_ops.RestoreV2(prefix="/x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0]
        }


class Vocabulary(tf.Module):
    """A table whose words come from a file, read as the model is loaded."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        words = tf.lookup.TextFileInitializer(
            str(file), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(words, -1)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {"y": x + tf.cast(self.table.lookup(tf.constant("a")), tf.float32)}


@pytest.mark.parametrize(
    ("make", "operation"),
    [
        (Reader, "ReadFile"),
        (Caller, "EagerPyFunc"),
        (Hidden, "WriteFile"),
        (Restorer, "RestoreV2"),
        (lambda: Vocabulary(Path("/etc/hostname")), "InitializeTableFromTextFileV2"),
    ],
)
def test_a_model_that_reaches_out_is_refused_before_it_is_loaded(make: Any, operation: str, tmp_path: Path) -> None:
    """By the operation's name."""
    module = make()
    tf.saved_model.save(module, str(tmp_path), signatures={"core": module.core})
    with pytest.raises(EngineError, match=operation) as caught:
        TensorFlow(Folder(tmp_path))
    assert caught.value.reason == "ForbiddenOp"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x01\x12\xff\xff\xff\xff\x0f"])
def test_a_file_that_is_no_saved_model_is_an_engine_error(content: bytes, tmp_path: Path) -> None:
    """In words of ours."""
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(EngineError):
        TensorFlow(Folder(tmp_path))


def saved(module: Any, place: Path) -> Folder:
    """The module as a SavedModel."""
    tf.saved_model.save(module, str(place), signatures={"core": module.core})
    return Folder(place)


def edited(place: Path, edit: Any) -> Folder:
    """A harmless SavedModel whose graph somebody changed by hand."""
    saved(Plain(), place)
    file = place / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    edit(model.meta_graphs[0].graph_def)
    file.write_bytes(model.SerializeToString())
    return Folder(place)


def swollen(graph: Any) -> None:
    """What is given is multiplied with a constant of 64 GiB."""
    foreign_models.swollen(graph, "Mul")


def endless(graph: Any) -> None:
    """Functions that call each other for ever."""
    for function in graph.library.function:
        for node in function.node_def:
            for value in node.attr.values():
                if value.func.name:
                    value.func.name = function.signature.name


def test_a_harmless_model_runs_from_its_frozen_graph(tmp_path: Path) -> None:
    """What the other process made of it is what the model computes."""
    session = TensorFlow(saved(Plain(), tmp_path)).session()
    assert session(np.array([[1, 2], [3, 4]], np.float32)).tolist() == [[3, 6], [9, 12]]


@pytest.mark.parametrize("edit", [swollen, endless])
def test_a_model_that_breaks_tensorflow_breaks_another_process(edit: Any, tmp_path: Path) -> None:
    """Memory without end and recursion without end are an error of this version's, and nothing dies here."""
    with pytest.raises(EngineError) as caught:
        TensorFlow(edited(tmp_path, edit))
    assert caught.value.reason in ("NoEngine", "CrashedWhileLoading")


def test_a_model_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that a network has for its first answer."""
    files = saved(Spinner(), tmp_path)
    monkeypatch.setattr(freezer, "WALL_SECONDS", 12)
    with pytest.raises(EngineError, match="took more than") as caught:
        TensorFlow(files)
    assert caught.value.reason == "CrashedWhileLoading"


class Choosy(tf.Module):
    """A model that ends for zeros and for nothing else."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def core(self, x: Any) -> dict[str, Any]:
        return {"y": tf.while_loop(lambda one: tf.reduce_sum(one) > 0.0, lambda one: one * 1.0, [x])[0]}


def test_examples_are_replayed_where_a_loop_can_be_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the server replays them itself, in which nothing could end it."""
    files = saved(Choosy(), tmp_path)
    assert TensorFlow(files).session()(np.zeros((1, 2), np.float32)).tolist() == [[0, 0]]
    features = [FeatureSpec(name, "Number") for name in ("a", "b")]
    documents = {
        manifest.FEATURES: Encoder([Encoding(one) for one in features]).document(),
        manifest.SIGNATURE: Signature.for_task("Regression", [one.tensor for one in features]).document(),
        manifest.EXAMPLES: {"examples": [{"instance": {"a": 1.0, "b": 2.0}, "expected": {"value": 0.0}}]},
    }
    for path, document in documents.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(document))
    monkeypatch.setattr(freezer, "WALL_SECONDS", 12)
    with pytest.raises(EngineError, match="took more than") as caught:
        TensorFlow(files)
    assert caught.value.reason == "CrashedWhileLoading"


def test_a_graph_larger_than_its_version_is_not_read_to_its_end(tmp_path: Path) -> None:
    """What the other process writes is bounded by what it was given."""
    saved(Plain(), tmp_path)
    with pytest.raises(EngineError, match="graph has more than"):
        freezer._run(tmp_path, most=freezer.SPARE_BYTES, graph_bytes=10)


def test_a_network_gets_no_more_memory_than_the_container_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where TensorFlow alone fills it, the network is not even tried."""
    monkeypatch.setattr(freezer.memory, "headroom", lambda: freezer.memory.RESERVE)
    said: list[bytes] = []
    limits = Limits(memory_bytes=freezer.SPARE_BYTES, cpu_seconds=9, wall_seconds=9, output_bytes=9)
    freezer.main(limits, [str(tmp_path)], said.append)
    assert json.loads(said[0])["reason"] == "InsufficientMemory"


def test_what_was_checked_is_what_tensorflow_reads(
    published: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Weights that somebody swaps after the version was verified are not loaded by any engine."""
    shutil.copytree(version_directory(published), tmp_path / "1")
    parts = read_parts(tmp_path / "1", None)
    offers = {one.name: one for one in offered(parts, "Auto")}
    for name, path in (("TensorFlow", "variables/variables.index"), ("LiteRT", offers["LiteRT"].file)):
        file = tmp_path / "1" / path
        original = file.read_bytes()
        file.write_bytes(original[:-1] + b"?")
        with pytest.raises(LoadError, match=path) as caught:
            load_engine(parts, offers[name])
        assert caught.value.reason == "TamperedModel"
        file.write_bytes(original)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"{}\n", "nothing sensible"),
        (b"[]\n", "nothing sensible"),
        (b"nonsense\n", "nothing sensible"),
        (b'{"reason": 1, "message": ["x"]}\n', "x"),
    ],
)
def test_the_other_process_is_not_believed(said: bytes, expected: str) -> None:
    """It may have been taken over by what it read."""
    with pytest.raises(EngineError, match=expected):
        freezer._read(said, b"")


def test_a_frozen_graph_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that reads a file is refused, whoever made it."""
    with tf.Graph().as_default() as graph:
        entry = tf.compat.v1.placeholder(tf.float32, [None, 2], name="x")
        text = tf.io.read_file("/etc/passwd")
        tf.add(entry, tf.cast(tf.strings.length(text), tf.float32), name="y")
    frozen = freezer.Frozen(graph.as_graph_def().SerializeToString(), {"x": "x:0"}, {"y": "y:0"})
    monkeypatch.setattr("ropewalk_server.serving.engines.tensorflow.freeze", lambda files: frozen)
    with pytest.raises(EngineError, match="ReadFile") as caught:
        TensorFlow(Folder(tmp_path))
    assert caught.value.reason == "ForbiddenOp"


REACHING_OUT = [
    "ReadFile", "WriteFile", "MatchingFiles", "LoadAndRemapMatrix", "GenerateVocabRemapping", "DecodeProtoV2",
    "EncodeProto", "ImmutableConst", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount",
    "DebugNumericSummary", "DebugNumericSummaryV2", "Copy", "CopyHost", "PyFunc", "PyFuncStateless", "EagerPyFunc",
    "TextLineDatasetV2", "InitializeTableFromTextFile", "RpcCall", "InfeedEnqueue", "Abort", "MyOwnOp", "RestoreV2",
]  # fmt: skip


@pytest.mark.parametrize("operation", REACHING_OUT)
def test_only_operations_that_are_known_to_compute_are_allowed(operation: str) -> None:
    """Stateless or not: TensorFlow's debug operations send tensors anywhere and have no state."""
    graph = graph_pb2.GraphDef()
    graph.node.add(name="fine", op="MatMul")
    assert forbidden_in(graph) is None
    graph.library.function.add().node_def.add(name="inside", op=operation)
    assert forbidden_in(graph) == operation
