"""Whether the cluster's CustomResourceDefinitions are those that this operator was made with (D15).

The API server drops fields that a definition does not know without a word, a reserved run number in a status among
them: an operator that was upgraded without its definitions would forget what it had decided.
"""

from __future__ import annotations

from ropewalk_contract.api.crd import SCHEMA_ANNOTATION, schemas

from ..core.kinds import DEFINITION
from .cluster import Cluster

REMEDY = "run `kubectl apply --server-side -k manifests` with the manifests of this operator's version"


async def mismatch(cluster: Cluster) -> str | None:
    """What is wrong with the definitions and how to mend it; None: they are ours. Raises as Cluster.get does."""
    for name, wanted in schemas().items():
        found = await cluster.get(DEFINITION.ref(name), None)
        if found is None:
            return f"the CustomResourceDefinition {name} is missing; {REMEDY}"
        has = (found["metadata"].get("annotations") or {}).get(SCHEMA_ANNOTATION)
        if has != wanted:
            return (
                f"the CustomResourceDefinition {name} is of another version (annotation {SCHEMA_ANNOTATION}: "
                f"{has or 'none'}, this operator needs {wanted}); {REMEDY}"
            )
    return None
