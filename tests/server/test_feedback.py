"""Labels come late: often when another version has taken over from the one that answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.server.conftest import Server, row

Published = tuple[Path, list[dict[str, Any]]]


def test_a_label_for_a_version_that_was_let_go_is_counted_for_that_version(
    server: Server, published: Published
) -> None:
    """By the pod that held it, once; it is found in the windows and the metrics under its own number."""
    server.tell(1, published[1][:1])
    server.start()
    server.until(lambda: server.status().get("live") == 1)
    ident = server.predict(row())[2]["ropewalk-prediction-id"]
    server.tell(2, published[1])
    server.until(lambda: server.status().get("live") == 2)
    server.tell(2, published[1][1:])
    server.until(lambda: [one["version"] for one in server.status()["versions"]] == [2])
    for _ in range(2):
        status, answer, _ = server.post("/v1/models/cancer:feedback", {"id": ident, "label": "malignant"})
        assert (status, answer) == (200, {})

    def counted() -> bool:
        buckets = server.get("/windows", monitoring=True)[1]["buckets"]
        labelled = [one for one in buckets if "labels" in one]
        return [(one["version"], one["labels"]["count"]) for one in labelled] == [(1, 1)]

    server.until(counted)
    metrics = server.get("/metrics", monitoring=True)[1]["text"]
    assert 'ropewalk_server_labels_total{model="cancer",version="1",correct="true"} 1' in metrics
    assert json.dumps(server.status()["versions"]).count('"version"') == 1
