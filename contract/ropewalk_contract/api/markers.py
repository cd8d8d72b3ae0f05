"""Markers for `Annotated[...]` that become `x-kubernetes-*` keywords, which OpenAPI does not have.

A marker only writes into the JSON schema and never validates in Python. The API server enforces it; a parser that is
stricter than the server would refuse objects that the cluster has already accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule (`x-kubernetes-validations`) on a field or, through `Model.rules`, on an object.

    `message` names the remedy. The API server adds the path of the value.
    """

    rule: str
    message: str

    def document(self) -> dict[str, str]:
        """The rule as JSON for the CRD."""
        return {"rule": self.rule, "message": self.message}

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        return {**schema, "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", []), self.document()]}


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list of objects that server-side apply merges by `keys`, which are unique in it."""

    keys: tuple[str, ...] = ("name",)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}


@dataclass(frozen=True, slots=True)
class ListSet:
    """A list of scalars without duplicates."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "x-kubernetes-list-type": "set"}


@dataclass(frozen=True, slots=True)
class ListAtomic:
    """A list that is always replaced as a whole, since its order or its duplicates have a meaning."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "x-kubernetes-list-type": "atomic"}


@dataclass(frozen=True, slots=True)
class Keywords:
    """Further keywords of one schema, for instance `Keywords({"format": "date-time"})`."""

    values: dict[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), **self.values}

    def __hash__(self) -> int:
        return hash(repr(self.values))


@dataclass(frozen=True, slots=True)
class IntOrString:
    """A value that is an integer or a string of a pattern: a Kubernetes quantity."""

    pattern: str
    max_length: int

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": self.pattern,
            "maxLength": self.max_length,
            "x-kubernetes-int-or-string": True,
        }


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; a `wide` one is shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def document(self) -> dict[str, Any]:
        """The column as JSON for the CRD."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            column["description"] = self.description
        if self.wide:
            column["priority"] = 1
        return column


@dataclass(frozen=True, slots=True)
class Resource:
    """The part of a CRD beside its schema."""

    kind: str
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    scale: bool = False
