"""One manifest for each CEL rule that breaks it and nothing else: where it is wrong, and what the user is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.api_server.samples import (
    Manifest,
    deployment,
    image_pipeline,
    imported_deployment,
    pipeline,
    short_pipeline,
    text_pipeline,
)

ABSENT = object()
LONG = "pvc://models/a/../b"
GREEDY = {"requests": {"memory": "3Gi"}, "limits": {"memory": "2Gi"}}


@dataclass(frozen=True)
class Refusal:
    """`path` and `message` as the API server must state them; `edits` are made on `sample()`."""

    sample: Callable[[], Manifest]
    path: str
    message: str
    edits: tuple[tuple[str, Any], ...]

    def manifest(self) -> Manifest:
        """The broken manifest."""
        body = copy.deepcopy(self.sample())
        for path, value in self.edits:
            _edit(body, path.split("."), value)
        return body


def _edit(body: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        body = body[int(key)] if isinstance(body, list) else body.setdefault(key, {})
    if value is ABSENT:
        del body[path[-1]]
    elif isinstance(body, list):
        body[int(path[-1])] = value
    else:
        body[path[-1]] = value


def refusal(sample: Callable[[], Manifest], path: str, message: str, **edits: Any) -> Refusal:
    """`edits` name places with __ for the dots."""
    return Refusal(sample, path, message, tuple((key.replace("__", "."), value) for key, value in edits.items()))


_NAME = "metadata.name may have at most 52 characters, since names of Services and pods are made from it"
_LABEL = "metadata.name must start with a letter and have only a-z, 0-9 and '-' (a DNS label, RFC 1035)"
_PVC = "must be pvc://CLAIM/PATH: a PersistentVolumeClaim of this namespace and a folder in it"
_SOURCE = "must be pvc://CLAIM/PATH (globs allowed, such as *.csv) or configmap://NAME/KEY, of this namespace"
_CLIMB = "the path may not contain '..': it stays inside its claim"
_BUCKETS = "a window of traffic is a multiple of 10s, from 10m on of 1m: pods count in buckets of that length"
_LIMIT = "a request may not be greater than its limit"
_TEMPLATE = "template Image takes exactly one feature, of type Image; other templates take none of that type"
_TEXT = "template Text takes at least one feature of type Text; other templates take none of that type"
_FOLDER = "an ImageFolder needs train.template Image and a label of type Category (the folders' names)"
_SUIT = (
    "evaluate.metrics must suit the label: accuracy, precision, recall, f1, auc, logLoss for a Category; "
    "mae, rmse, r2 for a Number"
)
_WORD = "a name has letters, digits and _ and starts with no digit; `column` may be anything, so put it there"
_SAVED = (
    "TensorFlow can save no input whose name starts with _ or is a word of Python's; choose another, "
    "the data's name goes into `column`"
)
_GIVEN = "the model would predict what it is given"

PIPELINES = (
    refusal(pipeline, "<nil>", _NAME, metadata__name="a" * 63),
    refusal(pipeline, "<nil>", _LABEL, metadata__name="1st"),
    refusal(pipeline, "spec.artifacts.uri", _PVC, spec__artifacts__uri="/mnt/models"),
    refusal(pipeline, "spec.artifacts.uri", _CLIMB, spec__artifacts__uri=LONG),
    refusal(pipeline, "spec.source.uri", _SOURCE, spec__source__uri="s3://bucket/churn.csv"),
    refusal(pipeline, "spec.source.uri", _CLIMB, spec__source__uri="pvc://data/../other/x.csv"),
    refusal(
        image_pipeline,
        "spec.source",
        "an ImageFolder needs a pvc:// uri: a ConfigMap's key is one file",
        spec__source__uri="configmap://cats/cats",
    ),
    refusal(
        pipeline,
        "spec.source.split",
        "evaluatePercent + testPercent must be less than 100: the rest is what the model trains on",
        spec__source__split={"evaluatePercent": 50, "testPercent": 50},
    ),
    refusal(
        pipeline,
        "spec.source.split",
        "a split by Time needs column: the time of a row",
        spec__source__split={"by": "Time"},
    ),
    refusal(
        pipeline,
        "spec.source.split",
        "column is for a split by Time; by Hash takes key",
        spec__source__split={"by": "Hash", "column": "day"},
    ),
    refusal(
        pipeline,
        "spec.source.split",
        "key is for a split by Hash; by Time takes column",
        spec__source__split={"by": "Time", "column": "day", "key": "id"},
    ),
    refusal(pipeline, "spec.schema.label.name", _WORD, spec__schema__label__name="Churned?"),
    refusal(pipeline, "spec.schema.features[0].name", _WORD, spec__schema__features__0__name="mean radius"),
    refusal(pipeline, "spec.schema.features[0].name", _SAVED, spec__schema__features__0__name="class"),
    refusal(
        pipeline,
        "spec.triggers.schedule.cron",
        "cron has five fields (minute, hour, day of month, month, day of week), such as 0 2 * * *",
        spec__triggers__schedule__cron="daily",
    ),
    refusal(pipeline, "spec.schema.label", "positive must be one of classes", spec__schema__label__positive="maybe"),
    refusal(
        short_pipeline,
        "spec.schema.label",
        "positive and classes are for a label of type Category; a Number has neither",
        spec__schema__label__positive="1",
    ),
    refusal(
        pipeline,
        "spec.schema",
        f"the label may not be a feature too: {_GIVEN}",
        spec__schema__label__name="age",
    ),
    refusal(
        pipeline,
        "spec.schema",
        f"the label's column may not be read by a feature: {_GIVEN}",
        spec__schema__label__column="plan",
    ),
    refusal(
        pipeline,
        "spec.schema.features[0]",
        "min may not be greater than max",
        spec__schema__features__0__min="121",
    ),
    refusal(
        pipeline,
        "spec.schema.features[2]",
        "min and max are for features of type Number or Integer",
        spec__schema__features__2__min="0",
    ),
    refusal(
        pipeline,
        "spec.schema.features[0]",
        "values is for features of type Category",
        spec__schema__features__0__values=["1"],
    ),
    refusal(
        image_pipeline,
        "spec.schema.features[0]",
        "shape: [height, width, channels] belongs to every feature of type Image and to no other",
        spec__schema__features__0__shape=ABSENT,
    ),
    refusal(
        image_pipeline,
        "spec.schema.features[0]",
        "an Image has 1, 3 or 4 channels: shape is [height, width, channels]",
        spec__schema__features__0__shape=[64, 64, 2],
    ),
    refusal(
        pipeline,
        "spec.schema.features[2]",
        "a Boolean or an Image cannot be optional: declare an optional Boolean as a Category",
        spec__schema__features__2__optional=True,
    ),
    refusal(
        pipeline,
        "spec.schema.features[3]",
        "maxVocabulary and maxTokens are for features of type Text",
        spec__schema__features__3__maxTokens=50,
    ),
    refusal(pipeline, "spec", _TEMPLATE, spec__train__template="Image"),
    refusal(pipeline, "spec", _TEXT, spec__train__template="Text"),
    refusal(text_pipeline, "spec", _TEXT, spec__train__template="Tabular"),
    refusal(
        image_pipeline,
        "spec",
        _FOLDER,
        spec__schema__label={"name": "weight", "type": "Number"},
    ),
    refusal(pipeline, "spec", _SUIT, spec__evaluate__metrics=[{"name": "rmse", "max": "3"}]),
    refusal(
        pipeline,
        "spec",
        "average Positive needs schema.label.positive: the class that it is about",
        spec__schema__label__positive=ABSENT,
    ),
    refusal(
        short_pipeline,
        "spec",
        "earlyStopping on val_accuracy needs a label of type Category; use val_loss",
        spec__train__earlyStopping={"metric": "val_accuracy"},
    ),
    refusal(pipeline, "spec.resources", _LIMIT, spec__resources=GREEDY),
    refusal(pipeline, "spec.train.resources", _LIMIT, spec__train__resources=GREEDY),
    refusal(
        pipeline,
        "spec.evaluate.metrics[0]",
        "min may not be greater than max",
        spec__evaluate__metrics__0__max="0.5",
    ),
    refusal(
        pipeline,
        "spec.evaluate.metrics[0]",
        "average is for precision, recall, f1 and auc",
        spec__evaluate__metrics__0__average="Macro",
    ),
    refusal(
        pipeline,
        "spec.evaluate.metrics[0]",
        "demand something of the metric: min, max, maxRegression or minImprovement",
        spec__evaluate__metrics__0={"name": "accuracy"},
    ),
    refusal(
        pipeline,
        "spec.retry",
        "backoff may not be longer than maxBackoff",
        spec__retry__backoff="1h",
    ),
    refusal(
        pipeline,
        "spec.retry.onOutOfMemory",
        "factor must be above 1 and at most 10",
        spec__retry__onOutOfMemory__factor="1",
    ),
)

DEPLOYMENTS = (
    refusal(deployment, "<nil>", _NAME, metadata__name="a" * 63),
    refusal(deployment, "<nil>", _LABEL, metadata__name="a.b"),
    refusal(imported_deployment, "spec.model.uri", _PVC, spec__model__uri="https://example.org/model"),
    refusal(imported_deployment, "spec.model.uri", _CLIMB, spec__model__uri=LONG),
    refusal(
        imported_deployment,
        "spec.model",
        "name either pipeline (serve its champion, or a pinned version of it) or uri with digest",
        spec__model__pipeline="churn",
    ),
    refusal(
        imported_deployment,
        "spec.model",
        "version pins a version of a pipeline: name the pipeline too",
        spec__model__version=3,
    ),
    refusal(
        imported_deployment,
        "spec.model",
        "uri and digest belong together: the digest proves that what lies there is the model meant",
        spec__model__digest=ABSENT,
    ),
    refusal(
        deployment,
        "spec.serving.authentication",
        "type Token needs secret, the name of a Secret whose values are the tokens; other types have none",
        spec__serving__authentication__type="None",
    ),
    refusal(
        imported_deployment,
        "spec",
        "serving.authentication.type Kubernetes needs serviceAccountName, a ServiceAccount bound to the "
        "ClusterRole system:auth-delegator",
        spec__serviceAccountName=ABSENT,
    ),
    refusal(
        imported_deployment,
        "spec.serving.authentication",
        "audience is for type Kubernetes: whom its tokens are for",
        spec__serving__authentication__type="None",
    ),
    refusal(
        deployment,
        "spec.autoscaling",
        "minReplicas may not be greater than maxReplicas",
        spec__autoscaling__minReplicas=11,
    ),
    refusal(
        deployment,
        "spec.serving.batching",
        "maxRows and maxDelay are for type Bounded",
        spec__serving__batching__type="Off",
    ),
    refusal(
        deployment,
        "spec.serving.batching",
        "maxDelay is at most 500ms, half of the shortest deadline",
        spec__serving__batching__maxDelay="2s",
    ),
    refusal(
        deployment,
        "spec.serving.limits",
        "deadline has at least 1s and at most 1h",
        spec__serving__limits__deadline="20ms",
    ),
    refusal(
        deployment,
        "spec.serving.limits",
        "maxBodyBytes is a whole number of bytes from 1Ki to 1Gi",
        spec__serving__limits__maxBodyBytes="2Gi",
    ),
    refusal(deployment, "spec.serving.resources", _LIMIT, spec__serving__resources=GREEDY),
    refusal(
        deployment,
        "spec.monitor.window",
        "a window of traffic has at least 1m and at most 24h",
        spec__monitor__window="10s",
    ),
    refusal(deployment, "spec.monitor.window", _BUCKETS, spec__monitor__window="1m5s"),
    refusal(deployment, "spec.monitor.window", _BUCKETS, spec__monitor__window="23h59m59s"),
    refusal(deployment, "spec.monitor.drift.features[0]", _WORD, spec__monitor__drift__features=["mean radius"]),
    refusal(
        deployment,
        "spec.monitor.performance.window",
        "a window of labels has at least 1m",
        spec__monitor__performance__window="59s",
    ),
)
