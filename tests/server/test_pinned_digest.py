"""A model at a uri is proved by the digest that a person wrote down, whatever its own manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ropewalk_model import digests, manifest
from ropewalk_model.manifest import build_manifest, verify, write_manifest
from tests.server.conftest import Server
from tests.server.observed import live, state

Published = tuple[Path, list[dict[str, Any]]]


def pinned(server: Server, said: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The directory of a version, and its route as for `uri` with `digest`: sha256sum of manifest.json."""
    directory = server.root / "claims" / said["uri"].removeprefix("pvc://")
    return directory, {**said, "manifestDigest": digests.of_file(directory / manifest.MANIFEST), "digest": ""}


def test_a_model_is_served_for_the_digest_of_its_manifest(server: Server, published: Published) -> None:
    """What status.champion.manifestDigest of the Pipeline says, too."""
    _, route = pinned(server, published[1][0])
    assert route["manifestDigest"] == published[1][0]["manifestDigest"]
    server.tell(1, [route])
    server.start()
    server.until(lambda: live(server, 1))


def test_files_and_manifest_rewritten_together_are_tampered_with(server: Server, published: Published) -> None:
    """The directory agrees with itself, and with the model digest that it had: it is another model all the same."""
    directory, route = pinned(server, published[1][0])
    before = verify(directory)
    other = server.root / "claims" / published[1][1]["uri"].removeprefix("pvc://")
    network = f"{manifest.COMPILED}/litert.tflite"
    (directory / network).write_bytes((other / network).read_bytes())
    engines = before.document["engines"]
    write_manifest(directory, build_manifest(directory, made_from=before.document["madeFrom"], engines=engines))
    assert verify(directory).model_digest == before.model_digest
    server.tell(1, [route])
    server.start()
    server.until(lambda: state(server, 1) == ("Failed", "TamperedModel"))
    assert route["manifestDigest"] in server.status()["versions"][0]["message"]
    assert server.get("/readyz", monitoring=True)[0] == 503
