"""TensorFlow's own engine: models that no compiler takes, and models that it may not run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from ropewalk_model import manifest
from ropewalk_server import engines, smoke_test
from ropewalk_server.engines import EngineError
from ropewalk_server.engines.tensorflow import TensorFlow
from ropewalk_server.model import load_engine, offered, read_parts
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
        TensorFlow(tmp_path / "saved_model.pb")
    assert caught.value.reason == "ForbiddenOp"


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x01\x12\xff\xff\xff\xff\x0f"])
def test_a_file_that_is_no_saved_model_is_an_engine_error(content: bytes, tmp_path: Path) -> None:
    """In words of ours."""
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(EngineError):
        TensorFlow(tmp_path / "saved_model.pb")
