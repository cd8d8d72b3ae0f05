"""Classification with TensorFlow's operations: softmax and its cross entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ropewalk_model.signature import Signature
from ropewalk_model.tasks import CLASSIFICATION
from ropewalk_trainer.tf_head.base import TfHead


class ClassificationHead(TfHead):
    """The network ends in logits, one a class; targets are indices of classes."""

    task = CLASSIFICATION
    has_accuracy = True

    def target_dtype(self, tf: Any) -> Any:
        """Indices."""
        return tf.int32

    def losses(self, tf: Any, output: Any, targets: Any) -> Any:
        """Cross entropy."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, output)

    def hits(self, tf: Any, output: Any, targets: Any) -> Any:
        """Rows whose greatest logit is the class's."""
        right = tf.equal(tf.argmax(output, axis=1, output_type=tf.int32), targets)
        return tf.reduce_sum(tf.cast(right, tf.float32))

    def core(self, tf: Any, output: Any, scale: tuple[float, float]) -> Any:
        """Probabilities."""
        return tf.nn.softmax(output)

    def outputs(self, tf: Any, signature: Signature, core: Any) -> Mapping[str, Any]:
        """label, score, probabilities."""
        names = tf.constant(list(signature.classes), tf.string)
        best = tf.argmax(core, axis=1)
        score = tf.reduce_max(core, axis=1)
        return {"label": tf.gather(names, best), "score": score, "probabilities": core}
