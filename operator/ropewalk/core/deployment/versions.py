"""A model version as serving sees it: a number, where it lies, and what proves that it is the one meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ropewalk_contract import wire
from ropewalk_contract.values import MAX_URI, StoreUri

CLAIMS_ROOT = f"{wire.ROOT}/{wire.CLAIMS_FOLDER}"
_SCHEME = f"{wire.CLAIM_SCHEME}://"


class VersionKey(NamedTuple):
    """The identity of one version of one model: its number, and a digest or its place."""

    number: int
    identity: str


@dataclass(frozen=True, slots=True)
class Version:
    """`uri` is `pvc://CLAIM/PATH`; a digest that is None is not known, and the manifest's own is taken."""

    number: int
    uri: str
    digest: str | None = None
    manifest_digest: str | None = None
    served_as: int | None = None
    """The number that servers know it by, where its own is another model's there."""

    @property
    def served(self) -> int:
        """The number that servers know it by: they hold one model a number."""
        return self.number if self.served_as is None else self.served_as

    @property
    def claim(self) -> str:
        """The PersistentVolumeClaim that holds it."""
        return self.uri.removeprefix(_SCHEME).split("/", 1)[0]

    @property
    def path(self) -> str:
        """Where a server finds it."""
        return f"{CLAIMS_ROOT}/{self.uri.removeprefix(_SCHEME)}"

    @property
    def identity(self) -> str:
        """A digest that tells it from another version of its number, as far as one is known."""
        return self.digest or self.manifest_digest or ""

    @property
    def key(self) -> VersionKey:
        """The key of its counts and baseline: where no digest is known, its place tells it from its namesakes."""
        return VersionKey(self.number, self.identity or self.uri)

    def same(self, other: Version | None) -> bool:
        """One version of one model. A directory never changes (D4), so an unknown digest is no difference."""
        if other is None or (self.number, self.uri) != (other.number, other.uri):
            return False
        pairs = ((self.digest, other.digest), (self.manifest_digest, other.manifest_digest))
        return all(mine == theirs or mine is None or theirs is None for mine, theirs in pairs)

    def document(self) -> dict[str, Any]:
        """As status keeps it: what is not known is left out."""
        body: dict[str, Any] = {"version": self.number, "uri": self.uri}
        if self.digest:
            body["digest"] = self.digest
        if self.manifest_digest:
            body["manifestDigest"] = self.manifest_digest
        if self.served_as is not None:
            body["servedAs"] = self.served_as
        return body

    @staticmethod
    def from_document(document: object) -> Version | None:
        """Inverse of `document`; None for anything that does not name a version on a claim."""
        if not isinstance(document, dict):
            return None
        number, uri = document.get("version"), document.get("uri")
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(uri, str):
            return None
        if not _names_a_path(uri):
            return None
        served = document.get("servedAs")
        served_as = served if isinstance(served, int) and not isinstance(served, bool) and served > 0 else None
        digests = _text(document.get("digest")), _text(document.get("manifestDigest"))
        return Version(number, uri.rstrip("/"), *digests, served_as)


def uri_of(path: str) -> str:
    """The uri of a path under which servers find a version."""
    return _SCHEME + path.removeprefix(f"{CLAIMS_ROOT}/")


def number_in(uri: str) -> int:
    """The version number that a directory's name states; 1 where it states none."""
    last = uri.rstrip("/").rsplit("/", 1)[-1]
    return int(last) if last.isdecimal() and len(last) < 10 and int(last) > 0 else 1


def below(uri: str, *parts: str) -> str:
    """A uri further down."""
    return "/".join([uri.rstrip("/"), *parts])


def _names_a_path(uri: str) -> bool:
    try:
        return len(uri) <= MAX_URI and StoreUri.parse(uri).is_directory_of_claim
    except ValueError:
        return False


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def get(document: object, *path: str) -> Any:
    """A value deep in JSON that may lack any of it."""
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document
