"""Loads a SavedModel and replays its examples in a process of its own, with limits: what ends badly ends there.

Its process (`ropewalk_model.sandbox`) writes a line of JSON: `{}`, or `reason` and `message`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ropewalk_model import calls, manifest, sandbox
from ropewalk_model.engines import EngineError
from ropewalk_model.sandbox import Limits, Write
from ropewalk_model.signature import Signature
from ropewalk_server.serving.engines import freezer


def attempt(place: Path, size: int) -> None:
    """Try the SavedModel of so many bytes at `place`. Raises EngineError."""
    head, _ = freezer.told(__name__, place, most=freezer.COPIES * size + freezer.SPARE_BYTES, rest_bytes=0)
    try:
        said = json.loads(head)
        if "reason" in said:
            raise EngineError(str(said["message"])[:1000], str(said["reason"])[:64])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError("the process that tries a model said nothing sensible", freezer.CRASHED) from error


def main(limits: Limits, arguments: Sequence[str], write: Write) -> None:
    """In the child: look at the operations, load, call every signature as its examples do."""
    freezer.confined(limits, Path(arguments[0]), write, _try)


def _try(tf: Any, place: Path) -> tuple[dict[str, Any], bytes]:
    loaded = tf.saved_model.load(str(place), tags=["serve"])
    signature = Signature.from_document(json.loads((place / manifest.SIGNATURE).read_bytes()))
    examples = json.loads((place / manifest.EXAMPLES).read_bytes())
    for one in signature.all:
        for call in calls.of(examples, one.name, one.inputs, one.outputs):
            given = {
                key: tf.constant(value.tolist() if value.dtype == object else value)
                for key, value in call.inputs.items()
            }
            loaded.signatures[one.name](**given)
    return {}, b""


if __name__ == "__main__":
    sandbox.child(main)
