"""The page of metrics: names, types, labels and help, from the objects that the operator and a server really export."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from ropewalk.shell import metrics as operator_metrics
from ropewalk_model.baseline import Baseline
from ropewalk_server.protocols.common.decoders import DECODERS
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.routes import Route
from ropewalk_server.serving.versions import Held, Versions
from ropewalk_server.telemetry import prometheus
from ropewalk_server.telemetry.buckets import RetiredVersion, Totals
from ropewalk_server.telemetry.receipts import Receipts
from ropewalk_server.telemetry.recorder import Recorder
from tools.reference.markdown import HEADER, table

_BASELINE = {
    "formatVersion": 1,
    "features": [{"name": "x", "bins": {"kind": "Number", "edges": [0.0, 1.0], "values": []}, "counts": [0, 0, 0, 0]}],
    "predictions": {"bins": {"kind": "Category", "edges": [], "values": ["a"]}, "counts": [0, 0, 0]},
    "rows": 0,
}
HEAD = ("metric", "type", "labels", "help")


class Metric(NamedTuple):
    """One row of the page."""

    name: str
    type: str
    labels: str
    help: str


def page() -> str:
    """The whole page."""
    return "\n".join(
        (
            f"{HEADER}# Metrics\n",
            "Every histogram has the series `_bucket` (with the label `le`), `_sum` and `_count`.\n",
            "## Operator\n",
            "Port 8080, path `/metrics`.\n",
            table(HEAD, operator()),
            "## Server\n",
            "Port 8502, path `/metrics`, of every pod of a ModelDeployment.\n",
            table(HEAD, server()),
        )
    )


def operator() -> list[Metric]:
    """The metrics of the operator, in the order of their names."""
    found = []
    for one in vars(operator_metrics).values():
        if isinstance(one, MetricWrapperBase):
            (family,) = one.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.append(Metric(f"`{name}`", family.type, _labels(one._labelnames), family.documentation))
    return sorted(found)


def _labels(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def server() -> list[Metric]:
    """The metrics of a server that holds one version, in the order of their names."""
    found = []
    for family in text_string_to_metric_families(_scrape()):
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found.append(Metric(f"`{name}`", family.type, _labels(labels), family.documentation))
    return sorted(found)


@dataclass(frozen=True)
class _Model(RetiredVersion):
    """A loaded version, as far as /metrics reads it."""

    engine_name: str = "LiteRT"


def _scrape() -> str:
    """The answer of GET /metrics where one version with one feature is loaded: every family has a sample."""
    model = _Model("", "", ("a",), Baseline.from_document(_BASELINE))
    with tempfile.TemporaryDirectory() as folder:
        versions = Versions(pod="", root=Path(folder), marks=CrashMarks(Path(folder)), decoders=DECODERS)
        held: Any = Held(Route(1, "", None, ""), "LiteRT")
        held.model = model
        versions.held[1] = held
        recorder = Recorder()
        recorder.totals[1] = Totals.of(model)
        predictor = Predictor("model", versions, recorder, Receipts(None))
        return prometheus.render(predictor, recorder, ready=True).decode()
