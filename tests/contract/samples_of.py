"""Samples of documents by name: see tests/contract/samples/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "samples"


def sample(name: str, version: int = 1) -> Any:
    """The parsed JSON of one sample."""
    return json.loads(text(name, version))


def text(name: str, version: int = 1) -> str:
    """The bytes of one sample as text."""
    return (FOLDER / f"{name}.v{version}.json").read_text(encoding="utf-8")
