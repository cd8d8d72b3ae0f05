"""From raw columns to the core network's one float32 input: the declared types, their encoding, their histograms.

A feature type is one file and one line in the table below. The SavedModel encodes with TensorFlow's operations;
publishing proves the two equal. Arithmetic is float64 until one last rounding to float32, so that the two agree to the
last bit.
"""

from ropewalk_model.features.boolean import BOOLEAN
from ropewalk_model.features.category import CATEGORY
from ropewalk_model.features.encoder import Encoder, fit
from ropewalk_model.features.image import IMAGE
from ropewalk_model.features.integer import INTEGER
from ropewalk_model.features.number import NUMBER
from ropewalk_model.features.registry import FEATURE_TYPES
from ropewalk_model.features.spec import Columns, Encoding, FeatureSpec
from ropewalk_model.features.standardized import CLIP
from ropewalk_model.features.tensor import TENSOR
from ropewalk_model.features.text import TEXT
from ropewalk_model.features.timestamp import TIMESTAMP

FEATURE_TYPES |= {
    one.name: one
    for one in (
        NUMBER,
        INTEGER,
        BOOLEAN,
        CATEGORY,
        TEXT,
        TIMESTAMP,
        IMAGE,
        TENSOR,
    )
}

__all__ = [
    "BOOLEAN",
    "CATEGORY",
    "CLIP",
    "FEATURE_TYPES",
    "IMAGE",
    "INTEGER",
    "NUMBER",
    "TENSOR",
    "TEXT",
    "TIMESTAMP",
    "Columns",
    "Encoder",
    "Encoding",
    "FeatureSpec",
    "fit",
]
