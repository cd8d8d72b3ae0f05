"""Where data and versions lie: URIs to an fsspec filesystem and a path, and the layout of a Pipeline's root.

`pvc://CLAIM/PATH` and `configmap://NAME/KEY` are directories that kubelet mounts under ROPEWALK_ROOT. Another scheme
is one more line in `resolve`.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropewalk_contract import reasons, wire
from ropewalk_contract.values import StoreUri
from ropewalk_model import store
from ropewalk_model.store import ArtifactStore, Damaged, staging
from ropewalk_model.store.claim import ClaimStore
from ropewalk_trainer.errors import DataError, InvalidSpec, UserError

MODELS, RUNS, OWNER = "models", "runs", "owner.json"
_HIDDEN = (".", "_")


def resolve(uri: str, field: str) -> tuple[Any, str]:
    """An fsspec filesystem and the path in it. InvalidSpec for a scheme that is not supported."""
    import fsspec

    try:
        place = StoreUri.parse(uri)
    except ValueError as error:
        raise InvalidSpec(field, uri, str(error)) from None
    return fsspec.filesystem("file"), str(wire.root() / place.below_root)


def local(uri: str, field: str) -> Path:
    """The directory of a uri that is mounted into the pod."""
    _, path = resolve(uri, field)
    return Path(path)


def matching(uri: str, field: str) -> tuple[Any, list[str]]:
    """All files that a uri names, a directory's files included, sorted. SourceNotFound if there are none."""
    filesystem, path = resolve(uri, field)
    base = path.rstrip("/")
    mount = "/".join(base.split("/")[: len(str(wire.root()).split("/")) + 2])
    if not filesystem.exists(mount):
        raise DataError(reasons.SOURCE_NOT_FOUND, f"{uri}: its volume is not mounted in this pod")
    if any(sign in base for sign in "*?["):
        found = [one for one in filesystem.glob(base) if filesystem.isfile(one)]
    elif filesystem.isdir(base):
        found = filesystem.find(base)
    else:
        found = [base] if filesystem.exists(base) else []
    visible = [one for one in found if not _hidden(one[len(mount) :])]
    if not visible:
        raise DataError(reasons.SOURCE_NOT_FOUND, f"{uri} matches no file; check {field}")
    return filesystem, sorted(visible)


def _hidden(path: str) -> bool:
    return any(part.startswith(_HIDDEN) for part in path.split("/") if part)


@dataclass(frozen=True)
class Store:
    """The root of one Pipeline: `<artifacts>/<namespace>/<pipeline>/`."""

    directory: Path
    uri: str

    @staticmethod
    def of(artifacts_uri: str, namespace: str, pipeline: str) -> Store:
        """The root under `spec.artifacts.uri`."""
        base = local(artifacts_uri, "spec.artifacts.uri")
        mount = wire.root() / StoreUri.parse(artifacts_uri).mount
        if not mount.is_dir():
            raise UserError(reasons.INVALID_SPEC, f"spec.artifacts.uri {artifacts_uri}: its volume is not mounted")
        return Store(base / namespace / pipeline, f"{artifacts_uri.rstrip('/')}/{namespace}/{pipeline}")

    @property
    def models(self) -> Path:
        """Where versions stand."""
        return self.directory / MODELS

    def run(self, run_id: int) -> Path:
        """Where a run works."""
        return self.directory / RUNS / str(run_id)

    @property
    def files(self) -> ArtifactStore:
        """All that stands below the root."""
        return ClaimStore(self.directory)

    def begin(self, run_id: int, uid: str) -> None:
        """Make the run's directory this Pipeline's: what a namesake before it left under the number is no cache."""
        mark = f"{RUNS}/{run_id}/pipeline-uid"
        try:
            if store.read(self.files, mark) == uid.encode():
                return
        except (FileNotFoundError, Damaged):
            pass
        with contextlib.suppress(FileNotFoundError):
            hidden = self.files.begin_delete(f"{RUNS}/{run_id}")
            with contextlib.suppress(OSError):  # the next sweep finds it
                self.files.finish_delete(hidden)
        store.put(self.files, mark, uid.encode())

    def claim(self, uid: str, *, adopt: bool) -> None:
        """Make this root the Pipeline's, once. StoreOwnedByAnother if it bears another uid."""
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            document = json.dumps({"formatVersion": 1, "uid": uid}).encode()
            if self.files.put_if_absent(OWNER, document):
                return
            owner = _owner(self.files)
            if owner != uid:
                if not adopt and owner is not None:
                    raise UserError(
                        reasons.STORE_OWNED_BY_ANOTHER,
                        f"{self.uri} belongs to the Pipeline with uid {owner}; give another spec.artifacts.uri, "
                        f"or set the annotation {wire.ADOPT_STORE_ANNOTATION}=true to take it over",
                    )
                store.put(self.files, OWNER, document)
        except PermissionError as error:
            raise UserError(
                reasons.STORE_NOT_WRITABLE,
                f"{self.uri} cannot be written: {error.strerror}; uid and gid 65532 need to",
            ) from error

    def write_json(self, path: str, document: Any) -> None:
        """A document meant for people too, whole or not at all."""
        store.put(self.files, path, json_bytes(document))


def _owner(files: ArtifactStore) -> str | None:
    try:
        found: str | None = json.loads(store.read(files, OWNER) or b"{}").get("uid")
    except (Damaged, ValueError, AttributeError):
        return "? (owner.json is damaged)"
    return found


def json_bytes(document: Any) -> bytes:
    """JSON with a line for each value; what is no text (a file's odd name) is escaped."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace")


def write_json(path: Path, document: Any) -> None:
    """Write a document outside the store, whole or not at all."""
    staging.write_atomically(path, json_bytes(document))
