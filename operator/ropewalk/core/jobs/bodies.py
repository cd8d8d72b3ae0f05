"""What every container of a Job has in common: no rights, and a last word when it ends."""

from __future__ import annotations

from typing import Any

from ropewalk_contract import wire

from .. import security
from ..plan import Json
from .observed import SMOKE_TEST

ROOT = wire.ROOT


def container(
    name: str, image: str, command: list[str], resources: Json, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    """A container that is told its image, if its name allows it."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}, *_told_its_image(name, image)],
        "resources": resources,
        "terminationMessagePath": wire.TERMINATION_LOG,
        # What dies before it can speak (a broken import, a segmentation fault) leaves its last lines.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": security.of_container(),
        "volumeMounts": mounts,
    }


def _told_its_image(name: str, image: str) -> list[dict[str, str]]:
    """For what a model was made from. The smoke test is not told: another attempt may give it another image."""
    return [] if name == SMOKE_TEST else [{"name": wire.IMAGE_VARIABLE, "value": image}]
