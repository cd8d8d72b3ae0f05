"""The decision about a ModelDeployment: keep its children as they should be, and move towards the wanted version.

What the servers are told is reserved in status first, under a revision of its own; the ConfigMap follows in the next
pass from what is stored, so that any operator writes the same bytes (D2).
"""

from __future__ import annotations

from datetime import datetime

from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..plan import Observed, Plan, Requeue
from . import image, requeue
from . import target as targets
from .children import effects as children
from .importing import step as importing
from .monitoring import phase as monitoring
from .observe.totals_configmap import StoredTotals
from .rollout import phase as rollout
from .situation import Situation, situate
from .state import DeploymentState
from .status import document as status
from .status import inputs, transitions

NEEDED = frozenset({"Pod", "ConfigMap", "Deployment"})


def plan(
    resource: ModelDeployment, state: DeploymentState, stored: StoredTotals, observed: Observed, now: datetime
) -> Plan:
    """The plan for a ModelDeployment; `state` is what its status holds, `stored` what its ConfigMaps hold.

    Each phase decides by the situation and by the results of the phases before it.
    """
    if observed.unknown & NEEDED:
        return Plan(requeue=(Requeue(requeue.SLOW, "children could not be listed"),))
    situation = situate(resource, state, stored, observed, now)
    wanted = targets.wanted(situation.resource, observed)
    imported = importing.step(situation, wanted)
    chosen = image.choose(situation, imported.target)
    rolled = rollout.advance(situation, imported, chosen.target)
    after = monitoring.monitored(situation, rolled.state)
    document = status.document(observed.owner, inputs.gather(situation, after, imported, chosen), now)
    told = transitions.events(observed.owner.get("status") or {}, document)
    events = (*imported.events, *rolled.events, *told)
    if _decided(situation, after, imported, chosen):
        return Plan(status=document, events=events, requeue=requeue.after_a_decision(after, chosen.target))
    return Plan(
        effects=(*children.effects(situation, imported, chosen.image), *imported.effects),
        status=document,
        events=events,
        requeue=requeue.reasons(situation, after, rolled.why, imported, chosen),
        asserts_children=True,
    )


def _decided(situation: Situation, after: DeploymentState, imported: importing.Step, chosen: image.Choice) -> bool:
    """True if this pass records an intent, which has to be stored before anything follows from it (D2)."""
    before = situation.state
    if before.routes is None or after.routes is None or after.routes.revision != before.routes.revision:
        return True
    return imported.begun or before.server_image != chosen.image
