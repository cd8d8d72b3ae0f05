"""Documents of a version stay as commit 9fe97bf wrote them, byte for byte: servers and stores hold old ones."""

from __future__ import annotations

import json
from pathlib import Path

from tests.model.stored_documents import documents

SAMPLES = Path(__file__).parent / "samples" / "stored_documents_of_9fe97bf.json"


def test_documents_are_written_as_they_were() -> None:
    """features.json, signature.json and baseline.json of every feature type and task."""
    expected = json.loads(SAMPLES.read_text())
    found = documents()
    assert found.keys() == expected.keys()
    for name, text in expected.items():
        assert found[name] == text, name
