"""Pipeline.spec, the part about the model: training, evaluation, smoke test, triggers, retries."""

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
    """Name of the setting: epochs, batchSize, learningRate, hidden, dropout and others; embedding of template Text."""
    value: Annotated[str, Field(min_length=1, max_length=256)]
    """Value as a string: "30", "0.001", "64,32"."""


class EarlyStopping(Model):
    """Ends training when the metric of the evaluate split no longer improves. The best epoch is kept."""

    metric: Literal["val_loss", "val_accuracy"] = "val_loss"
    """The metric of the evaluate split that must improve."""
    patience: Annotated[int, Field(ge=0, le=1000)] = 5
    """Number of epochs without improvement before training ends. 0: training never ends early."""


class Train(Model):
    """Training of the model."""

    template: Literal["Tabular", "Text", "Image"]
    """The network: Tabular (dense, over features of all types but Text and Image), Text (the same, with one or more
    Texts among the features as the mean of learnt vectors of their words), or Image (convolutional, over one Image)."""
    hyperparameters: Annotated[tuple[Hyperparameter, ...], Field(max_length=32), ListMap()] = ()
    """Settings of the template. Each has a default."""
    early_stopping: EarlyStopping = EarlyStopping()
    """Condition to end training before the last epoch."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Seed of every random sequence. The same seed, data, image and processor model give the same model."""
    resources: Resources | None = None
    """Compute resources of the container for the stages Source to Publish."""
    node_selector: Labels | None = None
    """Labels of the nodes for pods of runs."""
    tolerations: Tolerations = ()
    """Taints of nodes that pods of runs tolerate."""
    image: Image | None = None
    """Another image than the operator's trainer image, for the stages Source to Publish. Evaluate is one of them, so
    the image also decides how good the model is."""


class Metric(Model):
    """One requirement on the model, measured on the test split."""

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
    """Largest decline against the champion, on the same rows and with 95% confidence."""
    min_improvement: Magnitude | None = None
    """Smallest improvement over the champion, on the same rows and with 95% confidence."""
    average: Literal["Macro", "Micro", "Weighted", "Positive"] | None = None
    """Average over the classes. Absent: Positive if label.positive is set, else Macro."""


class Evaluate(Model):
    """Requirements that a model must meet to be blessed."""

    metrics: Annotated[tuple[Metric, ...], Field(max_length=16), ListMap()] = ()
    """The requirements; all must hold. Empty: every model is blessed."""
    when_inconclusive: Literal["KeepChampion", "Promote"] = "KeepChampion"
    """Decision if the test rows are too few to tell the model from the champion."""
    when_no_baseline: Literal["Pass", "Fail"] = "Pass"
    """Result of a comparison if there has never been a champion."""


class SmokeTest(Model):
    """Test of the model in the server's image before it becomes a version."""

    examples: Annotated[int, Field(ge=1, le=100)] = 10
    """Number of rows of the test split for which every engine must give the answers of the trainer."""
    max_latency_p95: Duration | None = None
    """Upper bound of the 95th percentile of the latency of one row, such as 20ms."""


class Schedule(Model):
    """Runs at set times."""

    cron: Annotated[
        str,
        Field(max_length=128),
        Rule(
            rule=r"self.matches('^\\S+( +\\S+){4}$')",
            message="cron has five fields (minute, hour, day of month, month, day of week), such as 0 2 * * *",
        ),
    ]
    """Cron expression with five fields: minute, hour, day of month, month, day of week."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"
    """Time zone, a name of the IANA database such as Europe/Berlin."""
    starting_deadline: Duration = "1h"
    """Longest delay of a start. A run that is later is skipped and not repeated."""


class DriftTrigger(Model):
    """Runs after drift of the live data, if the source has new data."""

    model_deployments: Annotated[tuple[ObjectName, ...], Field(min_length=1, max_length=16), ListSet()]
    """ModelDeployments of this namespace whose condition DataDrift starts a run."""
    cooldown: Duration = "6h"
    """Shortest time from the end of such a run to the next one. A run without a new version is followed by another."""
    max_per_day: Annotated[int, Field(ge=1, le=100)] = 2
    """Largest number of such runs in 24 hours."""
    promotion: Literal["Automatic", "Manual"] = "Manual"
    """Promotion of the new version. Manual by default, since drift is a reason for a person to look at the data."""


class Triggers(Model):
    """Reasons to start a run. The annotation ropewalk.dev/run-requested-at always starts one."""

    on_spec_change: bool = True
    """True: a change of the spec starts a run, and so does the creation of the Pipeline."""
    schedule: Schedule | None = None
    """Runs at set times."""
    drift: DriftTrigger | None = None
    """Runs after drift of the live data."""


class OutOfMemory(Model):
    """Memory of the next attempt after an attempt that ran out of memory."""

    rules = (
        Rule(
            rule="double(self.factor) > 1.0 && double(self.factor) <= 10.0",
            message="factor must be above 1 and at most 10",
        ),
    )

    factor: Magnitude = "1.5"
    """Factor by which the memory limit grows with each attempt."""
    max: Quantity = "8Gi"
    """The greatest memory limit."""


class Retry(Model):
    """Repetition of failed attempts. An error of the user or of the data is never repeated."""

    rules = (
        Rule(
            rule="duration(self.backoff) <= duration(self.maxBackoff)",
            message="backoff may not be longer than maxBackoff",
        ),
    )

    limit: Annotated[int, Field(ge=0, le=100)] = 2
    """Number of further attempts after the first."""
    backoff: Duration = "30s"
    """Pause before the second attempt. It doubles with each further attempt."""
    max_backoff: Duration = "10m"
    """Longest pause."""
    on_out_of_memory: OutOfMemory | None = None
    """Raises the memory limit after an attempt that ran out of memory. Absent: the limit stays."""
    disruptions: Annotated[int, Field(ge=0, le=1000)] = 10
    """Number of attempts lost to evictions, drains and preemption that do not count against `limit`."""


class Timeouts(Model):
    """Time limits of a run."""

    startup: Duration = "10m"
    """From the creation of an attempt until its container runs: scheduling, volumes, image."""
    run: Duration = "6h"
    """From the start of the container until its end."""
