"""A core with `x`, `ids` and two outputs, as templates with embeddings will have them: every engine, by names.

The embeddings are variables, the outputs are not in the order of their names, and converters rename and reverse both:
only what publish proves and writes into the manifest tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ropewalk_model import manifest
from ropewalk_model.engines import ENGINES, EngineError
from ropewalk_server.serving.engines.tensorflow import TensorFlow
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import compiled, savedmodel
from ropewalk_trainer.stages import publish

tf = lazy_imports.tensorflow()
WIDTH, COLUMNS, WORDS, SIZE = 7, 5, 4000, 8
NEAR = 2.4e-7
"""Two units of the last place of a float32 at 1."""


class Core(tf.Module):
    """Numbers and five id columns of 4,000 words each, to three probabilities and two values."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(1)

        def made(*shape: int) -> Any:
            return tf.Variable((random.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32))

        self.table = tf.Variable(random.normal(size=(COLUMNS * WORDS, SIZE)).astype(np.float32))
        self.classes, self.values = made(WIDTH + COLUMNS * SIZE, 3), made(WIDTH + COLUMNS * SIZE, 2)
        self.first = tf.constant(np.arange(COLUMNS, dtype=np.int32) * WORDS)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, WIDTH], tf.float32, name="x"),
            tf.TensorSpec([None, COLUMNS], tf.int32, name="ids"),
        ],
        autograph=False,
    )
    def core(self, x: Any, ids: Any) -> dict[str, Any]:
        vectors = tf.reshape(tf.gather(self.table, ids + self.first), [-1, COLUMNS * SIZE])
        both = tf.concat([x, vectors], axis=1)
        return {"probabilities": tf.nn.softmax(both @ self.classes), "hidden": tf.tanh(both @ self.values)}


@dataclass(frozen=True)
class Made:
    """A version's directory with the compiled forms, and what the core itself gives."""

    directory: Path
    engines: dict[str, manifest.Engine]
    rows: dict[str, NDArray[Any]]
    expected: dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Compiled, proved, and with the core as a SavedModel."""
    directory = tmp_path_factory.mktemp("version")
    module = Core()
    tf.saved_model.save(module, str(directory), signatures={savedmodel.CORE: module.core})
    (directory / manifest.COMPILED).mkdir(parents=True)
    random = np.random.default_rng(2)
    rows: dict[str, NDArray[Any]] = {
        "x": random.normal(size=(600, WIDTH)).astype(np.float32),
        "ids": random.integers(0, WORDS, size=(600, COLUMNS)).astype(np.int32),
    }
    expected = {name: one.numpy() for name, one in module.core(**rows).items()}
    entries, refused, _ = publish.compiled_forms(module, rows, expected, directory)
    assert refused == []
    manifest.write_manifest(directory, manifest.build_manifest(directory, made_from={}, engines=entries))
    engines = {one.name: one for one in manifest.verify(directory).engines}
    return Made(directory, engines, rows, expected)


@pytest.mark.parametrize("name", ["LiteRT", "OpenVINO", "ONNXRuntime"])
@pytest.mark.parametrize("count", [1, 7, 256, 600])
def test_every_engine_gives_the_named_outputs(made: Made, name: str, count: int) -> None:
    """As a server loads it: from the verified version, by the manifest's map."""
    offer = made.engines[name]
    assert set(offer.outputs) == {"probabilities", "hidden"}
    engine = ENGINES[name](manifest.verify(made.directory), offer.file, offer.outputs)
    assert (engine.inputs, set(engine.outputs)) == (("x", "ids"), {"probabilities", "hidden"})
    got = engine.named_session()({key: one[:count] for key, one in made.rows.items()})
    for output, want in made.expected.items():
        assert np.abs(got[output] - want[:count]).max() <= NEAR, output


def test_tensorflow_in_the_server_gives_them_too(made: Made) -> None:
    """From the frozen graph, whose inputs and outputs have names of their own."""
    engine = TensorFlow(manifest.verify(made.directory))
    got = engine.named_session()(made.rows)
    for output, want in made.expected.items():
        assert np.abs(got[output] - want).max() <= NEAR, output
    trained = compiled.LOADERS[compiled.TENSORFLOW](made.directory / "saved_model.pb")
    assert trained.inputs == ("x", "ids")
    again = trained.named_session()(made.rows)
    assert all(np.abs(again[output] - want).max() <= NEAR for output, want in made.expected.items())


@pytest.mark.parametrize("name", ["LiteRT", "OpenVINO", "ONNXRuntime"])
def test_a_core_with_ids_is_called_by_names_only(made: Made, name: str) -> None:
    """The call with one array is that of a core without ids; without the map several outputs are nobody's."""
    offer = made.engines[name]
    files = manifest.verify(made.directory)
    with pytest.raises(EngineError, match="call it by names"):
        ENGINES[name](files, offer.file, offer.outputs).session()
    with pytest.raises(EngineError, match="the manifest's map is"):
        ENGINES[name](files, offer.file, {})


def test_outputs_that_cannot_be_told_apart_are_not_published() -> None:
    """Two that are equal on all rows may differ on others: a map of them would be a guess."""
    rows = {"x": np.arange(9, dtype=np.float32).reshape(-1, 1)}
    expected = {"a": rows["x"] * 2, "b": rows["x"]}
    assert compiled.prove(lambda given: {"1": given["x"], "0": given["x"] * 2}, rows, expected).outputs == {
        "a": "0",
        "b": "1",
    }
    equal = compiled.prove(lambda given: {"1": given["x"], "0": given["x"]}, rows, {"a": rows["x"], "b": rows["x"]})
    assert equal.error == float("inf")
