"""run.json: the frozen plan of a run, parsed to what the stages need. Every bad value is an InvalidSpec by field."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropewalk_contract.documents.run import Champion, RunTask
from ropewalk_model import tasks
from ropewalk_model.features import FEATURE_TYPES, FeatureSpec
from ropewalk_model.tasks import TrainedTask
from ropewalk_trainer.errors import InvalidSpec

LABEL_TYPES = tuple(one.label_type.name for one in tasks.TRAINED_TASKS)
DECLARED_TYPES = tuple(name for name, one in FEATURE_TYPES.items() if one.declared)
FORMATS = ("CSV", "Parquet", "JSONLines", "ImageFolder")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Column:
    """A declared feature and where and how to read it."""

    spec: FeatureSpec
    column: str
    minimum: float | None = None
    maximum: float | None = None
    sensitive: bool = False

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.spec.name


@dataclass(frozen=True)
class Label:
    """What is to be predicted; `classes` in the stated order, None if they are to be learnt from the data."""

    name: str
    column: str
    type: str
    classes: tuple[str, ...] | None
    positive: str | None

    @property
    def task(self) -> TrainedTask:
        """The task that such labels belong to."""
        return tasks.of_label(self.type)


@dataclass(frozen=True)
class Split:
    """How rows are divided into train, evaluate and test."""

    by: str
    key: str | None
    column: str | None
    evaluate_percent: float
    test_percent: float


@dataclass(frozen=True)
class Spec:
    """Pipeline.spec as far as the trainer needs it."""

    artifacts_uri: str
    source_uri: str
    format: str
    split: Split
    label: Label
    weight: str | None
    features: tuple[Column, ...]
    validate: Mapping[str, Any]
    template: str
    hyperparameters: Mapping[str, str]
    early_stopping: Mapping[str, Any]
    seed: int
    evaluate: Mapping[str, Any]


@dataclass(frozen=True)
class RunDocument:
    """A run: whose, which, why, and with what spec."""

    namespace: str
    pipeline: str
    uid: str
    run_id: int
    generation: int
    trigger: Mapping[str, str]
    """`type` and `reason`."""
    spec: Spec
    champion: Champion | None
    adopt_store: bool
    raw: Mapping[str, Any]


def load(path: Path) -> RunDocument:
    """Read run.json."""
    return parse(json.loads(path.read_text()))


def parse(document: Mapping[str, Any]) -> RunDocument:
    """Parse a run document. InvalidSpec names the first field of the spec that is wrong, Refused one around it."""
    task = RunTask.read(document)
    return RunDocument(
        namespace=task.namespace,
        pipeline=task.pipeline,
        uid=task.uid,
        run_id=task.run_id,
        generation=task.generation,
        trigger={"type": task.trigger, "reason": task.trigger_reason},
        spec=_spec(task.spec),
        champion=task.champion,
        adopt_store=task.adopt_store,
        raw=document,
    )


def _spec(spec: Mapping[str, Any]) -> Spec:
    source = _section(spec, "source")
    schema = _section(spec, "schema")
    train = spec.get("train") or {}
    features = tuple(_feature(one, index) for index, one in enumerate(schema.get("features") or ()))
    label = _label(_section(schema, "label", "spec.schema"))
    if not features:
        raise InvalidSpec("spec.schema.features", [], "declare at least one feature")
    seen: set[str] = set()
    lower: set[str] = set()
    for feature in features:
        if feature.name in seen or feature.name == label.name:
            raise InvalidSpec("spec.schema.features", feature.name, "every name may be given once")
        if feature.name.lower() in lower:
            raise InvalidSpec("spec.schema.features", feature.name, "names may not differ in upper and lower case only")
        seen.add(feature.name)
        lower.add(feature.name.lower())
    return Spec(
        artifacts_uri=str(_section(spec, "artifacts")["uri"]),
        source_uri=str(source["uri"]),
        format=_choice(source.get("format"), FORMATS, "spec.source.format"),
        split=_split(source.get("split") or {}),
        label=label,
        weight=(schema.get("weight") or {}).get("column"),
        features=features,
        validate=spec.get("validate") or {},
        template=str(train.get("template") or "Tabular"),
        hyperparameters={one["name"]: str(one["value"]) for one in train.get("hyperparameters") or ()},
        early_stopping=train.get("earlyStopping") or {},
        seed=int(train["seed"]) if train.get("seed") is not None else 1,
        evaluate=spec.get("evaluate") or {},
    )


def _section(document: Mapping[str, Any], key: str, where: str = "spec") -> Mapping[str, Any]:
    value = document.get(key)
    if not isinstance(value, Mapping):
        raise InvalidSpec(f"{where}.{key}", value, "it is required")
    return value


def _choice(value: Any, choices: tuple[str, ...], where: str) -> str:
    if value not in choices:
        raise InvalidSpec(where, value, f"give one of {', '.join(choices)}")
    return str(value)


def decimal(value: Any, where: str) -> float | None:
    """A decimal of the API (a string such as "0.95"), None if absent."""
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidSpec(where, value, 'give a decimal as a string, such as "0.5"') from None


def _feature(one: Mapping[str, Any], index: int) -> Column:
    where = f"spec.schema.features[{index}]"
    name = str(one.get("name", ""))
    if not _NAME.fullmatch(name):
        raise InvalidSpec(f"{where}.name", name, "use letters, digits and _; put the source's name into `column`")
    if name.startswith("_") or name == "self" or keyword.iskeyword(name):
        remedy = "TensorFlow can save no input of this name; choose another, the source's name goes into `column`"
        raise InvalidSpec(f"{where}.name", name, remedy)
    kind = _choice(one.get("type"), DECLARED_TYPES, f"{where}.type")
    shape = tuple(int(size) for size in one.get("shape") or ())
    optional = bool(one.get("optional", False))
    values = one.get("values")
    spec = FeatureSpec(
        name=name,
        type=kind,
        optional=optional,
        values=tuple(str(value) for value in values) if values else None,
        shape=shape,
        max_vocabulary=int(one.get("maxVocabulary") or FeatureSpec.max_vocabulary),
        max_tokens=int(one.get("maxTokens") or FeatureSpec.max_tokens),
    )
    refusal = spec.kind.refusal(spec)
    if refusal is not None:
        raise InvalidSpec(where, name, refusal)
    return Column(
        spec=spec,
        column=str(one.get("column") or name),
        minimum=decimal(one.get("min"), f"{where}.min"),
        maximum=decimal(one.get("max"), f"{where}.max"),
        sensitive=bool(one.get("sensitive", False)),
    )


def _label(one: Mapping[str, Any]) -> Label:
    kind = _choice(one.get("type"), LABEL_TYPES, "spec.schema.label.type")
    classes = one.get("classes") or one.get("values")
    stated = tuple(str(value) for value in classes) if classes else None
    positive = one.get("positive")
    if stated and positive is not None and positive not in stated:
        raise InvalidSpec("spec.schema.label.positive", positive, f"it is none of the classes {', '.join(stated)}")
    if stated and (len(set(stated)) != len(stated) or len(stated) < 2):
        raise InvalidSpec("spec.schema.label.classes", list(stated), "give at least two different classes")
    name = str(one.get("name", ""))
    return Label(
        name=name,
        column=str(one.get("column") or name),
        type=kind,
        classes=stated,
        positive=None if positive is None else str(positive),
    )


def _split(one: Mapping[str, Any]) -> Split:
    evaluate = float(one.get("evaluatePercent", 10))
    test = float(one.get("testPercent", 10))
    if evaluate <= 0 or test <= 0 or evaluate + test >= 100:
        raise InvalidSpec(
            "spec.source.split",
            f"{evaluate:g}% and {test:g}%",
            "both must be above 0 and leave rows to train",
        )
    by = _choice(one.get("by", "Hash"), ("Hash", "Time"), "spec.source.split.by")
    if by == "Time" and not one.get("column"):
        raise InvalidSpec("spec.source.split.column", None, "a Time split needs the column that holds the time")
    return Split(by, one.get("key"), one.get("column"), evaluate, test)
