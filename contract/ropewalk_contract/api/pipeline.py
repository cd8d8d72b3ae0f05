"""The resource Pipeline: runs that take raw data to a champion."""

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
    """The wanted state: data, model, triggers. The operator never writes it."""

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
    """True: no new run starts. A run in progress continues."""
    artifacts: Artifacts
    """The store of models and of the records of runs."""
    source: Source
    """The raw data of a run."""
    schema_: Schema
    """The declared columns of the data."""
    validate_: Validate = Validate()
    """Checks of the data before training."""
    train: Train
    """Training of the model."""
    evaluate: Evaluate = Evaluate()
    """Requirements that a model must meet to be blessed."""
    smoke_test: SmokeTest = SmokeTest()
    """Test of the model in the server's image before it becomes a version."""
    promotion: Literal["Automatic", "Manual"] = "Automatic"
    """Automatic: a blessed version becomes the champion.
    Manual: it waits for the annotation ropewalk.dev/promote: "VERSION". To promote a version again, write
    "VERSION@ANYTHING"."""
    triggers: Triggers = Triggers()
    """Reasons to start a run."""
    concurrency_policy: Literal["Forbid", "Queue"] = "Forbid"
    """Effect of a trigger while a run is in progress.
    Forbid: the trigger is dropped; a change of the spec waits. Queue: one more run starts afterwards."""
    stop_after_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """Number of failed runs in a row after which only an annotation or a change of the spec starts a run (condition
    Halted)."""
    retry: Retry = Retry()
    """Repetition of failed attempts."""
    timeouts: Timeouts = Timeouts()
    """Time limits of a run."""
    resources: Resources | None = None
    """Compute resources of the smoke test, which loads the model in the server's image.
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
    """The wanted state: data, model, triggers."""
    status: PipelineStatus = PipelineStatus()
    """The observed state. Only the operator writes it."""


PIPELINE = Resource(
    kind="Pipeline",
    plural="pipelines",
    short_names=("pl",),
    columns=(
        Column("Run", ".status.summary.run", description="Number of the latest run"),
        Column("Stage", ".status.summary.stage", description="Current stage of the run"),
        Column("Progress", ".status.summary.progress", description="Progress of the stage"),
        Column("Result", ".status.summary.result", description="Outcome of the latest run"),
        Column("Champion", ".status.champion.version", "integer", description="Version that is served"),
        Column("Metric", ".status.summary.metric", description="First metric of the latest evaluation"),
        Column("Next", ".status.nextScheduleTime", description="Time of the next run by the schedule"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Message", ".status.summary.message", description="The problem and the remedy"),
    ),
)
"""The part of the CRD beside the schema."""
