"""A server image that is not there, which only an operator can be told to use: deployments say so, and recover."""

from __future__ import annotations

from tests.cancer import cancer_csv
from tests.cluster import operator_outside
from tests.cluster.image_pulls import MISSING, SOON, told_after
from tests.cluster.resources import example, finished, pipeline, write_csv
from tests.polling import eventually
from tests.support import Namespace, condition


def test_a_missing_server_image_is_named_within_5_s_and_a_better_one_is_taken(
    namespace: Namespace, alone: None
) -> None:
    """What never answered is no reason to wait: the next operator's image replaces it at once."""
    write_csv(namespace, "cancer/train.csv", cancer_csv())
    operator = operator_outside.start(namespace.name, "first", 18083, ROPEWALK_SERVER_IMAGE=MISSING)
    served = example("modeldeployment.yaml")
    served["spec"]["model"] = {"uri": "pvc://models/none/5", "digest": "sha256:" + "0" * 64}
    try:
        namespace.apply(served)
        assert told_after(namespace, "modeldeployment", "cancer") < SOON
        seen = namespace.get("modeldeployment", "cancer")
        ready = condition(seen, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ImagePullFailed")
        assert seen["status"]["lastFailure"]["reason"] == "ImagePullFailed"
    finally:
        operator.terminate()
        operator.wait(20)
    operator = operator_outside.start(namespace.name, "second", 18083)
    try:
        namespace.apply(pipeline("cancer", evaluate={}, triggers={}), example("modeldeployment.yaml"))
        assert finished(namespace, "cancer")["status"]["history"][-1]["result"] == "Succeeded"
        eventually(
            lambda: namespace.get("modeldeployment", "cancer"),
            until=lambda m: condition(m, "Ready").get("status") == "True",
            seconds=60,
        )
    finally:
        operator.terminate()
        operator.wait(20)
