"""A version whose core takes five columns of ids beside its numbers: loaded, replayed and served by every engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.serving import ids_version
from benchmarks.serving.ids_version import COLUMNS, WORDS, Version
from ropewalk_model import manifest
from ropewalk_model.ids import IdColumn, IdEncoder
from ropewalk_server.serving import batch_queue, ids_model
from ropewalk_server.serving.model import LoadError
from tests.server.apps import load
from tests.server.conftest import Server, next_ports
from tests.server.observed import live

ENGINES = ["LiteRT", "OpenVINO", "ONNXRuntime", "TensorFlow"]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Published as the trainer does it."""
    return ids_version.write(tmp_path_factory.mktemp("ids") / "1")


def test_words_become_ids() -> None:
    """Unknown and missing ones have ids of their own; the document is read back."""
    encoder = IdEncoder([IdColumn("a", ("x", "y")), IdColumn("b", ("y",))])
    columns = {"a": np.array(["y", "", "?"], dtype=object), "b": np.array(["y", "x", ""], dtype=object)}
    assert encoder.encode(columns).tolist() == [[3, 2], [1, 0], [0, 1]]
    assert encoder.encode(columns).dtype == np.int32
    read = IdEncoder.from_document({"ids": encoder.document()})
    assert read.columns == encoder.columns
    assert [one.size for one in read.columns] == [4, 3]
    assert not IdEncoder.from_document({"features": []})


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_loaded_and_answers_as_its_core(version: Version, engine: str) -> None:
    """Through the decoder of requests, singly, many at once, and the rows of several requests together."""
    model = load(version.directory, version.digest, engine)
    assert (type(model), model.engine_name) == (ids_model.IdsModel, engine)
    batches = [model.decoder.decode({"instances": rows}, None)[0] for rows in (version.rows[:1], version.rows)]
    assert np.abs(model.predict(batches[1]) - version.expected).max() <= 1e-6
    together = batch_queue.compute(model, batches)
    assert np.abs(together - np.concatenate([version.expected[:1], version.expected])).max() <= 1e-6


def test_a_server_process_answers_with_it(version: Version, tmp_path: Path) -> None:
    """Single rows and many, in the threads that the server computes in."""
    shutil.copytree(version.directory, tmp_path / "claims" / "ids" / "1")
    digest = manifest.read_manifest(version.directory, None).model_digest
    server = Server(tmp_path, next_ports())
    server.tell(1, [{"version": 1, "uri": "pvc://ids/1", "manifestDigest": version.digest, "digest": digest}])
    try:
        server.start()
        server.until(lambda: live(server, 1))
        for count in (1, len(version.rows)):
            status, answer, _ = server.predict(*version.rows[:count])
            assert status == 200, answer
            given = np.array([row["probabilities"] for row in answer["predictions"]])
            assert np.abs(given - version.expected[:count]).max() <= 1e-5
    finally:
        server.kill()


def test_an_unknown_word_and_a_missing_one_are_answered(version: Version) -> None:
    """By embeddings of their own."""
    model = load(version.directory, version.digest, "LiteRT")
    known = version.rows[0]
    asked = [known, {**known, COLUMNS[0]: "never seen"}, {**known, COLUMNS[0]: None}]
    batch, _ = model.decoder.decode({"instances": asked}, None)
    answers = model.predict(batch)
    assert len({one.tobytes() for one in answers}) == 3


def test_a_core_without_the_ids_of_its_document_is_refused(version: Version, tmp_path: Path) -> None:
    """features.json and the compiled forms must be of one model."""
    place = tmp_path / "1"
    shutil.copytree(version.directory, place)
    features = json.loads((place / manifest.FEATURES).read_text())
    del features["ids"]
    (place / manifest.FEATURES).write_text(json.dumps(features))
    document = json.loads((place / manifest.MANIFEST).read_text())
    manifest.write_manifest(place, manifest.build_manifest(place, made_from={}, engines=document["engines"]))
    with pytest.raises(LoadError, match="call it by names") as caught:
        load(place, None, "LiteRT")
    assert caught.value.reason == "NoEngine"


def test_the_words_are_counted_as_any_categorys(version: Version) -> None:
    """The baseline has bins for each id column."""
    found: dict[str, Any] = json.loads((version.directory / manifest.BASELINE).read_text())
    assert set(COLUMNS) <= {one["name"] for one in found["features"]}
    assert len(WORDS) == 4000
