"""The generated CustomResourceDefinitions as a list of schema nodes with their paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ropewalk_contract.api import crd

DEFINITIONS = {resource.kind: crd.definition(resource, model) for resource, model in crd.RESOURCES}


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with its path as `kubectl explain` names it; items and values end in []."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def version(kind: str) -> dict[str, Any]:
    (found,) = DEFINITIONS[kind]["spec"]["versions"]
    assert isinstance(found, dict)
    return found


def root(kind: str) -> dict[str, Any]:
    found = version(kind)["schema"]["openAPIV3Schema"]
    assert isinstance(found, dict)
    return found
