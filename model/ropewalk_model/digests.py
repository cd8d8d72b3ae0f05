"""sha256 digests, written as `sha256:<hex>`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ropewalk_contract.values import Digest

PREFIX = Digest.PREFIX
_CHUNK = 1 << 20


def of_bytes(data: bytes) -> str:
    """`sha256:<hex>` of these bytes."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    """`sha256:<hex>` of a file's content, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return PREFIX + digest.hexdigest()


def canonical_json(document: Any) -> bytes:
    """JSON bytes that are the same for the same document: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def of_document(document: Any) -> str:
    """`sha256:<hex>` of a document's canonical JSON."""
    return of_bytes(canonical_json(document))
