"""The table of feature types by name. `ropewalk_model.features` fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ropewalk_model.features.base import FeatureType

FEATURE_TYPES: dict[str, FeatureType] = {}
"""By the name that stands in `spec.schema.features[].type` and in stored documents."""


def of(name: str) -> FeatureType:
    """The feature type of this name. ValueError for a name that is not in the table."""
    found = FEATURE_TYPES.get(name)
    if found is None:
        raise ValueError(f"feature type {name!r} is none of {', '.join(FEATURE_TYPES)}")
    return found


def of_format(name: str) -> FeatureType | None:
    """The feature type whose wire values obey this format of JSON Schema; None for no format or an unknown one."""
    return next((one for one in FEATURE_TYPES.values() if name and one.format == name), None)
