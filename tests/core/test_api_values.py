"""The scalar types of the API: what they accept as text is what the operator computes with."""

from __future__ import annotations

import keyword
from decimal import Decimal

import pytest
from pydantic import ValidationError

from ropewalk_contract.api.common import parse_decimal, parse_duration, parse_quantity
from ropewalk_contract.api.data import UNSAVEABLE, Feature
from ropewalk_contract.api.modeldeployment import ModelDeployment, ModelDeploymentSpec
from ropewalk_contract.api.pipeline import Pipeline


@pytest.mark.parametrize(("text", "seconds"), [("20ms", 0.02), ("90s", 90), ("1h30m", 5400), ("7d", 604800), ("0s", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-1s", "1.5h", "1w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "value"), [("500m", "0.5"), ("4Mi", "4194304"), (2, "2"), ("1e3", "1000"), ("1.5Gi", "1610612736")]
)
def test_quantities(text: str | int, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "4MiB", "x", "1 Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


def test_decimals_are_exact_and_finite() -> None:
    assert parse_decimal("0.1") + parse_decimal("0.2") == parse_decimal("0.3")
    for text in ("inf", "nan", "0,5"):
        with pytest.raises(ValueError, match="not a"):
            parse_decimal(text)


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
