"""Tasks with TensorFlow's operations, for training and the SavedModel. A task is one file and one line in the table."""

from collections.abc import Mapping

from ropewalk_model.tasks import TrainedTask
from ropewalk_trainer.tf_head.base import TfHead
from ropewalk_trainer.tf_head.classification import ClassificationHead
from ropewalk_trainer.tf_head.regression import RegressionHead

TF_HEADS: Mapping[TrainedTask, TfHead] = {one.task: one for one in (ClassificationHead(), RegressionHead())}
