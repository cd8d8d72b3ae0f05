"""What both resources share: the base model, scalar types with their bounds, and the helpers that read them."""

from __future__ import annotations

import re
from decimal import Decimal as Number
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from ropewalk_contract import wire
from ropewalk_contract.api.markers import IntOrString, Keywords, ListAtomic, ListMap, Rule

GROUP = wire.GROUP
VERSION = "v1alpha1"
API_VERSION: Final = wire.API_VERSION

MAX_NAME = 52
"""Longest name of a resource: what is derived from it (labels, Services, pods) must stay within 63."""
MAX_MESSAGE = 1024
"""Longest message in status; writers cut, or the API server refuses the whole status."""

_ACRONYMS = {"target_cpu_percent": "targetCPUPercent"}
_DURATION_UNITS = {"ms": Number("0.001"), "s": Number(1), "m": Number(60), "h": Number(3600), "d": Number(86400)}
_DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([eE][-+]?[0-9]+|[numkKMGTPE]i?|)")
_QUANTITY_UNITS = {
    "": Number(1),
    "n": Number("1e-9"),
    "u": Number("1e-6"),
    "m": Number("1e-3"),
    "k": Number("1e3"),
    "M": Number("1e6"),
    "G": Number("1e9"),
    "T": Number("1e12"),
    "P": Number("1e15"),
    "E": Number("1e18"),
    **{f"{unit}i": Number(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def _alias(name: str) -> str:
    return _ACRONYMS.get(name) or to_camel(name.rstrip("_"))


class Model(BaseModel):
    """Base of every object of the API: frozen, snake_case here and camelCase on the wire, unknown keys ignored."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=_alias, populate_by_name=True, use_attribute_docstrings=True
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """CEL rules of the object, enforced by the API server."""
    keeps_unknown_fields: ClassVar[bool] = False
    """Whether the API server stores fields that the schema does not name."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        own = handler.resolve_ref_schema(schema)
        if cls.rules:
            own["x-kubernetes-validations"] = [rule.document() for rule in cls.rules]
        if cls.keeps_unknown_fields:
            own["x-kubernetes-preserve-unknown-fields"] = True
        return schema

    def document(self) -> dict[str, Any]:
        """The object as JSON with its defaults; what is unset is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `"90s"`, `"5m"`, `"1h30m"`, `"20ms"`; ValueError on anything else."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration: {text!r} (write 30s, 5m or 1h30m)")
    return float(sum(Number(number) * _DURATION_UNITS[unit] for number, unit in parts))


def parse_decimal(text: str) -> Number:
    """The exact value of a decimal string such as `"0.95"`; ValueError on anything else, infinities included."""
    try:
        value = Number(text)
    except ArithmeticError as error:
        raise ValueError(f"not a decimal: {text!r}") from error
    if not value.is_finite():
        raise ValueError(f"not a finite decimal: {text!r}")
    return value


def parse_quantity(value: str | int) -> Number:
    """The exact value of a Kubernetes quantity: `"500m"` is 0.5, `"4Mi"` is 4194304."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"not a quantity: {value!r}")
    number, suffix = match.groups()
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return parse_decimal(number + suffix)
    if suffix not in _QUANTITY_UNITS:
        raise ValueError(f"not a quantity: {value!r}")
    return parse_decimal(number) * _QUANTITY_UNITS[suffix]


Name = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rule(
        rule="self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
        message="a name has letters, digits and _ and starts with no digit; `column` may be anything, so put it there",
    ),
]
"""A feature's or label's name: a Python identifier, since it names a tensor too."""
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of another object of the same namespace."""
Duration = Annotated[str, Field(max_length=32, pattern=r"^([0-9]{1,5}(ms|s|m|h)){1,4}$")]
"""A duration: numbers with the units ms, s, m, h."""
Decimal = Annotated[str, Field(max_length=32, pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?$")]
"""A decimal number as a string, since JSON's floats do not survive every client."""
Magnitude = Annotated[str, Field(max_length=32, pattern=r"^[0-9]{1,15}(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?$")]
"""A decimal number that is not negative, as a string."""
Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
"""A content digest, `sha256:` and 64 hexadecimal digits."""
Time = Annotated[str, Field(max_length=40), Keywords({"format": "date-time"})]
"""A point in time, RFC 3339."""
Quantity = Annotated[
    str | int, IntOrString(r"^[0-9]{1,15}(\.[0-9]{1,9})?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})?$", 32)
]
"""A Kubernetes quantity that is not negative: `500m`, `2`, `1Gi`."""
Image = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")]
"""A container image's reference."""
Reason = Annotated[str, Field(max_length=128)]
"""A CamelCase word for machines; see `ropewalk_contract.api.conditions`."""
Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
"""A sentence for people: the thing, the value, the remedy."""
Short = Annotated[str, Field(max_length=256)]
"""A few words as shown in a column; the bound is wide, since the API server refuses the whole status beyond it."""
Count = Annotated[int, Field(ge=0)]
Uri = Annotated[str, Field(max_length=1024)]
"""Where something lies, as status tells it."""
Fingerprint = Annotated[str, Field(max_length=128)]
"""A digest, as status tells it."""

RuleNotClimbing = Rule(
    rule=r"!self.matches('(^|/)[.][.](/|$)')", message="the path may not contain '..': it stays inside its claim"
)
PvcUri = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Rule(
        rule=r"self.matches('^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[^/]+)*$')",
        message="must be pvc://CLAIM/PATH: a PersistentVolumeClaim of this namespace and a folder in it",
    ),
    RuleNotClimbing,
]
"""A place on a PersistentVolumeClaim of the namespace: `pvc://CLAIM/PATH`."""

Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]


class Resources(Model):
    """Compute resources of a container, as in a pod."""

    rules = (
        Rule(
            rule="!has(self.limits) || !has(self.requests) || self.requests.all(name, !(name in self.limits) || "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            message="a request may not be greater than its limit",
        ),
    )

    requests: Quantities | None = None
    """What the scheduler sets aside, for instance `{cpu: "1", memory: 1Gi}`."""
    limits: Quantities | None = None
    """What the container may not exceed; exceeding memory ends it (`OutOfMemory`)."""


class Toleration(Model):
    """Lets pods run on nodes with a matching taint, as in a pod."""

    key: Annotated[str, Field(max_length=316)] | None = None
    """The taint's key; absent with operator Exists: every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Equal compares `value`; Exists takes any value."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; absent: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a NoExecute taint is tolerated; absent: for ever."""


Tolerations = Annotated[tuple[Toleration, ...], Field(max_length=16), ListAtomic()]


class StatusModel(Model):
    """Base of what stands in status. Nothing is required, and what a newer operator adds is kept by an older CRD.

    Were it pruned, that operator would find its status changed after every write, and write it again for ever.
    """

    keeps_unknown_fields = True


class MetricValue(StatusModel):
    """One measured number."""

    name: Short
    """The metric's name, for instance accuracy."""
    value: Annotated[str, Field(max_length=32)] | None = None
    """Its value as a decimal string."""


Metrics = Annotated[tuple[MetricValue, ...], Field(max_length=32), ListMap()]


class Condition(Model):
    """One observation about the resource, by the conventions of Kubernetes."""

    type: Annotated[str, Field(max_length=64)]
    """What is observed, for instance Ready."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Reason
    """One CamelCase word why; part of the API."""
    message: Message = ""
    """The same for people: the thing, the value, the remedy."""
    observed_generation: Count | None = None
    """The generation of the spec that this was observed for."""
    last_transition_time: Time
    """When `status` last changed."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), ListMap(("type",))]


class ObjectMeta(Model):
    """The part of an object's metadata that Ropewalk reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


NAME_RULES = (
    Rule(
        rule=f"self.metadata.name.size() <= {MAX_NAME}",
        message=f"metadata.name may have at most {MAX_NAME} characters, "
        "since names of Services and pods are made from it",
    ),
    Rule(
        rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message="metadata.name must start with a letter and have only a-z, 0-9 and '-' (a DNS label, RFC 1035)",
    ),
)
"""Rules of every root object.

NB: no `messageExpression` may quote the name: it has no bound in a CRD, and the estimated cost is then forbidden.
"""
