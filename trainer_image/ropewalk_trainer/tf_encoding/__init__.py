"""Feature types with TensorFlow's operations, for the SavedModel. A type is one file and one line in the table below.

Arithmetic is float64 until one last rounding, as in `ropewalk_model.features`, so that the two agree to the last bit.
"""

from collections.abc import Mapping

from ropewalk_model import features
from ropewalk_model.features.base import FeatureType
from ropewalk_trainer.tf_encoding.base import TfEncoding
from ropewalk_trainer.tf_encoding.boolean import BOOLEAN
from ropewalk_trainer.tf_encoding.category import CATEGORY
from ropewalk_trainer.tf_encoding.image import IMAGE
from ropewalk_trainer.tf_encoding.integer import INTEGER
from ropewalk_trainer.tf_encoding.number import NUMBER
from ropewalk_trainer.tf_encoding.text import TEXT
from ropewalk_trainer.tf_encoding.timestamp import TIMESTAMP

TF_ENCODINGS: Mapping[FeatureType, TfEncoding] = {
    features.NUMBER: NUMBER,
    features.INTEGER: INTEGER,
    features.BOOLEAN: BOOLEAN,
    features.CATEGORY: CATEGORY,
    features.TEXT: TEXT,
    features.TIMESTAMP: TIMESTAMP,
    features.IMAGE: IMAGE,
}
