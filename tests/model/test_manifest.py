"""A version is believed only if every byte is what its manifest says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ropewalk_model import manifest
from ropewalk_model.manifest import TamperedModel, build_manifest, verify, write_manifest


@pytest.fixture
def version(tmp_path: Path) -> tuple[Path, str]:
    """A directory with a few files and its manifest; and the manifest's digest."""
    for name, data in (("saved_model.pb", b"graph"), ("variables/data", b"weights"), (manifest.FEATURES, b"{}")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / manifest.SIGNATURE).write_bytes(b"{}")
    return tmp_path, write_manifest(tmp_path, build_manifest(tmp_path, made_from={"runId": 1}, engines=[]))


def test_an_untouched_version_is_verified(version: tuple[Path, str]) -> None:
    """With and without the digest that the cluster's status carries."""
    directory, digest = version
    assert verify(directory, digest).digest == digest
    assert verify(directory).model_digest.startswith("sha256:")


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/data"])
def test_one_changed_byte_is_named(version: tuple[Path, str], file: str) -> None:
    """The message names the file."""
    directory, digest = version
    path = directory / file
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(TamperedModel, match=file):
        verify(directory, digest)


def test_a_model_digest_that_is_only_stated_is_not_believed(version: tuple[Path, str]) -> None:
    """Quarantine and comparison go by it: other weights cannot bear the name of those that they replace."""
    directory, _ = version
    before = verify(directory).model_digest
    (directory / "variables/data").write_bytes(b"others")
    written = build_manifest(directory, made_from={"runId": 1}, engines=[])
    assert written["modelDigest"] != before
    write_manifest(directory, {**written, "modelDigest": before})
    with pytest.raises(TamperedModel, match="modelDigest"):
        verify(directory)


def test_a_file_of_another_size_is_not_read_to_its_end(version: tuple[Path, str]) -> None:
    """A terabyte of nothing in place of weights costs neither memory nor time."""
    directory, digest = version
    listed = verify(directory, digest)
    for size in (1 << 40, 3, 0):
        with (directory / "variables/data").open("r+b") as file:
            file.truncate(size)
        for look in (lambda: verify(directory, digest), lambda: listed.read("variables/data")):
            with pytest.raises(TamperedModel, match="variables/data has not the 7 bytes"):
                look()


def test_a_manifest_without_end_is_not_read(version: tuple[Path, str]) -> None:
    """Nor one whose sizes are no numbers believed."""
    directory, digest = version
    whole = (directory / manifest.MANIFEST).read_text()
    (directory / manifest.MANIFEST).write_text(whole.replace('"size":7', '"size":"7"'))
    with pytest.raises(TamperedModel, match="malformed"):
        verify(directory)
    with (directory / manifest.MANIFEST).open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(TamperedModel, match="more than"):
        verify(directory, digest)


def test_added_missing_and_linked_files_are_named(version: tuple[Path, str]) -> None:
    """Nothing may lie there that the manifest does not list, and nothing may be gone."""
    directory, digest = version
    (directory / "extra.so").write_bytes(b"")
    with pytest.raises(TamperedModel, match=r"extra\.so"):
        verify(directory, digest)
    (directory / "extra.so").unlink()
    (directory / "variables/data").rename(directory / "elsewhere")
    (directory / "elsewhere").unlink()
    with pytest.raises(TamperedModel, match="variables/data"):
        verify(directory, digest)
    (directory / "variables/data").symlink_to("/etc/hostname")
    with pytest.raises(TamperedModel, match="link"):
        verify(directory, digest)


def test_a_rewritten_manifest_has_another_digest(version: tuple[Path, str]) -> None:
    """Whoever changes a file and its entry still cannot change what status says."""
    directory, digest = version
    (directory / "saved_model.pb").write_bytes(b"evil")
    write_manifest(directory, build_manifest(directory, made_from={"runId": 1}, engines=[]))
    with pytest.raises(TamperedModel, match="digest"):
        verify(directory, digest)
