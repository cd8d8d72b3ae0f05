"""The other side of `child`: starts it with little, ends it in time, and reads what it says with suspicion."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from ropewalk_contract import reasons, wire
from ropewalk_model import sandbox
from ropewalk_model.sandbox import Limits
from ropewalk_trainer.errors import RunFailure, UserError

WALL_SECONDS = 1500
CPU_SECONDS = 1200
COPIES = 8
SPARE_BYTES = 6 << 30
"""Address space beyond TensorFlow's own, in which the other engines' libraries and threads are."""
SPARE_FILE_BYTES = 256 << 20
MAX_BYTES = 65536
CODES = (wire.EXIT_USER, wire.EXIT_DATA, wire.EXIT_AGAIN)
CRASHED = reasons.IMPORT_CRASHED
_MODULE = "ropewalk_trainer.importing.child"


def made(place: Path, digest: str) -> dict[str, Any]:
    """`engines`, `loadedBytes` and `notes` of the copy at `place`, beside which the other files now lie. RunFailure."""
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    limits = Limits(
        memory_bytes=COPIES * size + SPARE_BYTES,
        cpu_seconds=CPU_SECONDS,
        wall_seconds=WALL_SECONDS,
        output_bytes=MAX_BYTES,
        file_bytes=4 * size + SPARE_FILE_BYTES,
    )
    ended = sandbox.run(
        _MODULE,
        [str(place), digest],
        limits,
        inherit=["ROPEWALK_CALL_SECONDS"],
        environment={"TF_CPP_MIN_LOG_LEVEL": "3"},
        log=True,
    )
    said = ended.output
    if ended.overflowed or not said.endswith(b"\n"):
        if ended.code == -signal.SIGALRM:
            raise UserError(
                reasons.TOO_SLOW, "the model takes more than a minute for a few generated rows, or never ends"
            )
        text = (
            f"TensorFlow died of the SavedModel, or took more than {WALL_SECONDS} s or too much memory for it, in the "
            f"process that tries it (exit code {ended.code}); the pod's log may say more"
        )
        raise UserError(CRASHED, text)
    return _read(said)


def _read(said: bytes) -> dict[str, Any]:
    try:
        found = json.loads(said)
        if "reason" in found:
            error = RunFailure(str(found["reason"])[:64], str(found["message"])[:600])
            error.exit_code = found["code"] if found["code"] in CODES else wire.EXIT_USER
            raise error
        return {
            "engines": [dict(one) for one in found["engines"]],
            "loadedBytes": int(found["loadedBytes"]),
            "notes": [str(one)[:200] for one in found["notes"]],
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(CRASHED, "the process that tries a SavedModel said nothing sensible") from error
