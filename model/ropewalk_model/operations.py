"""The TensorFlow operations that a model may have: those that compute, and none that reach a file, a socket or Python.

A SavedModel is a program. Before TensorFlow loads one, every operation that loading or predicting can reach is checked.
Operations that write and read the checkpoint are allowed where only the saver of the checkpoint calls them.
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
        "Assign",
        "Case",
        "DisableCopyOnRead",
        "EmptyTensorList",
        "HashTableV2",
        "If",
        "InitializeTableV2",
        "IsVariableInitialized",
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
        "VariableV2",
        "While",
    }
)
"""Operations with a state, or calls of functions, that live and die with the process."""
ALLOWED = COMPUTING | STATEFUL
INITIALIZERS = frozenset({"saved_model_main_op", "legacy_init_op"})
"""Collections of TensorFlow 1 that name what is run as a model is loaded; TensorFlow 2 has a signature for it."""


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
        # A saver of TensorFlow 1 stands in the graph itself: its nodes are run by nobody but the loader.
        asked = _needed(graph, {node.name: node for node in nodes})
        called = [n for n in nodes if n.name not in savers and (n.op not in CHECKPOINT or n.name in asked)]
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


def _needed(graph: Any, nodes: dict[str, Any]) -> set[str]:
    """Names of all nodes that an answer, or what is run once as the model is loaded, is computed from."""
    tensors = [one.name for signature in graph.signature_def.values() for one in signature.outputs.values()]
    starts = [
        name for key, value in graph.collection_def.items() if key in INITIALIZERS for name in value.node_list.value
    ]
    waiting = [*tensors, *starts]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop().removeprefix("^").split(":")[0]
        if name in nodes and name not in seen:
            seen.add(name)
            waiting += nodes[name].input
    return seen


def _called(node: Any) -> Iterator[str]:
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (one.name for one in value.list.func)
