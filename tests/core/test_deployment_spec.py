"""A spec that cannot be honoured is refused with the field, the value and the reason, whatever let it through."""

from __future__ import annotations

from typing import Any

import pytest

from ropewalk.core.deployment import spec as specs

MODEL = {"pipeline": "cancer"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"model": {}}, "spec.model names neither a pipeline nor a uri"),
        ({"monitor": {"window": "soon"}}, "spec.monitor.window: 'soon' is not a duration such as 30s, 5m or 24h"),
        ({"monitor": {"drift": {"threshold": "much"}}}, "spec.monitor.drift.threshold: 'much' is not a number"),
        (
            {"serving": {"limits": {"deadline": "late"}}},
            "spec.serving.limits.deadline: 'late' is not a duration such as 30s, 5m or 24h",
        ),
        (
            {"serving": {"limits": {"maxBodyBytes": "big"}}},
            "spec.serving.limits.maxBodyBytes: 'big' is not a size such as 4Mi",
        ),
        (
            {"serving": {"batching": {"type": "Bounded", "maxDelay": "soon"}}},
            "spec.serving.batching.maxDelay: 'soon' is not a duration such as 2ms",
        ),
        (
            {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}},
            "spec.autoscaling: minReplicas 3 is above maxReplicas 2",
        ),
    ],
)
def test_a_spec_is_refused_by_field_and_value(spec: dict[str, Any], message: str) -> None:
    """The messages are those of 9fe97bf."""
    with pytest.raises(specs.InvalidSpec) as refused:
        specs.read({"metadata": {"name": "x"}, "spec": {"model": MODEL, **spec}})
    assert str(refused.value) == message


def test_defaults_stand_in_the_api_alone() -> None:
    """A spec of one field is whole."""
    resource = specs.read({"metadata": {"name": "x"}, "spec": {"model": MODEL}})
    assert specs.limits_document(resource.spec.serving.limits) == {
        "maxBodyBytes": 4 * 2**20,
        "maxRows": 10_000,
        "deadlineSeconds": 30,
        "maxConcurrency": 256,
    }
    monitor = resource.spec.monitor
    assert (specs.window_seconds(monitor), specs.bucket_seconds(monitor)) == (86400, 60)
    assert (specs.label_window_seconds(monitor), specs.drift_threshold(monitor)) == (7 * 86400, 0.2)
    assert specs.batching_document(resource.spec.serving) == {}
