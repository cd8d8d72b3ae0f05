"""The operator is killed before and after its writes; what is left in the cluster always leads to the same end.

A life that ends at its first write that is not the first of all leaves the cluster as any crash between two writes
does, so two walks meet every write there is: `crash:1:after` dies right after each, `crash:2:before` right before each.
The third has longer and longer lives, which know more of their own by the time they die.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

import pytest

from tests.cancer import cancer_csv
from tests.cluster import operator_outside
from tests.cluster.operator_outside import MortalOperator
from tests.cluster.resources import example, pipeline, write_csv
from tests.polling import eventually
from tests.support import Namespace, condition


def ladder() -> Iterator[str]:
    """Before and after the first write, the second, the third, and so on."""
    return (f"crash:{number}:{when}" for number in itertools.count(1) for when in ("before", "after"))


WALKS = {
    "after": (itertools.repeat("crash:1:after"), 10),
    "before": (itertools.repeat("crash:2:before"), 10),
    "longer": (ladder(), 6),
}
"""For each walk the faults of its lives, and how many lives there are at least."""


@pytest.mark.parametrize("walk", WALKS)
def test_crashes_at_every_write_lead_to_the_same_end(namespace: Namespace, alone: None, walk: str) -> None:
    """The run still ends once, with one Job of one pod, and the model is served by one Deployment."""
    faults, least = WALKS[walk]
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    served = example("modeldeployment.yaml")
    served["metadata"]["name"], served["spec"]["model"] = walk, {"pipeline": walk}
    namespace.apply(pipeline(walk, triggers={}), served)
    operator = MortalOperator(namespace.name, faults)

    def look() -> tuple[str, str]:
        operator.keep_alive()
        found = namespace.get("modeldeployment", walk)
        message = found.get("status", {}).get("summary", {}).get("message", "")
        return condition(found, "Ready").get("status", ""), message

    try:
        eventually(look, until=lambda seen: seen[0] == "True", seconds=400)
    finally:
        operator.stop()
    print(f"{walk}: {operator.lives} lives")
    assert operator.lives > least
    status = namespace.get("pipeline", walk)["status"]
    assert [h["result"] for h in status["history"]] == ["Succeeded"]
    assert status["champion"]["version"] == 1
    jobs = {job["metadata"]["name"] for job in namespace.list("jobs", f"ropewalk.dev/pipeline={walk}")}
    assert len(jobs) == 1, jobs
    created = [
        event["message"]
        for event in namespace.list("events")
        if event["reason"] == "SuccessfulCreate" and event["involvedObject"]["name"] in jobs
    ]
    assert len(created) == 1, "one pod of one Job"
    assert len(namespace.list("deployments", f"ropewalk.dev/modeldeployment={walk}")) == 1


def test_two_operators_share_the_work_without_a_second_job(namespace: Namespace, alone: None) -> None:
    """Only the holder of the Lease writes."""
    name = f"twice-{uuid.uuid4().hex[:6]}"
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    both = [operator_outside.start(namespace.name, f"o{port}", port) for port in (18081, 18082)]
    try:
        namespace.apply(pipeline(name, triggers={}))
        eventually(lambda: namespace.get("pipeline", name).get("status", {}).get("history", []), seconds=120)
    finally:
        for process in both:
            process.terminate()
        for process in both:
            process.wait(20)
    assert len(namespace.list("jobs", f"ropewalk.dev/pipeline={name}")) == 1
