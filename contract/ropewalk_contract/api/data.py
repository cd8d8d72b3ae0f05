"""Pipeline.spec, the part about data: source, splits, schema, validation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ropewalk_contract.api.common import Decimal, Magnitude, Model, Name, PvcUri, RuleNotClimbing
from ropewalk_contract.api.markers import ListAtomic, ListMap, ListSet, Rule

Percent = Annotated[int, Field(ge=1, le=80)]
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
Category = Annotated[str, Field(min_length=1, max_length=128)]
UNSAVEABLE = (
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "self", "try", "while", "with", "yield",
)  # fmt: skip
"""Keywords of Python: the inputs of a SavedModel are arguments of a Python function."""
FeatureName = Annotated[
    Name,
    Rule(
        rule=f"!self.startsWith('_') && !(self in [{', '.join(repr(word) for word in UNSAVEABLE)}])",
        message="TensorFlow can save no input whose name starts with _ or is a word of Python's; choose another, "
        "the data's name goes into `column`",
    ),
]
SourceUri = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Rule(
        rule=r"self.matches('^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[^/]+)+$') || "
        r"self.matches('^configmap://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-._a-zA-Z0-9]+$')",
        message="must be pvc://CLAIM/PATH (globs allowed, such as *.csv) or configmap://NAME/KEY, of this namespace",
    ),
    RuleNotClimbing,
]


class Keep(Model):
    """Retention in the store. Served versions, the champion and the newest blessed version always stay.

    Anything else is deleted after two sweeps, a day apart, have found it unreferenced.
    """

    runs: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Number of the newest runs whose records and work stay."""
    versions: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Number of the newest versions of the model that stay."""


class Artifacts(Model):
    """The store of models and of the records of runs, under NAMESPACE/PIPELINE."""

    uri: PvcUri
    """A folder on a PersistentVolumeClaim of this namespace, pvc://CLAIM/PATH.
    Models are in PATH/NAMESPACE/PIPELINE/models/VERSION."""
    keep: Keep = Keep()
    """Retention in the store."""


class Split(Model):
    """Division of the rows into train, evaluate and test. The rest after evaluate and test is for training."""

    rules = (
        Rule(
            rule="self.evaluatePercent + self.testPercent < 100",
            message="evaluatePercent + testPercent must be less than 100: the rest is what the model trains on",
        ),
        Rule(rule="self.by != 'Time' || has(self.column)", message="a split by Time needs column: the time of a row"),
        Rule(rule="self.by == 'Time' || !has(self.column)", message="column is for a split by Time; by Hash takes key"),
        Rule(rule="self.by == 'Hash' || !has(self.key)", message="key is for a split by Hash; by Time takes column"),
    )

    by: Literal["Hash", "Time"] = "Hash"
    """Hash: by a stable hash, so that a row stays in its split when other rows arrive.
    Time: the newest rows are the test split, the rows before them the evaluate split."""
    key: ColumnName | None = None
    """With Hash: the column whose value is hashed, so that rows with one value (of one customer, say) stay together.
    Absent: the whole row is hashed."""
    column: ColumnName | None = None
    """With Time: the column with the time of a row."""
    evaluate_percent: Percent = 10
    """Percentage of rows for early stopping."""
    test_percent: Percent = 10
    """Percentage of rows that judge the model. They are used for nothing else."""


class Source(Model):
    """The raw data of a run."""

    rules = (
        Rule(
            rule="self.format != 'ImageFolder' || self.uri.startsWith('pvc://')",
            message="an ImageFolder needs a pvc:// uri: a ConfigMap's key is one file",
        ),
    )

    uri: SourceUri
    """pvc://CLAIM/PATH with globs, or configmap://NAME/KEY for small data, both of this namespace."""
    format: Literal["CSV", "Parquet", "JSONLines", "ImageFolder"]
    """CSV (with a header), Parquet, JSONLines, or ImageFolder (PNG or JPEG files in one folder a class)."""
    split: Split = Split()
    """Division of the rows into train, evaluate and test."""


class Label(Model):
    """The column that the model predicts."""

    rules = (
        Rule(
            rule="!has(self.positive) || !has(self.classes) || self.positive in self.classes",
            message="positive must be one of classes",
        ),
        Rule(
            rule="self.type == 'Category' || (!has(self.positive) && !has(self.classes))",
            message="positive and classes are for a label of type Category; a Number has neither",
        ),
    )

    name: Name
    """Name of the label in metrics and messages."""
    column: ColumnName | None = None
    """The column of the data; absent: `name`."""
    type: Literal["Category", "Number"]
    """Category: classification. Number: regression."""
    positive: Category | None = None
    """The positive class of precision, recall, f1 and auc, in a problem of two classes."""
    classes: Annotated[tuple[Category, ...], Field(min_length=2, max_length=1000), ListSet()] | None = None
    """All classes in the order of the model's `probabilities`.
    Absent: the classes of the training data, sorted. Any other value is an anomaly."""


class Feature(Model):
    """One input of the model. Its type is declared, never inferred."""

    rules = (
        Rule(
            rule="!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
            message="min may not be greater than max",
        ),
        Rule(
            rule="self.type in ['Number', 'Integer'] || (!has(self.min) && !has(self.max))",
            message="min and max are for features of type Number or Integer",
        ),
        Rule(rule="self.type == 'Category' || !has(self.values)", message="values is for features of type Category"),
        Rule(
            rule="(self.type == 'Image') == has(self.shape)",
            message="shape: [height, width, channels] belongs to every feature of type Image and to no other",
        ),
        Rule(
            rule="!has(self.shape) || self.shape.size() != 3 || self.shape[2] in [1, 3, 4]",
            message="an Image has 1, 3 or 4 channels: shape is [height, width, channels]",
        ),
        Rule(
            rule="!(self.type in ['Boolean', 'Image']) || !self.optional",
            message="a Boolean or an Image cannot be optional: declare an optional Boolean as a Category",
        ),
        Rule(
            rule="self.type == 'Text' || (!has(self.maxVocabulary) && !has(self.maxTokens))",
            message="maxVocabulary and maxTokens are for features of type Text",
        ),
    )

    name: FeatureName
    """Name of the input in requests: letters, digits and _. Two names may not differ in upper and lower case alone."""
    column: ColumnName | None = None
    """The column of the data, under any name; absent: `name`."""
    type: Literal["Number", "Integer", "Boolean", "Category", "Text", "Timestamp", "Image"]
    """Number (float), Integer (int64), Boolean, Category (one of a few strings), Text (words in any language),
    Timestamp (RFC 3339 with a zone, as in 2026-01-31T09:30:00Z), or Image (uint8)."""
    min: Decimal | None = None
    """Smallest valid value; a smaller one is the anomaly OutOfRange."""
    max: Decimal | None = None
    """Greatest valid value; a greater one is the anomaly OutOfRange."""
    values: Annotated[tuple[Category, ...], Field(min_length=1, max_length=1000), ListSet()] | None = None
    """Valid values of a Category; another value is the anomaly UnknownCategory. Absent: every value is valid."""
    optional: bool = False
    """True: a value may be missing, in training and in requests."""
    sensitive: bool = False
    """True: values never leave the store and the servers' memory. No example is in status, Events or logs."""
    max_vocabulary: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of words of a Text that are learnt: the most frequent of the training rows that occur at least twice.
    All others count as one unknown word. Absent: 20000. A word takes `embedding` numbers of the model."""
    max_tokens: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of words of a Text that are read, from its beginning. Absent: 200. A word takes four bytes of a row."""
    shape: (
        Annotated[tuple[Annotated[int, Field(ge=1, le=1024)], ...], Field(min_length=3, max_length=3), ListAtomic()]
        | None
    ) = None
    """Height, width and channels (1, 3 or 4) of an Image."""


class Schema(Model):
    """The declared columns: one label and the features."""

    rules = (
        Rule(
            rule="self.features.all(feature, feature.name != self.label.name)",
            message="the label may not be a feature too: the model would predict what it is given",
        ),
        Rule(
            rule="self.features.all(feature, (has(feature.column) ? feature.column : feature.name) != "
            "(has(self.label.column) ? self.label.column : self.label.name))",
            message="the label's column may not be read by a feature: the model would predict what it is given",
        ),
    )

    label: Label
    """The column that the model predicts."""
    features: Annotated[tuple[Feature, ...], Field(min_length=1, max_length=512), ListMap()]
    """The inputs of the model. Other columns of the data are not read."""


class Rows(Model):
    """Bounds on the number of rows."""

    min: Annotated[int, Field(ge=1, le=10**12)] = 1
    """Smallest number of rows for training; fewer rows are the anomaly MinRows."""
    max_change_from_previous: Magnitude | None = None
    """Greatest change of the number of rows against the last successful run, as a share such as "0.5".
    A greater change is the anomaly RowsChanged."""


class AnomalyException(Model):
    """Another action for one kind of anomaly."""

    anomaly: Literal[
        "MinRows",
        "RowsChanged",
        "WrongType",
        "UnknownCategory",
        "NaNLabel",
        "OutOfRange",
        "MissingValues",
        "NewColumn",
    ]
    """Name of the anomaly, as in status.anomalies.
    An anomaly that makes training impossible (a missing column, one class) always fails the run."""
    action: Literal["Fail", "Warn", "Ignore"]
    """Fail ends the run. Warn reports the anomaly and continues. Ignore continues without a report."""


class Validate(Model):
    """Checks of the data before training."""

    rows: Rows = Rows()
    """Bounds on the number of rows."""
    on_anomaly: Literal["Fail", "Warn"] = "Fail"
    """Fail ends the run at the first stage that finds an anomaly. Warn reports the anomaly and continues."""
    exceptions: Annotated[tuple[AnomalyException, ...], Field(max_length=16), ListMap(("anomaly",))] = ()
    """Anomalies with another action.
    A column outside the schema (NewColumn) is ignored unless it is listed here."""
