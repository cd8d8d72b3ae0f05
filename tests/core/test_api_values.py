"""The types of the API: names on the wire, defaults, bounds, and values of other versions."""

from __future__ import annotations

import keyword

import pytest
from pydantic import ValidationError

from ropewalk_contract.api.data import UNSAVEABLE, Feature
from ropewalk_contract.api.modeldeployment import ModelDeployment, ModelDeploymentSpec
from ropewalk_contract.api.pipeline import Pipeline


def test_a_text_says_how_much_of_it_is_read_within_bounds() -> None:
    feature = {"name": "comment", "type": "Text", "maxVocabulary": 5000, "maxTokens": 50}
    assert Feature.model_validate(feature).document() == {**feature, "optional": False, "sensitive": False}
    assert "maxTokens" not in Feature.model_validate({"name": "comment", "type": "Text"}).document()
    for wrong in ({"maxTokens": 0}, {"maxTokens": 1001}, {"maxVocabulary": 100_001}):
        with pytest.raises(ValidationError):
            Feature.model_validate({**feature, **wrong})


def test_no_feature_has_the_name_of_a_word_of_python() -> None:
    # TensorFlow makes the inputs of a SavedModel arguments of a function.
    assert set(UNSAVEABLE) == {*keyword.kwlist, "self"}


def test_a_short_manifest_gets_every_default() -> None:
    spec = ModelDeploymentSpec.model_validate({"model": {"pipeline": "cancer"}})
    assert (spec.replicas, spec.serving.engine, spec.serving.limits.max_rows) == (1, "Auto", 10_000)
    assert (spec.monitor.window, spec.monitor.drift.threshold) == ("24h", "0.2")
    assert spec.document()["serving"]["limits"]["maxBodyBytes"] == "4Mi"


def test_names_on_the_wire_are_those_of_the_api() -> None:
    autoscaling = {"minReplicas": 1, "maxReplicas": 3, "targetCPUPercent": 50}
    spec = ModelDeploymentSpec.model_validate({"model": {"pipeline": "cancer"}, "autoscaling": autoscaling})
    assert spec.document()["autoscaling"] == autoscaling


def test_a_status_of_another_version_is_readable() -> None:
    # A newer operator may have written fields that this one does not know.
    body = {
        "metadata": {"name": "cancer", "namespace": "default"},
        "spec": {"model": {"pipeline": "cancer"}},
        "status": {"observedGeneration": 2, "traffic": {"latencyP95": "0.004s", "new": {}}, "later": [1]},
    }
    status = ModelDeployment.model_validate(body).status
    assert status.traffic is not None
    assert status.traffic.latency_p95 == "0.004s"


def test_models_are_frozen_and_need_a_spec() -> None:
    with pytest.raises(ValidationError):
        Pipeline.model_validate({"metadata": {"name": "x"}})
    spec = ModelDeploymentSpec.model_validate({"model": {"pipeline": "cancer"}})
    with pytest.raises(ValidationError):
        spec.replicas = 3
