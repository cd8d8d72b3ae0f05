"""One page for each resource: every field with its type, default, bounds and description, from the CRD's schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ropewalk_contract.api import crd
from ropewalk_contract.api.markers import Resource
from tools.reference.markdown import HEADER, cell, table

Node = Mapping[str, Any]
_NOT_OURS = ("apiVersion", "kind", "metadata")


def pages() -> dict[str, str]:
    """The page of every resource, by file name."""
    return {f"{resource.kind.lower()}.md": _page(resource, crd.schema(model)) for resource, model in crd.RESOURCES}


def _page(resource: Resource, root: Node) -> str:
    parts = [
        f"{HEADER}# {resource.kind}\n",
        f"{root['description']}\n",
        f"`kubectl explain {resource.plural[:-1]}.spec` shows the same texts. A field without a default and without "
        "the word *required* may be absent.\n",
        "## Columns of `kubectl get`\n",
        table(
            ("column", "field", "meaning"),
            [
                (one.name + (" (`-o wide`)" if one.wide else ""), f"`{one.path}`", one.description or "Age.")
                for one in resource.columns
            ],
        ),
    ]
    for path, node in _objects(root, ""):
        name = path or resource.kind
        parts.append(f"## {name}\n")
        if path and node.get("description"):
            parts.append(f"{node['description']}\n")
        parts.append(_fields(node, path, hidden=() if path else _NOT_OURS))
        rules = [f"- {cell(rule['message'])}." for rule in node.get("x-kubernetes-validations", ())]
        if rules:
            parts.append("Rules that the API server checks:\n\n" + "\n".join(rules) + "\n")
    return "\n".join(parts)


def _objects(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every object with fields of its own, in the order of the page: an object before its parts."""
    if "properties" in node:
        yield path, node
    for name, child in node.get("properties", {}).items():
        if path or name not in _NOT_OURS:
            yield from _objects(child, f"{path}.{name}".lstrip("."))
    if isinstance(node.get("items"), Mapping):
        yield from _objects(node["items"], f"{path}[]")


def _fields(node: Node, path: str, hidden: tuple[str, ...]) -> str:
    required = node.get("required", ())
    rows = [
        (
            f"`{name}`",
            _linked(child, f"{path}.{name}"),
            _default(child, name in required),
            _bounds(child),
            child.get("description", ""),
        )
        for name, child in node["properties"].items()
        if name not in hidden
    ]
    return table(("field", "type", "default", "bounds", "description"), rows)


def _linked(node: Node, path: str) -> str:
    """The type of a field; an object with fields of its own leads to its section."""
    has_section = "properties" in node or "properties" in node.get("items", {})
    return f"[{_type(node)}](#{re.sub(r'[^a-z]', '', path.lower())})" if has_section else _type(node)


def _type(node: Node) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if isinstance(node.get("additionalProperties"), Mapping):
        return f"map of {_type(node['additionalProperties'])}"
    if "enum" in node:
        return " or ".join(f"`{one}`" for one in node["enum"])
    return str(node.get("type", "object"))


def _default(node: Node, required: bool) -> str:
    if required:
        return "*required*"
    if "default" not in node or "properties" in node:  # an object's default is that of its fields
        return ""
    return f"`{json.dumps(node['default'], ensure_ascii=False)}`"


def _bounds(node: Node) -> str:
    """Numbers, lengths, the number of entries, the pattern, and the rules of the value itself."""
    found = [
        _range(node, "minimum", "maximum", ""),
        _range(node, "minLength", "maxLength", " characters"),
        _range(node, "minItems", "maxItems", " entries"),
        _range(node, "minProperties", "maxProperties", " entries"),
        f"pattern `{node['pattern']}`" if "pattern" in node else "",
    ]
    items = node.get("items")
    if isinstance(items, Mapping) and "properties" not in items and _bounds(items):
        found.append(f"each: {_bounds(items)}")
    if "properties" not in node:
        found += [rule["message"] for rule in node.get("x-kubernetes-validations", ())]
    return "; ".join(one for one in found if one)


def _range(node: Node, low: str, high: str, unit: str) -> str:
    least, most = node.get(low), node.get(high)
    if least is None and most is None:
        return ""
    if least is None:
        return f"at most {most}{unit}"
    if most is None:
        return f"at least {least}{unit}"
    return f"{least} to {most}{unit}" if least != most else f"{least}{unit}"
