"""Pipeline.spec, the half about the model: how it is trained, judged, tried out, and when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ropewalk_contract.api.common import (
    Decimal,
    Duration,
    Image,
    Labels,
    Magnitude,
    Model,
    ObjectName,
    Quantity,
    Resources,
    Tolerations,
)
from ropewalk_contract.api.markers import ListMap, ListSet, Rule

CLASSIFICATION_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "logLoss")
REGRESSION_METRICS = ("mae", "rmse", "r2")


class Hyperparameter(Model):
    """One setting of the template."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][A-Za-z0-9]*$")]
    """For instance epochs, batchSize, learningRate, hidden, dropout; embedding (template Text)."""
    value: Annotated[str, Field(min_length=1, max_length=256)]
    """Its value as a string: "30", "0.001", "64,32"."""


class EarlyStopping(Model):
    """Ends training when the evaluate split no longer improves, and keeps the best epoch."""

    metric: Literal["val_loss", "val_accuracy"] = "val_loss"
    """What must improve on the evaluate split."""
    patience: Annotated[int, Field(ge=0, le=1000)] = 5
    """Epochs without improvement before training ends; 0 never ends it early."""


class Train(Model):
    """How the model is trained."""

    template: Literal["Tabular", "Text", "Image"]
    """The network: Tabular (dense, over features of all types but Text and Image), Text (the same, with one or more
    Texts among the features as the mean of learnt vectors of their words), or Image (convolutional, over one Image)."""
    hyperparameters: Annotated[tuple[Hyperparameter, ...], Field(max_length=32), ListMap()] = ()
    """Settings of the template; each has a good default."""
    early_stopping: EarlyStopping = EarlyStopping()
    """When training ends before the last epoch."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Start of every random sequence: the same seed, data, image and processor model give the same model."""
    resources: Resources | None = None
    """Compute resources of the container that does every stage but the smoke test: Source to Publish."""
    node_selector: Labels | None = None
    """Labels of the nodes where runs may go."""
    tolerations: Tolerations = ()
    """Taints of nodes that runs tolerate."""
    image: Image | None = None
    """Another trainer image than the operator's own. It does every stage but the smoke test, Evaluate included, so
    its word on how good the model is counts as yours."""


class Metric(Model):
    """One demand on the model, measured on the test split."""

    rules = (
        Rule(
            rule="!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
            message="min may not be greater than max",
        ),
        Rule(
            rule="!has(self.average) || self.name in ['precision', 'recall', 'f1', 'auc']",
            message="average is for precision, recall, f1 and auc",
        ),
        Rule(
            rule="has(self.min) || has(self.max) || has(self.maxRegression) || has(self.minImprovement)",
            message="demand something of the metric: min, max, maxRegression or minImprovement",
        ),
    )

    name: Literal["accuracy", "precision", "recall", "f1", "auc", "logLoss", "mae", "rmse", "r2"]
    """accuracy, precision, recall, f1, auc, logLoss for a Category label; mae, rmse, r2 for a Number."""
    min: Decimal | None = None
    """Smallest value that is good enough, for instance "0.90"."""
    max: Decimal | None = None
    """Greatest value that is good enough, for errors and losses."""
    max_regression: Magnitude | None = None
    """How much worse than the champion it may be, on the same rows and with 95% confidence."""
    min_improvement: Magnitude | None = None
    """How much better than the champion it must be, on the same rows and with 95% confidence."""
    average: Literal["Macro", "Micro", "Weighted", "Positive"] | None = None
    """How classes are combined; absent: Positive where label.positive is set, else Macro."""


class Evaluate(Model):
    """When a model is good enough: blessed."""

    metrics: Annotated[tuple[Metric, ...], Field(max_length=16), ListMap()] = ()
    """What is demanded; all of it must hold. Empty: every model is good enough."""
    when_inconclusive: Literal["KeepChampion", "Promote"] = "KeepChampion"
    """What happens when the test rows are too few to tell the model from the champion."""
    when_no_baseline: Literal["Pass", "Fail"] = "Pass"
    """What a comparison gives when there has never been a champion."""


class SmokeTest(Model):
    """What a model must do in the server's image before it becomes a version."""

    examples: Annotated[int, Field(ge=1, le=100)] = 10
    """Rows of the test split that every engine must answer as training did."""
    max_latency_p95: Duration | None = None
    """Longest 95th percentile of one row's latency, for instance 20ms."""


class Schedule(Model):
    """Runs by the clock."""

    cron: Annotated[
        str,
        Field(max_length=128),
        Rule(
            rule=r"self.matches('^\\S+( +\\S+){4}$')",
            message="cron has five fields (minute, hour, day of month, month, day of week), such as 0 2 * * *",
        ),
    ]
    """Five fields: minute, hour, day of month, month, day of week."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"
    """A name of the IANA time zone database, such as Europe/Berlin."""
    starting_deadline: Duration = "1h"
    """How late a run may still start; one that is later is left out. Missed runs are never made up for."""


class DriftTrigger(Model):
    """Runs because what is served has drifted, if the source has new data."""

    model_deployments: Annotated[tuple[ObjectName, ...], Field(min_length=1, max_length=16), ListSet()]
    """ModelDeployments of this namespace whose condition DataDrift counts."""
    cooldown: Duration = "6h"
    """Shortest time between the end of such a run and the next; one that gave no version is followed by another."""
    max_per_day: Annotated[int, Field(ge=1, le=100)] = 2
    """Most such runs in 24 hours."""
    promotion: Literal["Automatic", "Manual"] = "Manual"
    """Who promotes the outcome: drift is a reason to look, so a person unless stated otherwise."""


class Triggers(Model):
    """What starts a run. The annotation ropewalk.dev/run-requested-at always does."""

    on_spec_change: bool = True
    """Whether a change of the spec starts a run; the first run counts as one."""
    schedule: Schedule | None = None
    """Runs by the clock."""
    drift: DriftTrigger | None = None
    """Runs because what is served has drifted."""


class OutOfMemory(Model):
    """What another attempt gets after one that ran out of memory."""

    rules = (
        Rule(
            rule="double(self.factor) > 1.0 && double(self.factor) <= 10.0",
            message="factor must be above 1 and at most 10",
        ),
    )

    factor: Magnitude = "1.5"
    """By how much the memory limit grows with each attempt."""
    max: Quantity = "8Gi"
    """The greatest memory limit."""


class Retry(Model):
    """How often a failed attempt is repeated. Errors of the user or of the data are never repeated."""

    rules = (
        Rule(
            rule="duration(self.backoff) <= duration(self.maxBackoff)",
            message="backoff may not be longer than maxBackoff",
        ),
    )

    limit: Annotated[int, Field(ge=0, le=100)] = 2
    """Further attempts after the first."""
    backoff: Duration = "30s"
    """Pause before the second attempt; it doubles with each one."""
    max_backoff: Duration = "10m"
    """Longest pause."""
    on_out_of_memory: OutOfMemory | None = None
    """Raises the memory limit after an attempt that ran out of it; absent: it stays."""
    disruptions: Annotated[int, Field(ge=0, le=1000)] = 10
    """Attempts that may be lost to evictions, drains and preemption without counting against `limit`."""


class Timeouts(Model):
    """How long a run may take."""

    startup: Duration = "10m"
    """From an attempt's creation until its container runs: scheduling, volumes, image."""
    run: Duration = "6h"
    """From then until its end."""
