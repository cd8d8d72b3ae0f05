"""Import: a SavedModel from elsewhere becomes a version, beside which the model itself stays as it is.

The version is a copy in the same claim, `.ropewalk/imported/<digest>/<number>/`: its place follows from what it is made
of, so that doing this twice is doing it once, whoever does it, and a directory that its owner goes on writing to is not
what servers read.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from ropewalk_contract import reasons, wire
from ropewalk_contract.values import StoreUri
from ropewalk_model import digests, manifest, tree
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
_DAMAGED = ".damaged-"


def run(task: Task) -> Report:
    """Import the model at `uri` if its digest is the one that is expected. RunFailure or OSError."""
    assert task.source is not None
    uri, expected, number = task.source.uri, task.source.digest, task.source.number
    directory = layout.local(uri, "spec.model.uri")
    claim = StoreUri.parse(uri).name
    mount = wire.root() / wire.CLAIMS_FOLDER / claim
    home = mount / PLACE / expected.removeprefix(digests.PREFIX)
    target = home / str(number)
    found = _standing(target)
    if found is None:
        source = Source.look(directory, uri, mount)
        _make(source, expected, home, target)
        found = _standing(target)
        if found is None:
            raise RunFailure(reasons.CRASHED, f"{target.name} is not there although it was just made")
    made = found.document["madeFrom"]
    return Report(
        reasons.IMPORTED,
        _words(uri, found, made),
        {
            "uri": f"pvc://{claim}/{PLACE}/{home.name}/{number}",
            "digest": found.model_digest,
            "manifestDigest": found.digest,
            "engines": [one.name for one in found.engines],
        },
    )


def _words(uri: str, found: manifest.Manifest, made: dict[str, Any]) -> str:
    engines = ", ".join(one.name for one in found.engines)
    notes = "".join(f"; {note}" for note in made.get("notes", ()))
    return f"{uri} is imported and runs on {engines}{notes}"


def _standing(target: Path) -> manifest.Manifest | None:
    """The version that stands there already, every file verified; one that is damaged is put aside."""
    if not target.exists():
        return None
    try:
        return manifest.verify(target)
    except (manifest.TamperedModel, FileNotFoundError) as error:
        log.warning("%s: %s; it is made anew", target, error)
        aside = target.with_name(f"{_DAMAGED}{uuid.uuid4().hex}")
        os.rename(target, aside)
        shutil.rmtree(aside, ignore_errors=True)
        return None


def _make(source: Source, expected: str, home: Path, target: Path) -> None:
    """Stage a copy with all that a version has, and move it to its place, whole or not at all."""
    found = source.digest()
    if found != expected:
        text = (
            f"{source.uri} has the digest {found}, spec.model.digest is {expected}; if what lies there is the model "
            "that is meant, set spec.model.digest to the first"
        )
        raise UserError(reasons.DIGEST_MISMATCH, text)
    home.mkdir(parents=True, exist_ok=True)
    _clear(home)
    staged = home / f"{_STAGED}{uuid.uuid4().hex}"
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
        _make_last(staged)
        _claim(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _clear(home: Path) -> None:
    """Remove what Jobs left that were killed; what is younger than any Job gets is another's work."""
    for left in home.iterdir():
        if left.name.startswith((_STAGED, _DAMAGED)) and time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _unchanged(document: dict[str, Any], expected: str) -> None:
    """What TensorFlow was let loose on is still the model, and the engines' files are there."""
    listed = {one["path"]: one["sha256"] for one in document["files"]}
    if tree.digest(listed) != expected or any(one.get("file") not in listed for one in document["engines"]):
        raise UserError(child_process.CRASHED, "the process that tries a SavedModel changed it")


def _claim(staged: Path, target: Path) -> None:
    try:
        os.rename(staged, target)
    except OSError:
        if not (target / manifest.MANIFEST).exists():  # another Job was faster; what it made is as good
            raise
    _sync(target.parent)


def _make_last(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    for path in [*(one for one in directory.rglob("*") if one.is_dir()), directory]:
        _sync(path)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
