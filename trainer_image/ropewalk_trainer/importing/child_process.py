"""The other side of `child`: starts it with little, ends it in time, and reads what it says with suspicion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ropewalk_contract import reasons, wire
from ropewalk_trainer.errors import RunFailure, UserError

WALL_SECONDS = 1500
MAX_BYTES = 65536
CODES = (wire.EXIT_USER, wire.EXIT_DATA, wire.EXIT_AGAIN)
CRASHED = reasons.IMPORT_CRASHED
_INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "ROPEWALK_CALL_SECONDS")
_MODULE = "ropewalk_trainer.importing.child"


def made(place: Path, digest: str) -> dict[str, Any]:
    """`engines`, `loadedBytes` and `notes` of the copy at `place`, beside which the other files now lie. RunFailure."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {"MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", _MODULE, str(place), digest]
    with subprocess.Popen(command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        timer = threading.Timer(WALL_SECONDS, child.kill)
        timer.start()
        try:
            said = child.stdout.read(MAX_BYTES + 1)
            child.stdout.close()  # it has nothing more to say
            child.wait()
        finally:
            timer.cancel()
            child.kill()
    if not said.endswith(b"\n") or len(said) > MAX_BYTES:
        if child.returncode == -signal.SIGALRM:
            raise UserError(
                reasons.TOO_SLOW, "the model takes more than a minute for a few generated rows, or never ends"
            )
        text = (
            f"TensorFlow died of the SavedModel, or took more than {WALL_SECONDS} s or too much memory for it, in the "
            f"process that tries it (exit code {child.returncode}); the pod's log may say more"
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
