"""Which TensorFlow operations a model may consist of: those that compute, none that reach a file, a socket or Python.

A SavedModel is a program. Before TensorFlow loads one, every operation that loading or predicting can reach is looked
at; what writes and reads its own checkpoint may stand where only the checkpoint's saver calls it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ropewalk_model.computing_operations import COMPUTING

CHECKPOINT = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"})
STATEFUL = frozenset(
    {
        "AnonymousHashTable",
        "AssignVariableOp",
        "Assert",
        "Case",
        "DisableCopyOnRead",
        "EmptyTensorList",
        "HashTableV2",
        "If",
        "InitializeTableV2",
        "LookupTableExportV2",
        "LookupTableFindV2",
        "LookupTableImportV2",
        "LookupTableSizeV2",
        "MutableHashTableV2",
        "NoOp",
        "PartitionedCall",
        "Placeholder",
        "PlaceholderWithDefault",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "StatefulPartitionedCall",
        "StatelessIf",
        "StatelessWhile",
        "TensorListReserve",
        "VarHandleOp",
        "VarIsInitializedOp",
        "While",
    }
)
"""Operations with a state, or calls of functions, that live and die with the process."""
ALLOWED = COMPUTING | STATEFUL


def forbidden(saved_model: Any) -> str | None:
    """The first operation that a model may not have, sorted by name; None if there is none.

    `saved_model` is a parsed `tensorflow.SavedModel`.
    """
    found: set[str] = set()
    for graph in saved_model.meta_graphs:
        functions = {one.signature.name: one.node_def for one in graph.graph_def.library.function}
        savers = {graph.saver_def.save_tensor_name.split(":")[0], graph.saver_def.restore_op_name} - {""}
        nodes = list(graph.graph_def.node)
        by_saver = _reached((node for node in nodes if node.name in savers), functions)
        called = [node for node in nodes if node.name not in savers]
        by_others = _reached(called, functions, [*graph.object_graph_def.concrete_functions])
        by_others |= functions.keys() - by_saver
        ops = {node.op for node in called} | {node.op for name in by_others for node in functions[name]}
        own = {node.op for name in by_saver - by_others for node in functions[name]} - CHECKPOINT
        found |= {op for op in ops | own if op not in functions and op not in ALLOWED}
    return min(found, default=None)


def forbidden_in(graph_def: Any) -> str | None:
    """As `forbidden`, for a parsed `tensorflow.GraphDef` of a network alone: it has no business with checkpoints."""
    functions = {one.signature.name: one.node_def for one in graph_def.library.function}
    ops = {node.op for nodes in (graph_def.node, *functions.values()) for node in nodes}
    return min((op for op in ops if op not in functions and op not in ALLOWED), default=None)


def _reached(nodes: Iterable[Any], functions: dict[str, Any], names: Iterable[str] = ()) -> set[str]:
    """Names of all functions that these nodes, or the functions of these names, can call."""
    seen: set[str] = set()
    waiting = [*names, *(name for node in nodes for name in _called(node))]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            waiting += [called for node in functions[name] for called in _called(node)]
    return seen


def _called(node: Any) -> Iterator[str]:
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (one.name for one in value.list.func)
