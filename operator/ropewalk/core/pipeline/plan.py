"""The decision about a Pipeline: keep to the run or helper job in flight, or begin one that is due.

A pass that records an intent has no effects and comes again at once; the effects follow from what is stored (D2).
"""

from __future__ import annotations

from datetime import datetime

from ropewalk_contract.api.pipeline import PipelineSpec

from ..plan import Observed, Plan, Requeue
from . import requeue, status
from .helper_jobs import phase as helper_jobs
from .helper_jobs import recover, sweep
from .run import champion, leftovers
from .run import phase as run
from .situation import situate
from .state import PipelineState
from .step import WAIT
from .triggers import due, schedule
from .triggers import phase as triggers

NEEDED = frozenset({"Job", "Pod", "ConfigMap"})


def plan(spec: PipelineSpec, state: PipelineState, observed: Observed, now: datetime) -> Plan:
    """The plan for a Pipeline; `state` is what its status holds.

    Each phase decides by the situation and by the state that the phase before it has left. Of the phases that act, the
    first that has something to do is the only one in this pass.
    """
    if observed.unknown & NEEDED:
        return Plan(requeue=(Requeue(WAIT, "children could not be listed"),))
    situation = situate(spec, state, observed, now)
    scheduled = schedule.settled(situation)
    titled = champion.chosen(situation, scheduled.state)
    settled = due.skipped(situation, titled.state)
    after = settled.state
    step = (
        run.follow(situation, after)
        or helper_jobs.follow(situation, after)
        or leftovers.stop(situation, after)
        or recover.begin(situation, after)
        or triggers.begin(situation, after)
        or sweep.begin(situation, after)
        or requeue.rest(situation, after)
    )
    document = status.document(situation, step.state)
    changed = document != (observed.owner.get("status") or {})
    return Plan(
        effects=step.effects,
        status=document if changed else None,
        events=(*scheduled.events, *titled.events, *settled.events, *step.events),
        requeue=step.requeue,
    )
