"""manifest.json: a manifest of version 1 is read, and what is written is read again. Its type stands in the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ropewalk_model import manifest
from tests.contract.samples_of import sample, text


def directory(tmp_path: Path) -> Path:
    """A version's directory with the manifest of version 1 and no other file."""
    path = tmp_path / manifest.MANIFEST
    path.parent.mkdir(parents=True)
    path.write_text(text("manifest"))
    return tmp_path


def test_a_manifest_of_version_1_is_read(tmp_path: Path) -> None:
    found = manifest.read_manifest(directory(tmp_path), None)
    (engine,) = found.engines
    assert (engine.name, engine.latency_micros) == ("LiteRT", {"1": 20, "64": 90})
    assert (found.loaded_bytes, len(found.paths)) == (1234, 5)
    assert found.model_digest == sample("manifest")["modelDigest"]


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    written = manifest.build_manifest(tmp_path, made_from={"runId": 4}, engines=sample("manifest")["engines"])
    digest = manifest.write_manifest(tmp_path, written)
    found = manifest.verify(tmp_path, digest)
    assert found.document == written
    assert set(sample("manifest")) == set(written)


@pytest.mark.parametrize("change", [{"formatVersion": 2}, {"files": None}, {"files": [{"path": "../x"}]}])
def test_a_manifest_that_is_not_understood_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    (directory(tmp_path) / manifest.MANIFEST).write_text(json.dumps({**sample("manifest"), **change}))
    with pytest.raises(manifest.TamperedModel):
        manifest.read_manifest(tmp_path, None)
