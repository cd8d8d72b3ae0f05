"""SavedModels as others make them: nothing of Ropewalk's in them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from ropewalk_trainer import lazy_imports

tf = lazy_imports.tensorflow()  # as the trainer sets it up, before anything of it is used
TREE = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"


def digest(place: Path) -> str:
    """What a user computes with coreutils."""
    done = subprocess.run(["sh", "-c", TREE], cwd=place, capture_output=True, text=True, check=True)
    return f"sha256:{done.stdout.split()[0]}"


def keras(place: Path) -> None:
    """A Keras export, which has the signatures `serve` and `serving_default`, the same function."""
    import keras as k

    k.utils.set_random_seed(1)
    model = k.Sequential([k.Input((10,), name="x"), k.layers.Dense(8, activation="relu"), k.layers.Dense(3)])
    model.export(str(place), verbose=False)


class Several(tf.Module):
    """Several tensors in and out, of many types, and a second signature with another shape."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="a"),
            tf.TensorSpec([None], tf.int32, name="b"),
        ]
    )
    def both(self, a: Any, b: Any) -> dict[str, Any]:
        return {"sum": tf.linalg.matmul(a, self.weight) + tf.cast(b, tf.float32)[:, None], "even": b % 2 == 0}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float64, name="x")])
    def total(self, x: Any) -> dict[str, Any]:
        return {"total": tf.reduce_sum(x, axis=1), "all": tf.reduce_sum(x)}


def several(place: Path) -> None:
    """`serving_default` of two inputs and `total` of one with two open sizes."""
    module = Several()
    tf.saved_model.save(module, str(place), signatures={"serving_default": module.both, "total": module.total})


class Words(tf.Module):
    """Strings in and out, by way of a table."""

    def __init__(self) -> None:
        super().__init__()
        keys = tf.lookup.KeyValueTensorInitializer(
            tf.constant(["red", "green"]), tf.constant(["rouge", "vert"]), tf.string, tf.string
        )
        self.table = tf.lookup.StaticHashTable(keys, "?")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def translate(self, word: Any) -> dict[str, Any]:
        return {"french": self.table.lookup(word), "length": tf.strings.length(word)}


def words(place: Path) -> None:
    """A signature of strings."""
    module = Words()
    tf.saved_model.save(module, str(place), signatures=module.translate)


class Reader(tf.Module):
    """Reads a file of its pod and gives it away."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def read(self, x: Any) -> dict[str, Any]:
        return {"y": x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)}


def reader(place: Path) -> None:
    """A model with a forbidden operation."""
    module = Reader()
    tf.saved_model.save(module, str(place), signatures=module.read)


class Caller(tf.Module):
    """Runs Python."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def call(self, x: Any) -> dict[str, Any]:
        return {"y": tf.numpy_function(lambda one: one, [x], tf.float32)}


def caller(place: Path) -> None:
    """A model with a Python function."""
    module = Caller()
    tf.saved_model.save(module, str(place), signatures=module.call)


class Complex(tf.Module):
    """Takes what no protocol carries."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, name="z")])
    def absolute(self, z: Any) -> dict[str, Any]:
        return {"r": tf.abs(z)}


def imaginary(place: Path) -> None:
    """A model of complex numbers."""
    module = Complex()
    tf.saved_model.save(module, str(place), signatures=module.absolute)


def without_signature(place: Path) -> None:
    """A model that nobody can ask."""
    tf.saved_model.save(tf.Module(), str(place))


class Spinner(tf.Module):
    """Never ends."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def spin(self, x: Any) -> dict[str, Any]:
        return {"y": tf.while_loop(lambda one: tf.reduce_sum(one) < 1e9, lambda one: one * 0.0, [x])[0]}


def spinner(place: Path) -> None:
    """A model that takes for ever to answer."""
    module = Spinner()
    tf.saved_model.save(module, str(place), signatures=module.spin)


def examples(place: Path) -> None:
    """As estimators of TensorFlow 1 were exported: `classify` and `regress` parse tf.Examples, `predict` does not."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        given = v1.placeholder(tf.string, [None], name="examples")
        parsed = v1.io.parse_example(given, {"x": tf.io.FixedLenFeature([2], tf.float32, default_value=[0.0, 0.0])})
        weight = v1.get_variable("weight", initializer=tf.constant([[1.0, 0.0], [0.0, 2.0]]), use_resource=True)
        scores = tf.nn.softmax(tf.linalg.matmul(parsed["x"], weight))
        classes = tf.tile(tf.constant([["no", "yes"]]), [tf.shape(scores)[0], 1])
        value = tf.reduce_sum(parsed["x"], axis=1, keepdims=True)
        plain = v1.placeholder(tf.float32, [None, 2], name="plain")
        doubled = tf.linalg.matmul(plain, weight)
        session.run(v1.global_variables_initializer())
        info, sm = v1.saved_model.build_tensor_info, v1.saved_model
        inputs = {"inputs": info(given)}
        signatures = {
            "serving_default": sm.build_signature_def(
                inputs, {"classes": info(classes), "scores": info(scores)}, sm.signature_constants.CLASSIFY_METHOD_NAME
            ),
            "value": sm.build_signature_def(
                inputs, {"outputs": info(value)}, sm.signature_constants.REGRESS_METHOD_NAME
            ),
            "plain": sm.build_signature_def(
                {"x": info(plain)}, {"y": info(doubled)}, sm.signature_constants.PREDICT_METHOD_NAME
            ),
        }
        builder = v1.saved_model.builder.SavedModelBuilder(str(place))
        builder.add_meta_graph_and_variables(
            session, [v1.saved_model.tag_constants.SERVING], signature_def_map=signatures
        )
        builder.save()


def half_plus_three(place: Path) -> None:
    """Upstream's toy (servables/tensorflow/testdata/saved_model_half_plus_two.py with a 3): y = x / 2 + 3 for tensors,
    and for tf.Examples under the name that its page gives the signature."""
    v1, names = tf.compat.v1, tf.compat.v1.saved_model.signature_constants
    with tf.Graph().as_default(), v1.Session() as session:
        half, three = (
            v1.get_variable(name, initializer=one, use_resource=True) for name, one in (("a", 0.5), ("b", 3.0))
        )
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        parsed = v1.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        x = v1.placeholder(tf.float32, [None], name="x")
        session.run(v1.global_variables_initializer())
        info, sm = v1.saved_model.build_tensor_info, v1.saved_model
        inputs, value = {"inputs": info(examples)}, info(parsed["x"] * half + three)
        signatures = {
            "serving_default": sm.build_signature_def(
                {"x": info(x)}, {"y": info(x * half + three)}, names.PREDICT_METHOD_NAME
            ),
            "tensorflow/serving/regress": sm.build_signature_def(inputs, {"outputs": value}, names.REGRESS_METHOD_NAME),
            "classify_x_to_y": sm.build_signature_def(inputs, {"scores": value}, names.CLASSIFY_METHOD_NAME),
        }
        builder = v1.saved_model.builder.SavedModelBuilder(str(place))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def swollen(graph: Any, op: str) -> None:
    """A constant of 64 GiB in a few bytes, given to the first operation of that name; there must be one."""
    function, node = next((f, node) for f in graph.library.function for node in f.node_def if node.op == op)
    constant = function.node_def.add(name="huge", op="Const")
    constant.attr["dtype"].type = 1
    tensor = constant.attr["value"].tensor
    tensor.dtype = 1
    tensor.tensor_shape.dim.add(size=1 << 34)
    tensor.float_val.append(1.0)
    node.input[1] = "huge:output:0"
