"""Whole runs on real TensorFlow, outside a pod: data in, a candidate out that every engine answers alike."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import simplejpeg
from sklearn.datasets import load_digits

from ropewalk_model import manifest
from ropewalk_trainer import lazy_imports
from tests.contract.trainer_suite import check_trained
from tests.polling import eventually
from tests.trainer.support import Pod, Result, example
from tests.trainer.versions import check_version

ROOT = Path(__file__).parents[2]


def small(name: str, epochs: int, **changes: Any) -> dict[str, Any]:
    """An example's spec with few epochs."""
    spec = copy.deepcopy(example(name)) | changes
    spec["train"]["hyperparameters"] = [{"name": "epochs", "value": str(epochs)}]
    return spec


def test_tabular(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer)
    result = pod.run(example("tabular"))
    assert result.code == 0, result.message
    assert set(result.states.values()) == {"Succeeded"}
    assert result.message["blessing"] == "Blessed"
    check_trained(result.message)
    assert float(result.message["metrics"]["accuracy"]) > 0.93
    assert result.message["record"]["uri"] == "pvc://models/ropewalk/ns/p/runs/1/record.json"
    version = result.candidate()
    check_version(version)
    assert version.document["madeFrom"]["dataFingerprint"] == result.message["dataFingerprint"]
    assert version.read_json(manifest.SIGNATURE)["classes"] == ["malignant", "benign"]
    assert not list(version.directory.rglob("*.tmp"))


def test_image(pod: Pod) -> None:
    digits = load_digits()
    pixels = (digits.data * 255 / 16).round().astype("uint8")
    out = io.BytesIO()
    pd.DataFrame({"pixels": [row.tolist() for row in pixels], "digit": digits.target.astype(str)}).to_parquet(out)
    pod.write("digits/digits.parquet", out.getvalue())
    result = pod.run(small("digits", 8))
    assert result.code == 0, result.message
    assert float(result.message["metrics"]["accuracy"]) > 0.9
    version = result.candidate()
    check_version(version)
    assert version.read_json(manifest.SIGNATURE)["inputs"][0]["shape"] == [-1, 8, 8, 1]


def test_image_folder(pod: Pod) -> None:
    tf = lazy_imports.tensorflow()
    random = np.random.default_rng(0)
    for index in range(120):
        kind, level = (("dark", 40), ("light", 200))[index % 2]
        picture = np.clip(random.normal(level, 20, (8, 8, 3)), 0, 255).astype(np.uint8)
        if index % 3:
            pod.write(f"pictures/{kind}/{index}.png", tf.io.encode_png(picture).numpy())
        else:
            pod.write(f"pictures/{kind}/{index}.jpg", simplejpeg.encode_jpeg(picture))
    spec = small("digits", 60, source={"uri": "pvc://data/pictures", "format": "ImageFolder"})
    spec["schema"] = {
        "label": {"name": "brightness", "type": "Category"},
        "features": [{"name": "picture", "type": "Image", "shape": [8, 8, 3]}],
    }
    result = pod.run(spec)
    assert result.code == 0, result.message
    assert result.message["metrics"]["accuracy"] == "1.0000"
    check_version(result.candidate())


def every_type(rows: int = 400) -> pd.DataFrame:
    """Data with a feature of each type, some of them missing, and a number that follows from them."""
    random = np.random.default_rng(3)
    size = random.normal(50, 20, rows)
    rooms = random.integers(1, 7, rows)
    city = random.choice(["\u00c9cole", "Zwolle", "a b", "\u4eac\u90fd"], rows)
    lift = random.random(rows) < 0.5
    price = 3 * size + 10 * rooms + 25 * lift + np.where(city == "Zwolle", 40, 0) + random.normal(0, 2, rows)
    frame = pd.DataFrame({"Size (m\u00b2)": size, "rooms": rooms.astype(object), "city": city, "lift": lift})
    frame["price"] = price * 1000
    frame["when"] = pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%dT00:00:00Z")
    frame.loc[::10, "rooms"] = None
    frame.loc[::9, "city"] = None
    return frame


def regression() -> dict[str, Any]:
    """A spec for `every_type`."""
    spec = copy.deepcopy(example("tabular"))
    spec["source"] = {
        "uri": "pvc://data/houses.jsonl",
        "format": "JSONLines",
        "split": {"by": "Time", "column": "when", "evaluatePercent": 10, "testPercent": 20},
    }
    spec["schema"] = {
        "label": {"name": "price", "type": "Number"},
        "features": [
            {"name": "size", "column": "Size (m\u00b2)", "type": "Number"},
            {"name": "rooms", "type": "Integer", "optional": True},
            {"name": "city", "type": "Category", "optional": True},
            {"name": "lift", "type": "Boolean"},
        ],
    }
    spec["train"]["hyperparameters"] = [
        {"name": "epochs", "value": "80"},
        {"name": "learningRate", "value": "0.01"},
        {"name": "dropout", "value": "0.01"},
        {"name": "l2", "value": "0.00001"},
    ]
    spec["evaluate"] = {"metrics": [{"name": "r2", "min": "0.8"}]}
    return spec


def test_regression_over_every_type(pod: Pod) -> None:
    pod.write("houses.jsonl", every_type().to_json(orient="records", lines=True))
    result = pod.run(regression())
    assert result.code == 0, result.message
    assert result.message["blessing"] == "Blessed", result.message
    assert result.message["rows"] == {"train": 280, "evaluate": 40, "test": 80}
    version = result.candidate()
    check_version(version)
    assert [one["optional"] for one in version.read_json(manifest.SIGNATURE)["inputs"]] == [
        False,
        True,
        True,
        False,
    ]


def test_a_threshold_that_is_not_met(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer)
    spec = small("tabular", 2, evaluate={"metrics": [{"name": "accuracy", "min": "0.999"}]})
    result = pod.run(spec)
    assert (result.code, result.message["blessing"]) == (0, "NotBlessed")
    assert "is below min 0.999 on" in result.message["reasons"][0]
    assert result.publish is not None
    assert result.publish["skip"] == "NotBlessed"
    assert result.states["Publish"] == "Skipped"
    assert not list(result.directory.glob("candidate*"))


def champion_and_challenger(pod: Pod, cancer: str, **evaluate: Any) -> Result:
    """A well trained champion against a network after one epoch."""
    pod.write("cancer/train.csv", cancer)
    champion = pod.promote(pod.run(example("tabular")), 1)
    metric = {"name": "accuracy", "maxRegression": "0.01"}
    spec = small("tabular", 1, evaluate={"metrics": [metric], **evaluate})
    spec["train"]["hyperparameters"] += [{"name": "learningRate", "value": "0.00001"}]
    return pod.run(spec, run=2, champion=champion)


def test_a_champion_that_is_better_stays(pod: Pod, cancer: str) -> None:
    result = champion_and_challenger(pod, cancer)
    assert result.message["blessing"] == "NotBlessed"
    assert result.message["reasons"][0].startswith("Fail: accuracy is -")
    assert "against version 1 (95% interval" in result.message["reasons"][0]


def test_the_same_model_again_is_as_good_as_the_champion(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer)
    spec = small("tabular", 5, evaluate={"metrics": [{"name": "auc", "maxRegression": "0"}]})
    first = pod.run(spec)
    digest = first.candidate().model_digest
    again = pod.run(spec, run=2, champion=pod.promote(first, 1))
    assert again.message["blessing"] == "Blessed", again.message
    assert again.candidate().model_digest == digest, "the same seed, data and processor give the same model"
    other = copy.deepcopy(spec)
    other["train"]["seed"] = 2
    assert pod.run(other, run=3).candidate().model_digest != digest


def test_a_champion_that_cannot_be_scored_any_more_stays(pod: Pod, cancer: str) -> None:
    """Nothing was measured: not even `whenInconclusive: Promote` lets a model past it."""
    pod.write("cancer/train.csv", cancer)
    first = pod.run(small("tabular", 3, evaluate={}))
    champion = pod.promote(first, 1)
    spec = small("tabular", 3, evaluate={"metrics": [{"name": "accuracy", "maxRegression": "0.5"}]})
    spec["schema"]["features"] = spec["schema"]["features"][1:]
    result = pod.run(spec, run=2, champion=champion)
    assert (result.code, result.message["blessing"], result.reason) == (0, "NotBlessed", "BaselineUnusable")
    assert "version 1: it needs the feature 'mean_radius'" in result.message["reasons"][0]
    spec["evaluate"]["whenInconclusive"] = "Promote"
    assert pod.run(spec, run=3, champion=champion).message["blessing"] == "NotBlessed"


def test_a_champion_whose_engine_fails_ends_no_run(pod: Pod, cancer: str) -> None:
    """ONNX Runtime's errors are no RuntimeErrors; the next run would crash as this one."""
    pod.write("cancer/train.csv", cancer)
    first = pod.run(small("tabular", 3, evaluate={}))
    directory = first.candidate().directory
    file = f"{manifest.COMPILED}/onnxruntime.onnx"
    (directory / file).write_bytes(b"no network")
    engines = [{"name": "ONNXRuntime", "file": file}]
    document = manifest.build_manifest(directory, made_from={}, engines=engines)
    manifest.write_manifest(directory, document)
    spec = small("tabular", 3, evaluate={"metrics": [{"name": "accuracy", "maxRegression": "0.5"}]})
    result = pod.run(spec, run=2, champion=pod.promote(first, 1))
    assert (result.code, result.reason) == (0, "BaselineUnusable")
    assert "version 1 cannot be asked" in result.message["reasons"][0]


def test_an_image_of_another_shape_is_not_shown_to_the_champion(pod: Pod) -> None:
    """Its engine would raise an error that has no base in common with the others'."""
    digits = load_digits()
    table = pd.DataFrame({"digit": (digits.target % 2).astype(str)})
    for size in (8, 4):
        pixels = np.repeat(np.repeat(digits.images[:, :4, :4], size // 4, 1), size // 4, 2).astype("uint8")
        table[f"pixels{size}"] = [row.reshape(-1).tolist() for row in pixels]
    out = io.BytesIO()
    table.to_parquet(out)
    pod.write("digits/digits.parquet", out.getvalue())
    spec = small("digits", 1, evaluate={})
    spec["schema"]["label"] = {"name": "digit", "type": "Category"}
    spec["schema"]["features"] = [{"name": "pixels", "column": "pixels8", "type": "Image", "shape": [8, 8, 1]}]
    champion = pod.promote(pod.run(spec), 1)
    spec["schema"]["features"] = [{"name": "pixels", "column": "pixels4", "type": "Image", "shape": [4, 4, 1]}]
    spec["evaluate"] = {"metrics": [{"name": "accuracy", "maxRegression": "0.5"}]}
    result = pod.run(spec, run=2, champion=champion)
    assert (result.code, result.reason) == (0, "BaselineUnusable")
    assert "'pixels' is Image of shape [8, 8, 1]" in result.message["reasons"][0]


def test_another_attempt_takes_up_what_the_first_one_left(pod: Pod, cancer: str) -> None:
    pod.write("cancer/train.csv", cancer)
    spec = small("tabular", 3)
    first = pod.run(spec)
    digest = first.candidate().model_digest
    (pod.root / "claims/data/cancer/train.csv").write_text("replaced in between")
    second = pod.run(spec, attempt=2)
    assert second.states["Source"] == "Cached"
    assert second.states["Train"] == "Cached"
    assert second.message["dataFingerprint"] == first.message["dataFingerprint"]
    version = second.candidate()
    assert version.directory.name == "candidate-a2"
    assert version.model_digest == digest


def start(pod: Pod, port: int) -> subprocess.Popen[bytes]:
    """The command of the container, in a process of its own."""
    code = "import sys; sys.argv[0] = 'ropewalk-train'; from ropewalk_trainer.main import entry; entry()"
    environment = {**os.environ, "ROPEWALK_PROGRESS_PORT": str(port)}
    return subprocess.Popen([sys.executable, "-c", code, "run"], env=environment, cwd=ROOT)


@pytest.mark.parametrize("stop", [False, True])
def test_progress_and_an_orderly_end_when_the_pod_is_told_to_stop(pod: Pod, cancer: str, stop: bool) -> None:
    pod.write("cancer/train.csv", cancer)
    spec = small("tabular", 3000 if stop else 40)
    spec["train"]["earlyStopping"] = {"patience": 0}
    pod.prepare(spec)
    port = 18090 + os.getpid() % 500
    process = start(pod, port)
    seen: dict[str, Any] = {}

    def progress() -> dict[str, Any]:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/progress", timeout=1) as got,
        ):
            seen.update(json.load(got))
        return {**seen, "exitCode": process.poll()}

    eventually(progress, until=lambda p: "epoch" in p or p["exitCode"] is not None, pause=0.02)
    if stop:
        assert seen["epochs"] == 3000
        process.terminate()
    code = process.wait(60)
    result = pod.result(code)
    assert seen["stages"][0][1] == "Succeeded"
    if stop:
        assert (code, result.reason) == (75, "Preempted")
    else:
        assert (code, result.message["outcome"]) == (0, "Succeeded")
        result.candidate()
