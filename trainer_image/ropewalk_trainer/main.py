"""`ropewalk-train run`, the container `train` of a run's pod, and `ropewalk-train errand`, work on the store alone.

What a run needs is imported when there is one to do: a helper job starts in a fraction of a second without.
"""

from __future__ import annotations

import argparse
import collections
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.results import FAILED, TrainResult
from ropewalk_trainer.errors import InvalidSpec, RunFailure, TryAgain
from ropewalk_trainer.store import layout

if TYPE_CHECKING:
    from ropewalk_trainer.context import Context
    from ropewalk_trainer.progress import Progress

log = logging.getLogger("ropewalk_trainer")


class Tail(logging.Handler):
    """The last lines of the log, for the termination message."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: collections.deque[str] = collections.deque(maxlen=10)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the lines; of a traceback the last ones tell."""
        self.lines.extend(line[:300] for line in self.format(record).splitlines())


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the exit code tells the operator about another attempt."""
    parser = argparse.ArgumentParser(prog=wire.TRAIN_PROGRAM)
    commands = {wire.RUN_COMMAND: wire.RUN_FILE, wire.HELPER_JOB_COMMAND: wire.HELPER_JOB_FILE}
    text = "; ".join(f"{name}: do what {wire.ROOT}/{wire.RUN_FOLDER}/{file} says" for name, file in commands.items())
    parser.add_argument("command", choices=list(commands), help=text)
    command = parser.parse_args(arguments).command
    tail = Tail()
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    stream = logging.StreamHandler(sys.stderr)
    for handler in (stream, tail):
        handler.setFormatter(form)
    logging.basicConfig(level=logging.INFO, handlers=[stream, tail], force=True)
    for noisy in ("tensorflow", "absl", "tf2onnx"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return _errand() if command == wire.HELPER_JOB_COMMAND else _run(tail)


def _errand() -> int:
    from ropewalk_trainer.helper_jobs import runner

    document, code = runner.run(wire.root() / wire.RUN_FOLDER / wire.HELPER_JOB_FILE)
    _say(document)
    return code


def _run(tail: Tail) -> int:
    try:  # The pod may be told to stop while this is imported.
        from ropewalk_trainer import lazy_imports, runner
        from ropewalk_trainer.progress import Progress
        from ropewalk_trainer.stages import STAGES

        # NB: after the imports above: two threads that import numpy at once may see half of it.
        lazy_imports.start()
        progress = Progress(tuple(STAGES))
        stop = progress.serve()
        context = _context(progress)
    except Exception as error:
        failed = _failure(error)
        log.error("%s: %s", failed.reason, failed.message)
        log_lines = tuple(tail.lines)[-5:]
        result = TrainResult(FAILED, "Source", failed.reason, failed.message[:600], log=log_lines)
        _say(termination_message.fitted(result.document(), [termination_message.no_log]))
        return failed.exit_code
    try:
        failure = runner.run(context)
    except Exception as error:
        failure = _failure(error)
        for name, state, *_ in progress.stages:
            if state == "Running":
                progress.end(name, "Failed")
    try:
        runner.record(context, failure)
    except OSError as error:
        log.error("the record could not be written: %s", error)
    _say(runner.message(context, failure, list(tail.lines)))
    stop()
    return 0 if failure is None else failure.exit_code or wire.EXIT_UNKNOWN


def _failure(error: Exception) -> RunFailure:
    """A failure with a name; of a bug of ours or of a library the user gets the error's own, and the last lines."""
    if isinstance(error, RunFailure):
        return error
    log.exception("the run crashed", exc_info=error)
    return RunFailure(reasons.CRASHED, f"{type(error).__name__}: {error}"[:500])


def _context(progress: Progress) -> Context:
    from ropewalk_trainer import run_document
    from ropewalk_trainer.context import Context

    path = wire.root() / wire.RUN_FOLDER / wire.RUN_FILE
    try:
        run = run_document.load(path)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidSpec(
            wire.RUN_FILE, str(error)[:100], "the operator writes this file; is its ConfigMap mounted?"
        ) from error
    own = layout.Store.of(run.spec.artifacts_uri, run.namespace, run.pipeline)
    try:
        own.claim(run.uid, adopt=run.adopt_store)
        own.begin(run.run_id, run.uid)
    except OSError as error:
        text = f"{own.uri} cannot be written: {error.strerror}; is its claim full or read-only?"
        raise TryAgain(reasons.STORE_UNAVAILABLE, text) from error
    work = wire.root() / wire.WORK_FOLDER
    work.mkdir(parents=True, exist_ok=True)
    attempt = int(os.environ.get(wire.ATTEMPT_VARIABLE, "1"))
    return Context(run, own, attempt, work, progress)


def _say(document: dict[str, object]) -> None:
    """The container's last word."""
    try:
        termination_message.write(document)
    except OSError as error:
        log.error("the termination message could not be written: %s", error)


def _preempted(number: int, frame: object) -> None:
    """The pod is being evicted or drained: end the stage in an orderly way, another attempt will follow."""
    raise TryAgain(reasons.PREEMPTED, "the pod was told to stop before the run had ended")


def entry() -> None:
    """The console script. `_exit`: TensorFlow's threads take a second to end, and nothing is left to do."""
    signal.signal(signal.SIGTERM, _preempted)
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
