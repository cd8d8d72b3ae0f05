"""Shared by both resources: the base model, scalar types with their bounds, and their parsers."""

from __future__ import annotations

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
"""Longest name of a resource. Names derived from it (labels, Services, pods) must stay within 63 characters."""
MAX_MESSAGE = 1024
"""Longest message in status. Writers cut it, since the API server refuses the whole status otherwise."""

_ACRONYMS = {"target_cpu_percent": "targetCPUPercent"}


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
    """True: the API server stores fields that the schema does not name."""

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
        """The object as JSON with its defaults. A field without a value is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


Name = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rule(
        rule="self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
        message="a name has letters, digits and _ and starts with no digit; `column` may be anything, so put it there",
    ),
]
"""Name of a feature or label: a Python identifier, since it is the name of a tensor too."""
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of another object of the same namespace."""
Duration = Annotated[str, Field(max_length=32, pattern=r"^([0-9]{1,5}(ms|s|m|h)){1,4}$")]
"""A duration: numbers with the units ms, s, m, h."""
Decimal = Annotated[str, Field(max_length=32, pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?$")]
"""A decimal number as a string, since JSON's floats do not survive every client."""
Magnitude = Annotated[str, Field(max_length=32, pattern=r"^[0-9]{1,15}(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?$")]
"""A decimal number that is not negative, as a string."""
Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
"""Digest of a content: `sha256:` and 64 hexadecimal digits."""
Time = Annotated[str, Field(max_length=40), Keywords({"format": "date-time"})]
"""A point in time, RFC 3339."""
Quantity = Annotated[
    str | int, IntOrString(r"^[0-9]{1,15}(\.[0-9]{1,9})?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})?$", 32)
]
"""A Kubernetes quantity that is not negative: `500m`, `2`, `1Gi`."""
Image = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")]
"""A container image's reference."""
Reason = Annotated[str, Field(max_length=128)]
"""A CamelCase word for programs; see `ropewalk_contract.api.conditions`."""
Message = Annotated[str, Field(max_length=MAX_MESSAGE)]
"""A sentence for people: the object, the value, the remedy."""
Short = Annotated[str, Field(max_length=256)]
"""A few words for a column. The bound is wide, since the API server refuses the whole status beyond it."""
Count = Annotated[int, Field(ge=0)]
Uri = Annotated[str, Field(max_length=1024)]
"""A uri in status."""
Fingerprint = Annotated[str, Field(max_length=128)]
"""A digest in status."""

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
    """Resources that the scheduler reserves, such as `{cpu: "1", memory: 1Gi}`."""
    limits: Quantities | None = None
    """Upper bounds. A container that exceeds its memory is ended (`OutOfMemory`)."""


class Toleration(Model):
    """Permission to run on nodes with a matching taint, as in a pod."""

    key: Annotated[str, Field(max_length=316)] | None = None
    """Key of the taint. Absent with operator Exists: every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Equal compares `value`. Exists matches every value."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Absent: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """Seconds for which a NoExecute taint is tolerated. Absent: without limit."""


Tolerations = Annotated[tuple[Toleration, ...], Field(max_length=16), ListAtomic()]


class StatusModel(Model):
    """Base of every object in status. No field is required, and an older CRD keeps fields of a newer operator.

    If the API server pruned them, that operator would find its status changed after every write and write again.
    """

    keeps_unknown_fields = True


class MetricValue(StatusModel):
    """One measured number."""

    name: Short
    """Name of the metric, such as accuracy."""
    value: Annotated[str, Field(max_length=32)] | None = None
    """Value as a decimal string."""


Metrics = Annotated[tuple[MetricValue, ...], Field(max_length=32), ListMap()]


class Condition(Model):
    """One observation of the resource, by the conventions of Kubernetes."""

    type: Annotated[str, Field(max_length=64)]
    """Type of the condition, such as Ready."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Reason
    """Reason, one CamelCase word. Part of the API."""
    message: Message = ""
    """Message for people: the object, the value, the remedy."""
    observed_generation: Count | None = None
    """Generation of the spec that the observation is about."""
    last_transition_time: Time
    """Time of the last change of `status`."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), ListMap(("type",))]


class ObjectMeta(Model):
    """The metadata that Ropewalk reads."""

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
