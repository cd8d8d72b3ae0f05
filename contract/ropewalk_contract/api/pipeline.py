"""The resource Pipeline: from raw data to a champion, one run after the other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ropewalk_contract.api.common import API_VERSION, NAME_RULES, Model, ObjectMeta, Resources
from ropewalk_contract.api.data import (
    AnomalyException,
    Artifacts,
    Feature,
    Label,
    Rows,
    Schema,
    Source,
    Split,
    Validate,
)
from ropewalk_contract.api.markers import Column, Resource, Rule
from ropewalk_contract.api.pipeline_status import PipelineStatus
from ropewalk_contract.api.training import (
    CLASSIFICATION_METRICS,
    REGRESSION_METRICS,
    DriftTrigger,
    EarlyStopping,
    Evaluate,
    Hyperparameter,
    Metric,
    OutOfMemory,
    Retry,
    Schedule,
    SmokeTest,
    Timeouts,
    Train,
    Triggers,
)

__all__ = [
    "PIPELINE",
    "AnomalyException",
    "Artifacts",
    "DriftTrigger",
    "EarlyStopping",
    "Evaluate",
    "Feature",
    "Hyperparameter",
    "Label",
    "Metric",
    "OutOfMemory",
    "Pipeline",
    "PipelineSpec",
    "PipelineStatus",
    "Retry",
    "Rows",
    "Schedule",
    "Schema",
    "SmokeTest",
    "Source",
    "Split",
    "Timeouts",
    "Train",
    "Triggers",
    "Validate",
]


def _cel(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


class PipelineSpec(Model):
    """What is trained, on what, and when. Nobody but its author writes it."""

    rules = (
        Rule(
            rule="self.train.template == 'Image' ? "
            "(self.schema.features.size() == 1 && self.schema.features[0].type == 'Image') : "
            "!self.schema.features.exists(feature, feature.type == 'Image')",
            message="template Image takes exactly one feature, of type Image; other templates take none of that type",
        ),
        Rule(
            rule="(self.train.template == 'Text') == self.schema.features.exists(feature, feature.type == 'Text')",
            message="template Text takes at least one feature of type Text; other templates take none of that type",
        ),
        Rule(
            rule="self.source.format != 'ImageFolder' || "
            "(self.train.template == 'Image' && self.schema.label.type == 'Category')",
            message="an ImageFolder needs train.template Image and a label of type Category (the folders' names)",
        ),
        Rule(
            rule=f"!has(self.evaluate.metrics) || self.evaluate.metrics.all(metric, metric.name in "
            f"(self.schema.label.type == 'Category' ? {_cel(CLASSIFICATION_METRICS)} : {_cel(REGRESSION_METRICS)}))",
            message=f"evaluate.metrics must suit the label: {', '.join(CLASSIFICATION_METRICS)} for a Category; "
            f"{', '.join(REGRESSION_METRICS)} for a Number",
        ),
        Rule(
            rule="!has(self.evaluate.metrics) || has(self.schema.label.positive) || "
            "!self.evaluate.metrics.exists(metric, has(metric.average) && metric.average == 'Positive')",
            message="average Positive needs schema.label.positive: the class that it is about",
        ),
        Rule(
            rule="self.schema.label.type == 'Category' || self.train.earlyStopping.metric != 'val_accuracy'",
            message="earlyStopping on val_accuracy needs a label of type Category; use val_loss",
        ),
    )

    suspend: bool = False
    """Stops new runs; a run in flight goes on."""
    artifacts: Artifacts
    """Where models and records of runs are kept."""
    source: Source
    """The raw data of a run."""
    schema_: Schema
    """What the columns of the data mean."""
    validate_: Validate = Validate()
    """What must hold for the data before anything is trained on it."""
    train: Train
    """How the model is trained."""
    evaluate: Evaluate = Evaluate()
    """When a model is good enough to be a champion."""
    smoke_test: SmokeTest = SmokeTest()
    """What a model must do in the server's image before it becomes a version."""
    promotion: Literal["Automatic", "Manual"] = "Automatic"
    """Automatic: a blessed version becomes the champion.
    Manual: it waits for the annotation ropewalk.dev/promote: "VERSION" ("VERSION@ANYTHING" to promote it once more)."""
    triggers: Triggers = Triggers()
    """What starts a run."""
    concurrency_policy: Literal["Forbid", "Queue"] = "Forbid"
    """What a trigger does while a run is in flight:
    Forbid drops it (a change of the spec waits), Queue starts one more run afterwards."""
    stop_after_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """Failed runs in a row after which only a person or a change of the spec starts another (condition Halted)."""
    retry: Retry = Retry()
    """How often a failed attempt is repeated."""
    timeouts: Timeouts = Timeouts()
    """How long a run may take."""
    resources: Resources | None = None
    """Compute resources of the smoke test, which loads the model in the server's image as a server would.
    The stages before it run in one process under train.resources."""


class Pipeline(Model):
    """A Pipeline takes raw data to a champion: source, validate, preprocess, train, evaluate, publish, smoke test."""

    rules = NAME_RULES

    api_version: Literal["ropewalk.dev/v1alpha1"] = API_VERSION
    """The version of this API."""
    kind: Literal["Pipeline"] = "Pipeline"
    """The kind of this object."""
    metadata: ObjectMeta = ObjectMeta()
    """Name, namespace, labels and annotations."""
    spec: PipelineSpec
    """What is trained, on what, and when."""
    status: PipelineStatus = PipelineStatus()
    """What Ropewalk has seen and done. It is written by the operator alone."""


PIPELINE = Resource(
    kind="Pipeline",
    plural="pipelines",
    short_names=("pl",),
    columns=(
        Column("Run", ".status.summary.run", description="Number of the latest run"),
        Column("Stage", ".status.summary.stage", description="Where the run is"),
        Column("Progress", ".status.summary.progress", description="How far the stage is"),
        Column("Result", ".status.summary.result", description="Outcome of the latest run"),
        Column("Champion", ".status.champion.version", "integer", description="Version that is served"),
        Column("Metric", ".status.summary.metric", description="First metric of the latest evaluation"),
        Column("Next", ".status.nextScheduleTime", description="When the schedule starts the next run"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Message", ".status.summary.message", description="What is wrong and what helps"),
    ),
)
"""What the CRD says beside the schema."""
