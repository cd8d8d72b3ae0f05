"""The helper job Import on a directory in place of a pod's volumes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ropewalk_trainer import main
from tests import foreign_models


@contextmanager
def pod(root: Path) -> Iterator[None]:
    """The environment of a pod whose volumes lie below `root`."""
    mine = {"ROPEWALK_ROOT": str(root), "ROPEWALK_TERMINATION_LOG": str(root / "termination-log")}
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def helper_job(root: Path, uri: str, digest: str, number: int = 1) -> tuple[int, dict[str, Any]]:
    """The exit code and the termination message of one Job."""
    (root / "run").mkdir(parents=True, exist_ok=True)
    document = {"formatVersion": 1, "type": "Import", "uri": uri, "digest": digest, "number": number}
    (root / "run" / "errand.json").write_text(json.dumps(document))
    with pod(root):
        code = main.main(["errand"])
    said = (root / "termination-log").read_bytes()
    assert len(said) <= 2048
    return code, json.loads(said)


def imported(root: Path, make: Callable[[Path], None], number: int = 1) -> dict[str, Any]:
    """What the Job says of a model made by `make` and imported."""
    place = root / "claims" / "models" / make.__name__ / str(number)
    make(place)
    code, said = helper_job(root, f"pvc://models/{make.__name__}/{number}", foreign_models.digest(place), number)
    assert code == 0, said
    return said
