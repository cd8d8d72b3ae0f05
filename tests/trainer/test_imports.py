"""SavedModels of others become versions: what is refused, what is written, and that doing it twice is doing it once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from ropewalk_model import calls, manifest
from ropewalk_model.operations import forbidden
from ropewalk_model.signature import CLASSIFY, REGRESS, Signature
from ropewalk_trainer.errors import UserError
from ropewalk_trainer.helper_jobs import import_model
from ropewalk_trainer.importing import child_process
from tests import foreign_models
from tests.trainer.imports import helper_job, imported

URI = "pvc://models/m/1"


def put(root: Path, make: Callable[[Path], None]) -> Path:
    """A model at URI."""
    place = root / "claims" / "models" / "m" / "1"
    make(place)
    return place


def version(root: Path, said: dict[str, Any]) -> manifest.Manifest:
    """The version that was made, every file verified."""
    return manifest.verify(root / "claims" / said["uri"].removeprefix("pvc://"), said["manifestDigest"])


def tree(place: Path) -> dict[str, bytes]:
    """All files and their content."""
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_keras_export_runs_on_every_engine_and_its_own_directory_stays_as_it_was(tmp_path: Path) -> None:
    """The version is a copy whose place follows from the digest that the user computes with coreutils."""
    place = put(tmp_path, foreign_models.keras)
    before = tree(place)
    code, said = helper_job(tmp_path, URI, foreign_models.digest(place))
    assert (code, said["reason"]) == (0, "Imported")
    assert tree(place) == before
    made = version(tmp_path, said)
    assert {one.name for one in made.engines} == {"LiteRT", "OpenVINO", "ONNXRuntime"}
    assert said["uri"] == f"pvc://models/.ropewalk/imported/{foreign_models.digest(place).removeprefix('sha256:')}/1"
    signature = Signature.from_document(made.read_json(manifest.SIGNATURE))
    assert (signature.task, signature.name, [one.name for one in signature.others]) == (
        "Tensor",
        "serving_default",
        ["serve"],
    )
    assert {path for path in tree(made.directory) if not path.startswith("assets.extra/")} == set(before)


def test_signatures_of_any_tensors_are_kept_with_what_tensorflow_answers(tmp_path: Path) -> None:
    """Names, types, open sizes; examples of every signature, the same at every import."""
    said = imported(tmp_path, foreign_models.several)
    made = version(tmp_path, said)
    assert [one.name for one in made.engines] == ["TensorFlow"]
    signature = Signature.from_document(made.read_json(manifest.SIGNATURE))
    assert [(one.name, one.dtype, one.shape) for one in signature.inputs] == [
        ("a", "FLOAT", (-1, 2)),
        ("b", "INT32", (-1,)),
    ]
    (total,) = signature.others
    assert [(one.name, one.dtype, one.shape) for one in total.outputs] == [
        ("all", "DOUBLE", ()),
        ("total", "DOUBLE", (-1,)),
    ]
    examples = made.read_json(manifest.EXAMPLES)
    for one in signature.all:
        few, single = calls.of(examples, one.name, one.inputs, one.outputs)
        assert [len(next(iter(call.inputs.values()))) for call in (few, single)] == [4, 1]
    (call, _) = calls.of(examples, "total", total.inputs, total.outputs)
    assert np.allclose(call.outputs["total"], call.inputs["x"].sum(axis=1))
    shutil.rmtree(tmp_path / "claims" / "models" / ".ropewalk")
    code, again = helper_job(
        tmp_path, "pvc://models/several/1", foreign_models.digest(tmp_path / "claims/models/several/1")
    )
    assert (code, again["digest"]) == (0, said["digest"])
    assert version(tmp_path, again).read_json(manifest.EXAMPLES) == examples


def test_methods_of_tensorflow_1_are_kept(tmp_path: Path) -> None:
    """Its own saver stands in the graph, and is nobody's but the loader's."""
    signature = Signature.from_document(
        version(tmp_path, imported(tmp_path, foreign_models.examples)).read_json(manifest.SIGNATURE)
    )
    assert {one.name: one.method for one in signature.all} == {
        "serving_default": CLASSIFY,
        "plain": "tensorflow/serving/predict",
        "value": REGRESS,
    }


@pytest.mark.parametrize(
    ("make", "reason", "words"),
    [
        (foreign_models.reader, "ForbiddenOp", "ReadFile"),
        (foreign_models.caller, "ForbiddenOp", "PyFunc"),
        (foreign_models.imaginary, "UnsupportedSignature", "tensor z has the unsupported dtype DT_COMPLEX64"),
        (foreign_models.without_signature, "NoSignature", "has no signature"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(tmp_path: Path, make: Any, reason: str, words: str) -> None:
    """For good, and nothing is left of it."""
    place = put(tmp_path, make)
    code, said = helper_job(tmp_path, URI, foreign_models.digest(place))
    assert (code, said["reason"]) == (64, reason)
    assert words in said["message"]
    assert list((tmp_path / "claims/models/.ropewalk/imported").rglob("*.pb")) == []


def test_a_restore_that_an_answer_depends_on_is_refused() -> None:
    """Only what the loader alone runs may read files."""
    model = saved_model_pb2.SavedModel()
    graph = model.meta_graphs.add()
    graph.graph_def.node.add(name="saver", op="RestoreV2")
    graph.graph_def.node.add(name="y", op="Identity", input=["x"])
    graph.graph_def.node.add(name="x", op="Placeholder")
    graph.signature_def["serving_default"].outputs["y"].name = "y:0"
    assert forbidden(model) is None
    graph.graph_def.node[1].input.append("^saver")
    assert forbidden(model) == "RestoreV2"
    del graph.graph_def.node[1].input[1]
    graph.collection_def["saved_model_main_op"].node_list.value.append("saver")
    assert forbidden(model) == "RestoreV2"


def test_a_model_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process that tries it."""
    monkeypatch.setenv("ROPEWALK_CALL_SECONDS", "2")
    place = put(tmp_path, foreign_models.spinner)
    code, said = helper_job(tmp_path, URI, foreign_models.digest(place))
    assert (code, said["reason"]) == (64, "TooSlow")


def swollen(place: Path) -> None:
    """A graph with a constant of 64 GiB in a few bytes."""
    foreign_models.several(place)
    file = place / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    foreign_models.swollen(model.meta_graphs[0].graph_def, "MatMul")
    file.write_bytes(model.SerializeToString())


def nonsense(place: Path) -> None:
    """A file that is no SavedModel."""
    place.mkdir(parents=True)
    (place / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff\xff\xff\xff\x0f")


@pytest.mark.parametrize("make", [swollen, nonsense])
def test_a_file_that_breaks_tensorflow_breaks_another_process(tmp_path: Path, make: Any) -> None:
    """The Job ends in order and says so."""
    place = put(tmp_path, make)
    code, said = helper_job(tmp_path, URI, foreign_models.digest(place))
    assert (code, said["outcome"]) == (64, "Failed")
    assert said["reason"] in ("UnsupportedModel", child_process.CRASHED)


def test_another_digest_is_answered_with_the_right_one(tmp_path: Path) -> None:
    """So that a person can look and copy it."""
    place = put(tmp_path, foreign_models.words)
    code, said = helper_job(tmp_path, URI, "sha256:" + "0" * 64)
    assert (code, said["reason"]) == (64, "DigestMismatch")
    assert foreign_models.digest(place) in said["message"]
    assert not (tmp_path / "claims/models/.ropewalk").exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda place: (place / "link").symlink_to("/etc/passwd"), "link is a link or a special file"),
        (lambda place: os.mkfifo(place / "pipe"), "pipe is a link or a special file"),
        (lambda place: (place / "a\\b").write_text(""), "characters that sha256sum does not print"),
        (lambda place: (place / "saved_model.pb").unlink(), "has no saved_model.pb"),
        (lambda place: shutil.copytree(place / "variables", place / "assets.extra/ropewalk"), "Ropewalk's own"),
    ],
)  # fmt: skip
def test_a_directory_is_a_stranger(tmp_path: Path, damage: Any, words: str) -> None:
    """No link is followed, nothing odd is copied."""
    place = put(tmp_path, foreign_models.words)
    damage(place)
    code, said = helper_job(tmp_path, URI, "sha256:" + "0" * 64)
    assert (code, said["reason"]) == (64, "UnsupportedModel")
    assert words in said["message"]


def test_a_way_over_a_link_is_not_taken(tmp_path: Path) -> None:
    """A claim's user may point it anywhere."""
    place = put(tmp_path, foreign_models.words)
    (place.parent / "2").symlink_to(place)
    code, said = helper_job(tmp_path, "pvc://models/m/2", foreign_models.digest(place), 2)
    assert (code, "leads over a link" in said["message"]) == (64, True)


def test_doing_it_twice_is_doing_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second Job finds the version and does not even load TensorFlow; a damaged one is made anew."""
    said = imported(tmp_path, foreign_models.words)
    uri, digest = "pvc://models/words/1", foreign_models.digest(tmp_path / "claims/models/words/1")
    with monkeypatch.context() as patch:
        patch.setattr(child_process, "made", lambda place, digest: pytest.fail("it was tried again"))
        assert helper_job(tmp_path, uri, digest) == (0, said)
    made = version(tmp_path, said)
    (made.directory / "saved_model.pb").write_bytes(b"tampered with")
    code, again = helper_job(tmp_path, uri, digest)
    assert code == 0
    assert version(tmp_path, again).model_digest == said["digest"]
    assert [path.name for path in made.directory.parent.iterdir()] == ["1"]


def test_the_slower_of_two_jobs_takes_what_the_faster_one_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each works in a place of its own, and a directory is renamed to where none is."""
    place = put(tmp_path, foreign_models.words)
    digest = foreign_models.digest(place)
    tried = child_process.made

    def overtaken(staged: Path, expected: str) -> Any:
        monkeypatch.setattr(child_process, "made", tried)
        assert helper_job(tmp_path, URI, digest)[0] == 0
        return tried(staged, expected)

    monkeypatch.setattr(child_process, "made", overtaken)
    code, said = helper_job(tmp_path, URI, digest)
    assert code == 0
    made = version(tmp_path, said)
    assert [path.name for path in made.directory.parent.iterdir()] == ["1"]


CRASHING = """
import os, sys
from pathlib import Path
from ropewalk_trainer.helper_jobs import import_model
step, count = int(sys.argv[1]), 0
def dying(make):
    def run(*arguments, **more):
        global count
        count += 1
        if count == step:
            os._exit(9)
        return make(*arguments, **more)
    return run
for module, name in ((os, "rename"), (os, "fsync"), (Path, "write_bytes"), (Path, "mkdir"), (os, "replace")):
    setattr(module, name, dying(getattr(module, name)))
from ropewalk_trainer.importing import child_process
child_process.made = lambda place, digest: {"engines": [], "loadedBytes": 0, "notes": []}
from ropewalk_trainer import main
main.main(["errand"])
os._exit(0 if count < step else 9)
"""


def test_a_crash_at_any_write_leaves_a_whole_version_or_none(tmp_path: Path) -> None:
    """And the next Job succeeds."""
    place = put(tmp_path, foreign_models.words)
    digest = foreign_models.digest(place)
    home = tmp_path / "claims/models/.ropewalk/imported" / digest.removeprefix("sha256:")
    helper_job(tmp_path, URI, "sha256:" + "0" * 64)  # writes errand.json
    document = {"formatVersion": 1, "type": "Import", "uri": URI, "digest": digest, "number": 1}
    (tmp_path / "run/errand.json").write_text(json.dumps(document))
    environment = {**os.environ, "ROPEWALK_ROOT": str(tmp_path), "ROPEWALK_TERMINATION_LOG": str(tmp_path / "log")}
    for step in range(1, 60):
        code = subprocess.run(
            [sys.executable, "-c", CRASHING, str(step)], env=environment, stderr=subprocess.DEVNULL
        ).returncode
        if (home / "1").exists():
            manifest.verify(home / "1")
            shutil.rmtree(home / "1")
        if code == 0:
            break
    else:
        raise AssertionError("it never got to its end")
    assert step > 8
    assert helper_job(tmp_path, URI, digest)[0] == 0
    for left in home.glob(".staged-*"):
        os.utime(left, (1, 1))
    shutil.rmtree(home / "1")
    assert helper_job(tmp_path, URI, digest)[0] == 0
    assert [path.name for path in home.iterdir()] == ["1"], "what crashed Jobs left is removed in time"


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that is mounted read-only."""
    place = put(tmp_path, foreign_models.words)

    def refuse(self: Path, *arguments: Any, **more: Any) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(import_model, "_clear", lambda _, home: refuse(Path(home)))
    code, said = helper_job(tmp_path, URI, foreign_models.digest(place))
    assert (code, said["reason"]) == (64, "StoreNotWritable")
    assert "the claim has to be writable" in said["message"]


def test_what_tried_the_model_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was taken over may have changed the copy."""
    place = put(tmp_path, foreign_models.words)

    def lying(staged: Path, digest: str) -> dict[str, Any]:
        (staged / "saved_model.pb").write_bytes(b"another one")
        return {"engines": [], "loadedBytes": 0, "notes": []}

    monkeypatch.setattr(child_process, "made", lying)
    code, said = helper_job(tmp_path, URI, foreign_models.digest(place))
    assert (code, said["reason"]) == (64, child_process.CRASHED)
    for said_by_child in (b"{}\n", b"[]\n", b"nonsense\n"):
        with pytest.raises(UserError, match="nothing sensible"):
            child_process._read(said_by_child)
