"""Import: a SavedModel from elsewhere becomes a version, beside which the model itself stays as it is.

The version is a copy in the same claim, `.ropewalk/imported/<digest>/<number>/`: its place follows from what it is made
of, so that doing this twice is doing it once, whoever does it, and a directory that its owner goes on writing to is not
what servers read.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import time
import uuid
from typing import Any

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents.helper_job_result import Imported
from ropewalk_contract.values import StoreUri
from ropewalk_model import digests, manifest, store, tree
from ropewalk_model.store import HIDDEN, ArtifactStore
from ropewalk_model.store.claim import ClaimStore
from ropewalk_trainer.errors import RunFailure, UserError
from ropewalk_trainer.helper_jobs.report import Report
from ropewalk_trainer.helper_jobs.task import Task
from ropewalk_trainer.importing import child_process
from ropewalk_trainer.importing.source import Source
from ropewalk_trainer.store import layout

log = logging.getLogger(__name__)
PLACE = ".ropewalk/imported"
"""Below the root of the claim. No namespace or Pipeline can have this name."""
LEFT_SECONDS = 2 * 3600
_STAGED = ".staged-"
_LEFT = (_STAGED, HIDDEN, ".damaged-")
"""Names of what a killed Job leaves; the last one is that of earlier releases."""


def run(task: Task) -> Report:
    """Import the model at `uri` if its digest is the one that is expected. RunFailure or OSError."""
    assert task.source is not None
    uri, expected, number = task.source.uri, task.source.digest, task.source.number
    directory = layout.local(uri, "spec.model.uri")
    claim = StoreUri.parse(uri).name
    mount = wire.root() / wire.CLAIMS_FOLDER / claim
    files = ClaimStore(mount)
    home = f"{PLACE}/{expected.removeprefix(digests.PREFIX)}"
    target = f"{home}/{number}"
    found = _standing(files, target)
    if found is None:
        source = Source.look(directory, uri, mount)
        _make(files, source, expected, home, target)
        found = _standing(files, target)
        if found is None:
            raise RunFailure(reasons.CRASHED, f"{number} is not there although it was just made")
    made = found.document["madeFrom"]
    return Report(
        reasons.IMPORTED,
        _words(uri, found, made),
        Imported(
            uri=f"pvc://{claim}/{target}",
            digest=found.model_digest,
            manifest_digest=found.digest,
            engines=tuple(one.name for one in found.engines),
        ),
    )


def _words(uri: str, found: manifest.Manifest, made: dict[str, Any]) -> str:
    engines = ", ".join(one.name for one in found.engines)
    notes = "".join(f"; {note}" for note in made.get("notes", ()))
    return f"{uri} is imported and runs on {engines}{notes}"


def _standing(files: ArtifactStore, target: str) -> manifest.Manifest | None:
    """The version that stands there already, every file verified; one that is damaged is deleted."""
    home, _, number = target.rpartition("/")
    if number not in files.list(home):
        return None
    try:
        return files.verify(target)
    except (manifest.TamperedModel, FileNotFoundError) as error:
        log.warning("%s: %s; it is made anew", target, error)
        hidden = files.begin_delete(target)
        with contextlib.suppress(OSError):
            files.finish_delete(hidden)
        return None


def _make(files: ArtifactStore, source: Source, expected: str, home: str, target: str) -> None:
    """Stage a copy with all that a version has, and publish it, whole or not at all."""
    found = source.digest()
    if found != expected:
        text = (
            f"{source.uri} has the digest {found}, spec.model.digest is {expected}; if what lies there is the model "
            "that is meant, set spec.model.digest to the first"
        )
        raise UserError(reasons.DIGEST_MISMATCH, text)
    _clear(files, home)
    path = f"{home}/{_STAGED}{uuid.uuid4().hex}"
    staged = files.stage(path)
    try:
        if source.copy(staged) != expected:
            raise UserError(
                reasons.DIGEST_MISMATCH, f"{source.uri} changed while it was copied; is it still being written?"
            )
        made = child_process.made(staged, expected)
        made_from = {
            "uri": source.uri,
            "treeDigest": expected,
            "notes": made["notes"],
            "python": platform.python_version(),
            "image": os.environ.get(wire.IMAGE_VARIABLE, ""),
        }
        document = manifest.build_manifest(
            staged, made_from=made_from, engines=made["engines"], loaded_bytes=made["loadedBytes"]
        )
        _unchanged(document, expected)
        manifest.write_manifest(staged, document)
        files.publish(staged, target, marker=manifest.MANIFEST)  # where another Job was faster, its version is as good
    finally:
        with contextlib.suppress(OSError):
            store.delete(files, path)


def _clear(files: ArtifactStore, home: str) -> None:
    """Remove what Jobs left that were killed; what is younger than any Job gets is another's work."""
    for name in files.list(home):
        path = f"{home}/{name}"
        with contextlib.suppress(OSError):
            if name.startswith(_LEFT) and time.time() - files.modified(path) > LEFT_SECONDS:
                store.delete(files, path)


def _unchanged(document: dict[str, Any], expected: str) -> None:
    """What TensorFlow was let loose on is still the model, and the engines' files are there."""
    listed = {one["path"]: one["sha256"] for one in document["files"]}
    if tree.digest(listed) != expected or any(one.get("file") not in listed for one in document["engines"]):
        raise UserError(child_process.CRASHED, "the process that tries a SavedModel changed it")
